"""Tangle: a node for a DAG ledger that learns."""
