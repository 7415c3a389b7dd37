"""The definition of the arithmetic: short, slow, plain numpy in 64-bit integers."""
