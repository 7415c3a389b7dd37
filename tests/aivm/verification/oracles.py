"""The mathematics of verification in Python's unbounded integers, written from the papers, not from the
code.
"""

from hashlib import blake2b, shake_256
from typing import Any

import cbor2

P = 2**61 - 1

Rows = list[list[int]]


def multiply(left: Rows, right: Rows) -> Rows:
    return [
        [sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*right, strict=True)]
        for row in left
    ]


def project(matrix: Rows, vector: list[int]) -> list[int]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) % P for row in matrix]


def extend(matrix: Rows, row_point: list[int], column_point: list[int]) -> int:
    """Multilinear extension of a matrix padded with zeros, from its definition: one product per corner."""

    def weigh(index: int, point: list[int]) -> int:
        weight = 1
        for place, value in enumerate(point):
            bit = index >> (len(point) - 1 - place) & 1
            weight = weight * (value if bit else 1 - value) % P
        return weight

    return (
        sum(
            value * weigh(i, row_point) * weigh(j, column_point)
            for i, row in enumerate(matrix)
            for j, value in enumerate(row)
        )
        % P
    )


def hash_record(purpose: bytes, *arguments: Any) -> bytes:
    return blake2b(cbor2.dumps(list(arguments)), digest_size=32, person=purpose).digest()


def draw(seed: bytes, count: int) -> list[int]:
    stream = shake_256(seed).digest(8 * count + 64)
    words = [int.from_bytes(stream[at : at + 8], "little") & P for at in range(0, len(stream), 8)]
    return [word for word in words if word != P][:count]


def draw_places(seed: bytes, size: int, count: int) -> list[int]:
    stream = shake_256(seed).digest(2**16)
    drawn: list[int] = []
    for at in range(0, len(stream), 8):
        word = int.from_bytes(stream[at : at + 8], "little")
        if len(drawn) < count and word < 2**64 // size * size and word % size not in drawn:
            drawn.append(word % size)
    return sorted(drawn)


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, recursively."""

    def tag(data: bytes) -> bytes:
        return blake2b(data, digest_size=32, person=b"tangle/merkle").digest()

    if not leaves:
        return tag(b"")
    if len(leaves) == 1:
        return tag(b"\x00" + leaves[0])
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return tag(b"\x01" + root(leaves[:half]) + root(leaves[half:]))


def tensor_id(dtype: int, shape: tuple[int, ...], data: bytes) -> bytes:
    chunks = [data[4096 * at : 4096 * at + 4096] for at in range(-(-len(data) // 4096))]
    return hash_record(b"tangle/tensor", dtype, list(shape), len(data), root(chunks))


def prove(left: Rows, right: Rows, statement: bytes, runs: int) -> list[list[list[int]]]:
    """The sumcheck for a product with every sum written out: exponential, for small matrices only."""
    m, k, n = len(left), len(right), len(right[0])
    bits = [(length - 1).bit_length() for length in (m, k, n)]
    proof = []
    for run in range(runs):
        seed = hash_record(b"tangle/challenge", statement, 6, run, m, k, n)
        points = draw(seed, bits[0] + bits[2])
        row_point, column_point = points[: bits[0]], points[bits[0] :]
        bound: list[int] = []
        rounds = []
        for place in range(bits[1]):
            values = []
            for at in (0, 1, 2):
                total = 0
                for rest in range(2 ** (bits[1] - place - 1)):
                    tail = [rest >> shift & 1 for shift in range(bits[1] - place - 2, -1, -1)]
                    z = [*bound, at, *tail]
                    total += extend(left, row_point, z) * extend(right, z, column_point)
                values.append(total % P)
            rounds.append(values)
            seed = hash_record(b"tangle/challenge", seed, *values)
            bound.append(draw(seed, 1)[0])
        proof.append(rounds)
    return proof
