"""What is drawn by hash: batches, initial weights, and the signs of every evaluation. Nobody chooses any of
it.

An evaluation's seed is the hash of job, generation, issuer and sequence. SHAKE-256 of the seed is a stream of
bits, the lowest bit of each byte first; bit 1 is +1 and bit 0 is -1. Layer by layer come ``a`` and then
``b``, without padding between. A transaction's next evaluation goes on at the next whole byte.
"""

from collections.abc import Sequence
from hashlib import shake_256
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from aivm.batch import Signs
from aivm.layered import EvaluationShape, LayeredShape
from poi.events import Assignment
from tangle.core.encoding import encode
from tangle.core.hashing import BATCH, INIT, SEED, compute_hash, compute_record_hash
from tangle.core.types import Digest, JobId

Number = TypeVar("Number", np.int8, np.int32)
"""What weights are held in."""

_SEED_FIELDS = b"\x84"
"""Head of a CBOR array of four."""

INITIAL_RANGE = 32
"""Initial weights are uniform in ``-INITIAL_RANGE / 2 ... INITIAL_RANGE / 2 - 1``."""


def compute_evaluation_seed(job: JobId, generation: int, assignment: Assignment) -> Digest:
    """``H_seed(job, generation, issuer, sequence)``."""
    return compute_record_hash(SEED, job, generation, assignment.issuer, assignment.sequence)


def compute_signs(
    shape: EvaluationShape, job: JobId, generation: int, assignments: Sequence[Assignment]
) -> tuple[Signs, Signs]:
    """Signs ``a`` and ``b`` of every evaluation of ``assignments``, in their order.

    :return: per layer an int8 matrix of shape ``(evaluations, d_l)``, and likewise ``(evaluations, d_l+1)``.
    """
    evaluation_size = (shape.sign_bits + 7) // 8
    # The canonical array of four fields, with its first two encoded once: an encoder call for each costs more
    # than both hashes together.
    head = _SEED_FIELDS + encode(job) + encode(generation)
    streams = []
    for assignment in assignments:
        seed = compute_hash(SEED, head + encode(assignment.issuer) + encode(assignment.sequence))
        streams.append(shake_256(seed).digest(evaluation_size * assignment.evaluations))
    drawn = np.frombuffer(b"".join(streams), np.uint8).reshape(-1, evaluation_size)
    bits = np.unpackbits(drawn, axis=1, count=shape.sign_bits, bitorder="little")
    return _split_signs(shape.layers, bits.view(np.int8) * np.int8(2) - np.int8(1))


def compute_batch_places(job: JobId, generation: int, rows: int, dataset_rows: int) -> NDArray[np.int64]:
    """Places of a generation's batch in the training rows: int64, (rows,).

    Place *j* is the little-endian uint32 number *j* of SHAKE-256(H_batch(job, generation)), modulo the rows.
    """
    stream = shake_256(compute_record_hash(BATCH, job, generation)).digest(4 * rows)
    return np.frombuffer(stream, "<u4").astype(np.int64) % dataset_rows


def compute_initial_weights(layers: LayeredShape, job: JobId) -> tuple[NDArray[np.int32], ...]:
    """Effective weights of generation 0: ``(byte mod 32) - 16`` of SHAKE-256(H_init(job)), row-major."""
    stream = shake_256(compute_record_hash(INIT, job)).digest(layers.weight_count)
    drawn = np.frombuffer(stream, np.uint8).astype(np.int32) % INITIAL_RANGE - INITIAL_RANGE // 2
    return split_matrices(layers, drawn)


def split_matrices(layers: LayeredShape, flat: NDArray[Number]) -> tuple[NDArray[Number], ...]:
    """Cut ``weight_count`` values into the model's matrices, which are views of them."""
    matrices, start = [], 0
    for height, width in layers.matrix_shapes:
        stop = start + height * width
        matrices.append(flat[start:stop].reshape(height, width))
        start = stop
    return tuple(matrices)


def _split_signs(layers: LayeredShape, signs: NDArray[np.int8]) -> tuple[Signs, Signs]:
    left, right, start = [], [], 0
    for height, width in layers.matrix_shapes:
        left.append(np.ascontiguousarray(signs[:, start : start + height]))
        right.append(np.ascontiguousarray(signs[:, start + height : start + height + width]))
        start += height + width
    return tuple(left), tuple(right)
