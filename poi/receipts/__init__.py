"""Receipts: one record that says how far a result was verified, and lets anybody verify it again, offline.

``record`` is the format, one kind of evidence per level; ``materials`` what the reader brings along;
``check`` verifies and reports level, cost and error bound.
"""
