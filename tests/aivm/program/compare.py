"""Compares random programs on one device with the oracle: ``python -m tests.aivm.program.compare DEVICE FIRST
COUNT NODES BEAM``. A process of its own, because tinygrad's renderer is chosen when it is imported (``DEV``).
"""

import os
import sys
from pathlib import Path

import numpy as np

from aivm.errors import ConformanceFailure


def compare(device: str, first: int, count: int, nodes: int, beam: int) -> tuple[int, int, int]:
    """Tensors compared, tensors that differ, programs that the device was refused for."""
    from aivm.backends.tinygrad_programs import TinygradPrograms
    from aivm.oracle.graph.run import run_program
    from tests.aivm.program.graphs import make_program, make_rows

    backend = TinygradPrograms(device, beam=beam)
    compared = different = refused = 0
    for seed in range(first, first + count):
        bound = make_program(seed, nodes)
        for rows, kind in ((1, "extremes"), (3, "uniform")):
            inputs = make_rows(bound.plan, rows, seed, kind)
            try:
                found = backend.run(bound, inputs)
            except ConformanceFailure:
                refused += 1
                break
            for each, right in zip(found, run_program(bound, inputs), strict=True):
                compared += 1
                different += not (each.dtype == right.dtype and np.array_equal(each, right))
    return compared, different, refused


if __name__ == "__main__":
    from aivm.backends.discovery import find_compiler, set_environment

    renderer = os.environ.get("DEV")
    cache = Path(__file__).parents[3] / ".pytest_cache" / "kernels"
    set_environment(os.environ, find_compiler(os.environ), cache)
    if renderer:
        os.environ["DEV"] = renderer
    print(*compare(sys.argv[1], *map(int, sys.argv[2:])))  # noqa: T201  # its parent reads this
