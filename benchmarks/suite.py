"""All stages, limits first: what ``tangle bench list`` lists and ``tangle bench run`` runs."""

from typing import Final

from benchmarks.limits import LIMITS
from benchmarks.nodes import NODES
from benchmarks.pipeline import PIPELINE
from tangle.cli.bench.records import Stage

STAGES: Final[tuple[Stage, ...]] = (*LIMITS, *PIPELINE, *NODES)
"""In the order of measuring."""
