"""Fast answers: a paid job is run by a few validators at once, before the ledger settles it.

``orders`` reads what is asked and says whether it fits, ``payment`` whether it is paid for, ``panel`` whom to
ask, when there are seals enough and when results are; all three are pure. ``worker`` runs a job for whoever
asks, seals the result and shows it. ``room`` asks, and makes the answer with its receipt.
"""
