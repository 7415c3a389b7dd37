"""The AI virtual machine: integer models that give the same bits on every machine.

``program`` is the graph format in which any model enters the network; ``layered`` is the smaller form of the
standing job's models and evaluations. Both exclude overflow by checking shapes. ``oracle`` defines the
arithmetic in a few lines of numpy; ``backends`` computes the same quickly (numpy, tinygrad kernels);
``conformance`` holds published vectors that a backend must reproduce before work made on it is signed.
Nothing here knows of ledgers.
"""
