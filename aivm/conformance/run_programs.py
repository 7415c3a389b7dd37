"""Compares what runs programs with the published vectors, bit for bit."""

from collections.abc import Callable

import numpy as np
from msgspec import Struct

from aivm.backends.program_protocol import ProgramBackend
from aivm.conformance.program_vectors import ProgramVector, load_program_vectors, read_program, read_tensors
from aivm.errors import ConformanceFailure


class ProgramReport(Struct, frozen=True):
    """A passed run."""

    backend: str
    """Name of the implementation."""

    device: str
    """Device that computed."""

    vectors: int
    """Vectors compared."""

    elements: int
    """Output elements within them."""


def run_program_conformance(
    backend: ProgramBackend, *, is_quick: bool, on_progress: Callable[[int, int], None] | None = None
) -> ProgramReport:
    """Compute the vectors on ``backend`` and compare every bit.

    :param is_quick: only those that every start of a node runs.
    :param on_progress: called with the vectors done and their number.
    :raises ConformanceFailure: a bit differs; the error names the vector.
    """
    vectors = [vector for vector in load_program_vectors() if vector.is_quick or not is_quick]
    elements = 0
    for place, vector in enumerate(vectors, start=1):
        elements += verify_program_vector(backend, vector)
        if on_progress is not None:
            on_progress(place, len(vectors))
    return ProgramReport(backend.name, backend.device, len(vectors), elements)


def verify_program_vector(backend: ProgramBackend, vector: ProgramVector) -> int:
    """Compute one vector.

    :return: the number of output elements.
    :raises ConformanceFailure: an output differs in type, shape or a bit.
    """
    bound = read_program(vector)
    inputs = read_tensors(vector.inputs, bound.plan.input_types, vector.rows)
    expected = read_tensors(vector.outputs, bound.plan.output_types, vector.rows)
    try:
        found = backend.run(bound, inputs)
    except ConformanceFailure as error:
        raise ConformanceFailure(backend.name, backend.device, vector.name, error.reason) from error
    for place, (each, right) in enumerate(zip(found, expected, strict=True)):
        if each.dtype != right.dtype or each.shape != right.shape:
            reason = f"output {place} is {each.dtype} {each.shape}, expected {right.dtype} {right.shape}"
            raise ConformanceFailure(backend.name, backend.device, vector.name, reason)
        if not np.array_equal(each, right):
            at = tuple(map(int, np.argwhere(each != right)[0]))
            reason = f"output {place} is {each[at]} at {at}, expected {right[at]}"
            raise ConformanceFailure(backend.name, backend.device, vector.name, reason)
    return sum(right.size for right in expected)
