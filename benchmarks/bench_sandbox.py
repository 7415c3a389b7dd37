"""What the sandbox costs: starting a worker, handing a program over, and each call, beside calling directly.

``python -m benchmarks.bench_sandbox [DEVICE]``: ``numpy`` (the oracle; default) or a tinygrad device.
"""

import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import numpy as np
import structlog

from aivm.backends.opening import open_program_backend
from aivm.program.binding import BoundProgram, Tensor, bind_program
from aivm.program.building import ProgramBuilder, make_input
from aivm.program.operators import Clip, Matmul, Mode, Requantize
from aivm.program.types import DType
from tangle.node.sandbox.outcomes import Completed
from tangle.node.sandbox.pool import PoolSettings, ProgramPool, open_program_pool
from tangle.node.sandbox.wire import Ready

CALLS = 300
"""Calls of a series; the median is told."""


def make_copy(width: int) -> BoundProgram:
    """Bytes in, the same bytes out: nothing but the way of the tensors."""
    builder = ProgramBuilder()
    given = builder.add_input(make_input(DType.INT8, width))
    return bind_program(builder.build(builder.add(Clip(-128, 127), given)), {})


def make_network() -> BoundProgram:
    """64-32-10, the size of a light model."""
    generator = np.random.default_rng(1)
    builder = ProgramBuilder()
    layer = builder.add_input(make_input(DType.INT8, 64))
    for inputs, outputs in ((64, 32), (32, 10)):
        weights = builder.add_initializer(generator.integers(-127, 128, (inputs, outputs)).astype(np.int8))
        total = builder.add(Matmul(0, 0), layer, weights)
        scaling = Requantize(Mode.RNE64, DType.INT8, 0, (2**30,), (38,), 0, 0)
        layer = builder.add(scaling, total)
    return bind_program(builder.build(layer), builder.contents)


async def measure(pool: ProgramPool, bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[float, float]:
    """Median and 95th percentile of a call in milliseconds."""
    took_ms = []
    for _ in range(CALLS):
        begun_s = time.perf_counter()
        outcome = await pool.run(bound, inputs)
        took_ms.append(1_000 * (time.perf_counter() - begun_s))
        if not isinstance(outcome, Completed):
            raise SystemExit(outcome.describe())
    return statistics.median(took_ms), sorted(took_ms)[CALLS * 95 // 100]


async def run(device: str, cache: Path) -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    settings = PoolSettings(cache, device=device)
    ready: object = None
    for attempt in ("first", "second"):
        begun_s = time.perf_counter()
        async with open_program_pool(settings) as pool:
            ready = await pool.warm()
            print(f"{attempt} start: {1_000 * (time.perf_counter() - begun_s):.0f} ms")
    if not isinstance(ready, Ready):
        raise SystemExit(ready)
    print(ready)
    backend = open_program_backend(device, os.environ, cache)
    cases = [("network 64-32-10", make_network(), 1)]
    cases += [(f"copy {rows} x {width}", make_copy(width), rows) for rows, width in ((1, 64), (1, 1 << 20))]
    async with open_program_pool(settings) as pool:
        await pool.warm()
        for name, bound, rows in cases:
            inputs = (np.ones((rows, *bound.plan.input_types[0].shape), np.int8),)
            backend.prepare(bound, rows)
            direct_ms = []
            for _ in range(CALLS):
                begun_s = time.perf_counter()
                backend.run(bound, inputs)
                direct_ms.append(1_000 * (time.perf_counter() - begun_s))
            begun_s = time.perf_counter()
            await pool.run(bound, inputs)
            first_ms = 1_000 * (time.perf_counter() - begun_s)
            median_ms, late_ms = await measure(pool, bound, inputs)
            direct = statistics.median(direct_ms)
            print(
                f"{name}: direct {direct:.3f}, first {first_ms:.1f}, then {median_ms:.3f}, p95 {late_ms:.3f}"
            )


def main() -> None:
    """Measure and print."""
    device = sys.argv[1] if len(sys.argv) > 1 else "numpy"
    with tempfile.TemporaryDirectory() as directory:
        anyio.run(run, device, Path(directory))


if __name__ == "__main__":
    main()
