"""Floor 1: the ledger of one shard.

Transactions arrive in any order and become solid once their parents are there; tips are scored relative to
the last checkpoint; a committed cone is put into one order; executing it moves accounts, pays fees and
reports effects. Everything here is a pure function of what it is handed: the same prefix gives the same
state on every node.
"""
