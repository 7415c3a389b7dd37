"""Snapshots: the state of one shard at a certified checkpoint as a file, made, verified and restored."""
