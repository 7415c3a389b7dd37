"""Floor 2: what a node keeps on disk.

Named tables in LMDB, read and written in transactions that are atomic and durable once committed. Live
state has an environment of its own; history has one for each epoch, so that pruning deletes whole files.
"""
