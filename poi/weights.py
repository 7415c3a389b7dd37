"""Master weights, the effective weights they stand for, and their names.

Master weights are int32 with Q fractional bits; a model computes with ``master >> Q`` (floor), which is
within -127 ... 127. Encoded they are little-endian, layer by layer, row-major.
"""

import numpy as np
from numpy.typing import NDArray

from aivm.batch import Weights
from aivm.layered import WEIGHT_MAX, LayeredShape
from poi.errors import InvalidWeights
from poi.job import StandingJob
from poi.seeds import compute_initial_weights, split_matrices
from tangle.core.hashing import WEIGHTS, compute_record_hash
from tangle.core.types import Digest, JobId

Matrices = tuple[NDArray[np.int32], ...]
"""One int32 matrix of shape ``(d_l, d_l+1)`` per layer."""


def compute_initial_master(job: StandingJob, job_id: JobId) -> Matrices:
    """Master weights of generation 0."""
    layers = job.make_shape().layers
    return tuple(matrix << job.fixed_point_bits for matrix in compute_initial_weights(layers, job_id))


def compute_effective(job: StandingJob, master: Matrices) -> Weights:
    """Effective weights ``master >> Q`` (floor): int8."""
    return tuple((matrix >> job.fixed_point_bits).astype(np.int8) for matrix in master)


def compute_weights_digest(job: StandingJob, job_id: JobId, generation: int, master: Matrices) -> Digest:
    """``H_weights(job, generation, widths, master weights)``."""
    return compute_record_hash(WEIGHTS, job_id, generation, job.sizes, encode_matrices(master))


def encode_matrices(matrices: Matrices) -> bytes:
    """int32 little-endian, layer by layer, row-major."""
    return b"".join(matrix.astype("<i4").tobytes() for matrix in matrices)


def decode_matrices(layers: LayeredShape, data: bytes) -> Matrices:
    """Undo ``encode_matrices``.

    :raises InvalidWeights: the wrong number of bytes.
    """
    if len(data) != 4 * layers.weight_count:
        raise InvalidWeights(f"{len(data)} bytes for {layers.weight_count} weights of 4 bytes")
    return split_matrices(layers, np.frombuffer(data, "<i4").astype(np.int32))


def decode_master(job: StandingJob, data: bytes) -> Matrices:
    """Master weights from their bytes.

    :raises InvalidWeights: the wrong number of bytes, or a weight outside +-127 * 2**Q.
    """
    master = decode_matrices(job.make_shape().layers, data)
    limit = get_master_limit(job)
    if any(int(np.abs(matrix.astype(np.int64)).max()) > limit for matrix in master):
        raise InvalidWeights(f"a master weight is outside -{limit} ... {limit}")
    return master


def encode_effective(weights: Weights) -> bytes:
    """int8, layer by layer, row-major."""
    return b"".join(matrix.tobytes() for matrix in weights)


def decode_effective(layers: LayeredShape, data: bytes) -> Weights:
    """Undo ``encode_effective``.

    :raises InvalidWeights: the wrong number of bytes.
    """
    if len(data) != layers.weight_count:
        raise InvalidWeights(f"{len(data)} bytes for {layers.weight_count} weights of 1 byte")
    return split_matrices(layers, np.frombuffer(data, np.int8))


def get_master_limit(job: StandingJob) -> int:
    """Largest magnitude of a master weight: ``127 * 2**Q``."""
    return WEIGHT_MAX << job.fixed_point_bits
