"""The sandbox: programs of strangers run in worker processes that may take no more than they were given.

``runner`` is the seam: a task goes in, its outcome comes out, and every way in which a task can fail is one
member of a closed union (``outcomes``). ``pool`` is the real twin: worker processes (``worker``) that confine
themselves before they look at a program (``confinement``, ``landlock``), spoken to in canonical records
(``wire``) and watched from outside (``process``, ``watch``). What this promises, and what not: ADR 0021.
"""
