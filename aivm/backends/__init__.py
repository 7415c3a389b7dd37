"""Fast twins of the oracle: numpy on any machine, tinygrad kernels on the devices found at start."""
