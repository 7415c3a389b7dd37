"""What a node does for the job market, beside the ledger and never in its way.

The market says what is so; a node that knows its state, and what it has found out itself, can say what it
should do next. ``validating``, ``working``, ``challenging`` and ``refereeing`` say it, each a pure function;
nothing is remembered that the ledger does not say, except findings that can be made again. ``room`` does it:
it looks at every executed checkpoint, starts what has to be done, and hands votes to the committee driver and
operations to the same walk that a wallet's transactions go.
"""
