"""What crosses between shards, as a node sees it: bundles that it gives to others, and those that it brings.

The rules are in ``tangle.ledger.receipts`` and ``shards.bundles``; here is how bundles get about.
"""
