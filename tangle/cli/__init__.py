"""Floor 4: the ``tangle`` command. One module for each group of commands, and no rule of the protocol in
any.
"""
