"""The garbage collector of a node's process, set for many small records that live for a second and then go.

Records refer to nothing that refers back, so counting references frees nearly all of them; the collector
looks at each in vain, and its look at everything holds up the event loop. Measured on one node under a blast:
with Python's own settings it took some 20 µs of processor time a transaction, a tenth of all, and 30 to 70 ms
at worst; with these, the core process took 175 µs a transaction instead of 192 (docs/benchmarks.md).
"""

import gc
from typing import Final

YOUNG_MAX: Final = 50_000
"""New objects before the youngest are looked through: what a node makes of some thousand transactions, a few
megabytes; Python's own 700 is what it makes of twenty."""

MIDDLE_ROUNDS: Final = 20
"""Looks at the youngest for each at those that survived one."""

OLD_ROUNDS: Final = 50
"""Looks at those for each at all objects; Python adds that a quarter of them must be new."""


def tune_collector() -> None:
    """Set the thresholds, and leave out what is loaded already: modules and classes stay until the end."""
    gc.set_threshold(YOUNG_MAX, MIDDLE_ROUNDS, OLD_ROUNDS)
    gc.collect()
    gc.freeze()
