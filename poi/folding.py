"""Folding: many signs become one step of the model.

Every counted evaluation votes with the sign of its result for moving each matrix along its own ``a bT``. The
sum of the votes is scaled by the square root of how many there were, so that a generation that closed with
twice the evaluations moves no further in noise than one that closed with P. Everything is an exact integer.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Final

import numpy as np

from aivm.layered import LayeredShape
from poi.errors import InvalidJob
from poi.events import Assignment, CountedWork
from poi.job import StandingJob
from poi.seeds import compute_signs
from poi.weights import Matrices, get_master_limit
from tangle.core.types import JobId

SCALE_BITS: Final = 8
"""A scale of 2**8 is one: ``isqrt(P << 16 // n)`` is 256 at n = P."""

CHUNK_EVALUATIONS_MAX: Final = 4096
"""Most evaluations summed at once: partial sums stay exact in float32, and memory stays bounded."""


def compute_direction(job: StandingJob, job_id: JobId, works: Sequence[CountedWork]) -> Matrices:
    """``sum of sign(d) a bT`` over every evaluation of ``works``: int32 per layer."""
    shape = job.make_shape()
    direction = make_zero_direction(shape.layers)
    by_generation: dict[int, list[CountedWork]] = {}
    for work in works:
        by_generation.setdefault(work.generation, []).append(work)
    for generation, group in by_generation.items():
        for start in range(0, len(group), CHUNK_EVALUATIONS_MAX):
            chunk = group[start : start + CHUNK_EVALUATIONS_MAX]
            assignments = [Assignment(work.issuer, work.sequence, len(work.results)) for work in chunk]
            left, right = compute_signs(shape, job_id, generation, assignments)
            votes = np.array([result for work in chunk for result in work.results], np.int64)
            # Products and partial sums are integers below 2**24, so BLAS in float32 is exact in any order.
            weighted = np.sign(votes).astype(np.float32)[:, None]
            for place, total in enumerate(direction):
                total += ((left[place] * weighted).T @ right[place].astype(np.float32)).astype(np.int32)
    return direction


def make_zero_direction(layers: LayeredShape) -> Matrices:
    """The sum over nothing."""
    return tuple(np.zeros(shape, np.int32) for shape in layers.matrix_shapes)


def compute_fold(job: StandingJob, master: Matrices, direction: Matrices, evaluations: int) -> Matrices:
    """Master weights of the next generation.

    ``M <- clip(M + ((eta * scale * direction) >> 8), +-127 * 2**Q)`` with ``scale = isqrt((P << 16) // n)``
    and a floor shift.

    :param evaluations: how many were counted, *n*.
    :raises InvalidJob: fewer were counted than the population.
    """
    if evaluations < job.population:
        raise InvalidJob(f"a generation of {evaluations} evaluations, the population is {job.population}")
    factor = job.step * isqrt((job.population << 2 * SCALE_BITS) // evaluations)
    limit = get_master_limit(job)
    return tuple(
        np.clip(matrix + ((total.astype(np.int64) * factor) >> SCALE_BITS), -limit, limit).astype(np.int32)
        for matrix, total in zip(master, direction, strict=True)
    )
