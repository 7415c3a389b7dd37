"""Programs and pools that the tests of the sandbox share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np

from aivm.backends.program_protocol import OracleBackend
from aivm.program.binding import BoundProgram, Tensor, bind_program
from aivm.program.building import ProgramBuilder, make_input
from aivm.program.operators import Clip, Matmul, Reshape
from aivm.program.types import DType
from tangle.node.sandbox.limits import MIB, TaskLimits, WorkerLimits
from tangle.node.sandbox.outcomes import Completed, Outcome
from tangle.node.sandbox.pool import PoolSettings, ProgramPool, open_program_pool
from tests.node.sandbox.hostile import ENGINE, Trick

ORACLE = OracleBackend()

LIMITS = WorkerLimits(memory_bytes=400 * MIB, file_bytes=8 * MIB, open_files=64, start_s=50.0)
"""Small enough to be met within a second."""

HIGH = 100
"""Largest value of the small program."""


def make_small(high: int = HIGH) -> BoundProgram:
    """Three bytes of at most ``HIGH`` in; the same, and the same as a column, out."""
    builder = ProgramBuilder()
    given = builder.add_input(make_input(DType.UINT8, 3, low=0, high=HIGH))
    clipped = builder.add(Clip(0, high), given)
    return bind_program(builder.build(clipped, builder.add(Reshape((3, 1)), clipped)), {})


def make_wide(seed: int) -> BoundProgram:
    """A product with weights that lie outside the program."""
    builder = ProgramBuilder()
    given = builder.add_input(make_input(DType.INT8, 100))
    values = np.random.default_rng(seed).integers(-127, 128, (100, 50)).astype(np.int8)
    weights = builder.add_initializer(values)
    plan = builder.build(builder.add(Matmul(0, 0), given, weights))
    return bind_program(plan, builder.contents)


def ask(trick: Trick) -> tuple[Tensor, ...]:
    """Inputs of the small program with which a worker does ``trick``."""
    return (np.array([[trick, 1, 2], [3, 4, HIGH]], np.uint8),)


@asynccontextmanager
async def open_pool(
    cache: Path, *, workers: int = 1, waiting: int = 64, device: str = "CPU", limits: WorkerLimits = LIMITS
) -> AsyncIterator[ProgramPool]:
    """A pool of real processes with the hostile engine."""
    settings = PoolSettings(
        cache, device=device, workers=workers, waiting=waiting, limits=limits, engine=ENGINE
    )
    async with open_program_pool(settings) as pool:
        yield pool


async def do(pool: ProgramPool, trick: Trick, limits: TaskLimits | None = None) -> Outcome:
    """Have the small program run."""
    return await pool.run(make_small(), ask(trick), limits=limits)


def verify_honest(outcome: Outcome, trick: Trick = Trick.HONEST) -> None:
    """It is what the oracle gives."""
    assert isinstance(outcome, Completed), outcome
    verify_equal(outcome.tensors, ORACLE.run(make_small(), ask(trick)))


def verify_equal(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    assert len(found) == len(expected)
    for each, right in zip(found, expected, strict=True):
        assert each.dtype == right.dtype
        assert np.array_equal(each, right)


async def wait_for_file(path: Path) -> None:
    """Until another process has made it."""
    with anyio.fail_after(30):
        while not await anyio.Path(path).exists():  # noqa: ASYNC110 -- another process makes it
            await anyio.sleep(0.01)


async def wait_until_gone(process: int) -> None:
    """Until a process of somebody else's has ended."""
    with anyio.fail_after(30):
        while await anyio.to_thread.run_sync(is_running, process):  # noqa: ASYNC110 -- nobody tells us
            await anyio.sleep(0.01)


def is_running(process: int) -> bool:
    """Whether a process is there and not merely waited for."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")
