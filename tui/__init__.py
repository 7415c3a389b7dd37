"""The terminal dashboard: one immutable snapshot a tick goes in, and widgets draw it."""
