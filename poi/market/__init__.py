"""The market: paid jobs, who does them, what they cost, and where every grain goes.

``machine`` is the door: the state of the market and every step it takes. ``records`` says what it knows,
``operations`` what an account may ask, ``outcomes`` what a step moves and tells; ``pricing`` and
``assignment`` are the two formulas, ``problems`` the exact checkers of optimisation jobs. Nothing here knows
accounts: a step is handed who asks and returns what to debit and credit.
"""
