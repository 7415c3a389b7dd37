"""Randomness that exists only after a commitment: seeds, field vectors, draws of places.

A challenge seed hashes what was committed to, and, where a ledger gives one, a beacon that became known
after the commitment was referenced. Without a beacon (Fiat-Shamir) a cheater may try many commitments, each
costing one hash: an error of ``2^-e`` for one try is at most ``q 2^-e`` for q tries, which is why public
checks without a beacon ask for twice the bits.
"""

from hashlib import shake_256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aivm.verification.errors import InvalidRequest
from aivm.verification.field import PRIME, ZERO_BITS, Elements
from tangle.core.hashing import CHALLENGE, compute_record_hash
from tangle.core.types import Digest

ERROR_BITS_PRIVATE: Final = 60
"""Error bound of checks with a secret or with a beacon: one vector, at most 2^-60 per product."""

ERROR_BITS_PUBLIC: Final = 120
"""Error bound of checks whose randomness a prover can compute: 2^-120 leaves 2^-40 after 2^80 tries."""

VECTORS_MAX: Final = 8
"""Most vectors of one check: 2^-480; more is a mistake."""

WORDS_SPARE: Final = 4
"""Words drawn beyond need: each is p, and left out, with probability 2^-61."""


def compute_seed(commitment: Digest, beacon: bytes, *place: int) -> Digest:
    """``H(tangle/challenge, [commitment, beacon, place ...])``.

    :param beacon: ledger randomness from after the commitment, or empty for Fiat-Shamir.
    :param place: which check of the run the seed is for: the level, then the tensor.
    """
    return compute_record_hash(CHALLENGE, commitment, beacon, *place)


def compute_vector_count(error_bits: int) -> int:
    """Vectors after which a wrong product passes with probability at most ``2^-error_bits``.

    One uniform vector: at most ``1/p``, below ``2^-60``; independent vectors multiply.

    :raises InvalidRequest: not within 1 to 480.
    """
    if not 1 <= error_bits <= ZERO_BITS * VECTORS_MAX:
        raise InvalidRequest(
            f"an error of 2^-{error_bits} is not within 2^-1 to 2^-{ZERO_BITS * VECTORS_MAX}"
        )
    return -(-error_bits // ZERO_BITS)


def draw_elements(seed: bytes, count: int) -> Elements:
    """Uniform field elements from SHAKE-256 of the seed: 8 bytes little-endian each, lowest 61 bits, p left
    out.
    """
    spare = WORDS_SPARE
    while True:
        stream = shake_256(seed).digest(8 * (count + spare))
        kept = select_elements(np.frombuffer(stream, "<u8").astype(np.uint64))
        if len(kept) >= count:
            return kept[:count]
        spare *= 2


def select_elements(words: NDArray[np.uint64]) -> Elements:
    """The lowest 61 bits of each word, without those that are p: what is left is uniform."""
    cut: Elements = words & np.uint64(PRIME)
    kept: Elements = cut[cut != np.uint64(PRIME)]
    return kept


def draw_vectors(seed: bytes, length: int, count: int) -> Elements:
    """Independent vectors, shape ``(length, count)``: vector j is elements ``j length ...`` of the stream."""
    return np.ascontiguousarray(draw_elements(seed, length * count).reshape(count, length).T)


def draw_places(seed: bytes, size: int, count: int) -> tuple[int, ...]:
    """Distinct places below ``size``, in rising order, every set equally likely.

    Words of 8 bytes from SHAKE-256; words at or over the largest multiple of ``size`` are left out, and
    repetitions too.

    :raises InvalidRequest: more places than there are, or none.
    """
    if not 1 <= count <= size:
        raise InvalidRequest(f"{count} different places of {size}")
    limit = 2**64 - 2**64 % size
    drawn: set[int] = set()
    length = count + WORDS_SPARE
    while len(drawn) < count:
        drawn = set()
        words = np.frombuffer(shake_256(seed).digest(8 * length), "<u8")
        for word in words.tolist():
            if word < limit and len(drawn) < count:
                drawn.add(word % size)
        length *= 2
    return tuple(sorted(drawn))
