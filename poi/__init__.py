"""Floor 1: Proof of Intelligence, the work that transactions carry.

Which work a transaction is assigned, how a prover finds it, how anyone verifies it, and how a checkpoint's
work is folded into the next generation of a model. Pure: it is handed a computer and asks it.
"""
