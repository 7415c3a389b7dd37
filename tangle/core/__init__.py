"""Floor 0: domain types, encoding, hashes, signatures, errors and parameters. Pure; imports nothing above."""
