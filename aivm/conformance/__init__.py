"""Published vectors and the run that compares a backend with them.

The expected values come from ``plain``, a third implementation in Python's own unbounded integers, so that an
error shared by numpy and tinygrad (a type too narrow, a shift that rounds) cannot hide.
"""
