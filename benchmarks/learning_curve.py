"""Trains the devnet's standing job and writes its learning curve.

``docs/learning.svg`` and a table on standard output. The way is the ledger's: honest work of single
evaluations, counted, closed, folded, scored. Three regimes: a network at rest, where a generation closes with
P evaluations; a busier one with 64 a generation, each one generation late; and one with 256.
"""

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir
from typing import Final

from msgspec import Struct

from aivm.backends.opening import open_backend
from aivm.backends.protocol import Backend
from poi.events import Assignment, CountedWork
from poi.evolution import compute_results, open_job
from poi.job import StandingJob
from poi.presets import DIGITS
from poi.state import JobState
from poi.weights import decode_effective
from tangle.core.types import Milliseconds, PublicKey, Sequence

EVALUATIONS: Final = 50_000
"""Where the curve ends."""

MARKS: Final = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
"""Rows of the table."""

TARGET: Final = Path(__file__).parent.parent / "docs" / "learning.svg"
"""The picture."""

WIDTH, HEIGHT, MARGIN = 720, 400, 50
"""Pixels of the picture, and of the frame around the plot."""


class Regime(Struct, frozen=True):
    """How busy the network is."""

    name: str
    """Shown in the legend."""

    evaluations: int
    """Evaluations per generation."""

    late: int
    """Generations between making work and counting it."""

    colour: str
    """Of the line."""


REGIMES: Final = (
    Regime(f"{DIGITS.population} a generation (at rest)", DIGITS.population, 0, "#1b6ca8"),
    Regime("64 a generation, one generation late", 64, 1, "#c8553d"),
    Regime("256 a generation, one generation late", 256, 1, "#588b8b"),
)
"""From a quiet network to a busy one."""


def train(
    job: StandingJob, regime: Regime, backend: Backend, seed: bytes = b"curve"
) -> Iterator[tuple[int, int]]:
    """Yield (evaluations counted, right answers on the holdout) of every generation."""
    state = JobState.start(open_job(job), Milliseconds(0))
    issuer = PublicKey(blake2b(seed, digest_size=32).digest())
    counted = now_ms = 0
    while counted < EVALUATIONS:
        generation = max(0, state.generation - regime.late)
        weights = decode_effective(state.opened.shape.layers, state.get_weights_encoded(generation))
        numbers = range(counted, counted + regime.evaluations)
        batch = [Assignment(issuer, Sequence(number), 1) for number in numbers]
        results = compute_results(state.opened, generation, weights, batch, backend)
        for each, found in zip(batch, results, strict=True):
            state.count(CountedWork(generation, each.issuer, each.sequence, found))
        counted += regime.evaluations
        now_ms += job.generation_interval_ms
        closed = state.close_if_due(Milliseconds(now_ms), backend)
        if closed is not None:
            yield counted, closed.score


def draw(curves: dict[str, list[tuple[int, int]]], holdout: int) -> str:
    """The picture as SVG."""
    inner_width, inner_height = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN

    def place(evaluations: int, share: float) -> str:
        x = MARGIN + inner_width * evaluations / EVALUATIONS
        return f"{x:.1f},{MARGIN + inner_height * (1 - share):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for percent in range(0, 101, 20):
        start, end = place(0, percent / 100), place(EVALUATIONS, percent / 100)
        x, y = start.split(",")
        parts.append(f'<path d="M{start} L{end}" stroke="#ddd"/>')
        parts.append(f'<text x="{float(x) - 8}" y="{float(y) + 4}" text-anchor="end">{percent}%</text>')
    for evaluations in range(0, EVALUATIONS + 1, 10_000):
        x, y = place(evaluations, 0).split(",")
        parts.append(f'<text x="{x}" y="{float(y) + 18}" text-anchor="middle">{evaluations:,}</text>')
    for line, regime in enumerate(REGIMES):
        points = " ".join(place(evaluations, score / holdout) for evaluations, score in curves[regime.name])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{regime.colour}" stroke-width="1.5"/>')
        legend_y = HEIGHT - MARGIN - 60 + 18 * line
        parts.append(
            f'<text x="{WIDTH - MARGIN - 260}" y="{legend_y}" fill="{regime.colour}">{regime.name}</text>'
        )
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">evaluations counted</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="24" text-anchor="middle">held-out digits answered rightly</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Train, print the table, write the picture."""
    backend = open_backend("CPU", os.environ, Path(gettempdir()) / "tangle-kernels")
    holdout = len(open_job(DIGITS).holdout.rows)
    curves = {regime.name: list(train(DIGITS, regime, backend)) for regime in REGIMES}
    print("| evaluations | " + " | ".join(curves) + " |")
    print("|---:" * (len(curves) + 1) + "|")
    for mark in MARKS:
        shares = []
        for curve in curves.values():
            scores = [score for evaluations, score in curve if evaluations <= mark]
            shares.append(f"{100 * scores[-1] / holdout:.1f}%" if scores else "-")
        print(f"| {mark:,} | " + " | ".join(shares) + " |")
    TARGET.write_text(draw(curves, holdout), encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
