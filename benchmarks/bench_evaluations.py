"""How long an evaluation of the devnet's standing job takes, on numpy and on tinygrad.

Everything from the transaction's fields to the recomputed result is included: seeds, signs, kernels. One
thread; the best of several calls. Run on a quiet machine: ``make bench``.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from time import perf_counter_ns
from typing import Final

from aivm.backends.opening import open_backend
from aivm.backends.protocol import Backend
from poi.events import Assignment, CountedWork
from poi.evolution import OpenJob, compute_results, compute_score, open_job
from poi.folding import compute_direction, compute_fold
from poi.presets import DIGITS
from poi.seeds import compute_signs
from poi.weights import compute_effective, compute_initial_master
from tangle.core.types import PublicKey, Sequence

BATCHES: Final = (1, 16, 64, 256, 1024)
"""Evaluations per call: from one's own proof to a busy node's verification."""

ROUNDS: Final = 20
"""Each figure is the best of so many calls: the one least disturbed by the rest of the machine."""

CACHE: Final = Path(gettempdir()) / "tangle-kernels"
"""Compiled kernels are kept between runs."""


def measure_us(function: Callable[[], object]) -> float:
    """Shortest of ``ROUNDS`` calls, in microseconds."""
    elapsed = []
    for _ in range(ROUNDS):
        start = perf_counter_ns()
        function()
        elapsed.append(perf_counter_ns() - start)
    return min(elapsed) / 1000


def make_assignments(count: int) -> list[Assignment]:
    """One evaluation each, of different issuers."""
    return [Assignment(PublicKey(number.to_bytes(32, "big")), Sequence(number), 1) for number in range(count)]


def measure_backend(opened: OpenJob, backend: Backend) -> None:
    """Print one line per batch size, and the score's."""
    weights = compute_effective(opened.job, compute_initial_master(opened.job, opened.id))
    backend.prepare(opened.shape)
    for count in BATCHES:
        batch = make_assignments(count)
        compute_results(opened, 0, weights, batch, backend)
        total = measure_us(partial(compute_results, opened, 0, weights, batch, backend))
        print(f"{backend.name:9} {backend.device}: {count:5} evaluations {total / count:8.2f} us each")
    compute_score(opened, weights, backend)
    score = measure_us(lambda: compute_score(opened, weights, backend))
    print(f"{backend.name:9} {backend.device}: score on {len(opened.holdout.rows)} rows {score:8.1f} us")


def main() -> None:
    """Print every figure with its conditions."""
    opened = open_job(DIGITS)
    macs = opened.shape.multiply_accumulates
    print(f"layers {DIGITS.sizes}, {DIGITS.rows} rows, {macs} MACs an evaluation")
    for name in ("numpy", "CPU"):
        measure_backend(opened, open_backend(name, os.environ, CACHE))
    batch = make_assignments(1024)
    works = [CountedWork(0, each.issuer, each.sequence, (1,)) for each in batch]
    master = compute_initial_master(DIGITS, opened.id)
    direction = compute_direction(DIGITS, opened.id, works)
    signs = measure_us(lambda: compute_signs(opened.shape, opened.id, 0, batch))
    print(f"seeds and signs alone: {signs / len(batch):.2f} us each, of 1024")
    summed = measure_us(lambda: compute_direction(DIGITS, opened.id, works))
    print(f"direction of 1024 evaluations: {summed / 1000:.2f} ms")
    folded = measure_us(lambda: compute_fold(DIGITS, master, direction, len(works)))
    print(f"fold: {folded:.1f} us")


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
