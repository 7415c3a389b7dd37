"""Many seeds at once, each in a process of its own core."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Final

from simnet.options import draw_options
from simnet.run import Report, run_simulation

RUNS_PER_CALL: Final = 4
"""Seeds handed to a process at a time: few, so that all processes end at about the same time."""

RUNS_PER_PROCESS: Final = 100
"""Calls after which a process is replaced by a new one, so that what libraries keep does not gather."""


def run_seed(seed: int, time_s: float) -> Report:
    """One run of what a seed draws."""
    return run_simulation(draw_options(seed, time_s=time_s))


def run_swarm(seeds: Iterable[int], time_s: float, processes: int = 1) -> Iterator[Report]:
    """The runs of all seeds, in their order.

    :param processes: how many at a time; with one, they run here.
    """
    run = partial(run_seed, time_s=time_s)
    if processes == 1:
        yield from map(run, seeds)
        return
    # Spawned: a forked process would take the memory and the threads of this one along.
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, max_tasks_per_child=RUNS_PER_PROCESS) as pool:
        yield from pool.map(run, seeds, chunksize=RUNS_PER_CALL)
