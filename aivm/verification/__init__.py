"""Checks integer work for less than it costs to do it.

``field`` and ``projection`` are exact arithmetic modulo 2^61 - 1 in numpy; ``challenges`` turns a commitment
into randomness that nobody could choose. On these stand ``freivalds`` (products by random projection),
``sumcheck`` (products by an interactive proof made non-interactive), ``tree`` and ``trace`` (what a worker
commits to), ``spot`` (opened chunks, computed again) and ``chain`` (a whole run). ``traced`` says what a
program must offer to be checked; ``layered`` and ``graph`` offer it for the two kinds of program. Verdicts,
bonds and receipts are in ``poi``.
"""
