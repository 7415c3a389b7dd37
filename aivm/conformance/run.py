"""Compares a backend with the published vectors, as a node does before it signs work made on a device."""

from typing import Any

import numpy as np
from msgspec import Struct

from aivm.backends.protocol import Backend
from aivm.conformance.vectors import Vector, load_vectors, make_batch
from aivm.errors import ConformanceFailure
from aivm.oracle.layered import compute_answers


class ConformanceReport(Struct, frozen=True):
    """A passed run."""

    backend: str
    """Name of the implementation."""

    device: str
    """Device that computed."""

    vectors: int
    """Vectors compared."""

    evaluations: int
    """Evaluations within them."""


def run_conformance(backend: Backend) -> ConformanceReport:
    """Compute every published vector on ``backend`` and compare every integer.

    :raises ConformanceFailure: an integer differs; the error names the vector.
    """
    vectors = load_vectors()
    for vector in vectors:
        verify_vector(backend, vector)
    return ConformanceReport(
        backend.name, backend.device, len(vectors), sum(len(vector.results) for vector in vectors)
    )


def verify_vector(backend: Backend, vector: Vector) -> None:
    """Compute one vector on ``backend``.

    :raises ConformanceFailure: logits, answers or results differ.
    """
    batch = make_batch(vector)
    logits = backend.compute_logits(batch.shape.layers, batch.weights, batch.rows)
    computed: dict[str, tuple[list[Any], list[Any]]] = {
        "logits": (logits.tolist(), [list(row) for row in vector.logits]),
        "answers": (compute_answers(logits).tolist(), list(vector.answers)),
        "results": (backend.evaluate(batch).tolist(), list(vector.results)),
    }
    if logits.dtype != np.int32:
        raise ConformanceFailure(
            backend.name, backend.device, vector.name, f"logits have type {logits.dtype}"
        )
    for quantity, (found, expected) in computed.items():
        if found != expected:
            place = next(
                at for at, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1]
            )
            raise ConformanceFailure(
                backend.name,
                backend.device,
                vector.name,
                f"{quantity}[{place}] is {found[place]}, expected {expected[place]}",
            )
