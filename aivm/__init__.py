"""The AI virtual machine: integer models that give the same bits on every machine.

``layered`` says what a model and an evaluation are and excludes overflow by checking shapes; ``oracle``
defines the arithmetic in a few lines of numpy; ``backends`` computes the same quickly (numpy, tinygrad
kernels); ``conformance`` holds published vectors that a backend must reproduce before work made on it is
signed. Nothing here knows of ledgers.
"""
