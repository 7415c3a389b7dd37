"""Floor 2: keys at rest. Words, derivation, encrypted keystores of wallets, plain key files of nodes."""
