"""The rules of the core written down a second time, slowly and without its code: what the vectors were made
with.

CBOR head by head (RFC 8949), Ed25519 from the equations (RFC 8032 section 5.1), Merkle trees by recursion
(RFC 6962 section 2.1), the additive multiset hash with Python's integers.
"""

from collections.abc import Sequence
from hashlib import blake2b, sha512, shake_128

# ── CBOR ────────────────────────────────────────────────────────────────────────────────────────────────────


def write_head(major: int, argument: int) -> bytes:
    """A head in its shortest form."""
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | code]) + argument.to_bytes(size, "big")
    raise ValueError("too large for CBOR")


def write_long_head(major: int, argument: int, size: int) -> bytes:
    """A head whose argument takes ``size`` bytes, needed or not."""
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[size]]) + argument.to_bytes(size, "big")


def write(value: object) -> bytes:
    """Integers, byte strings and sequences of them."""
    match value:
        case bool():
            raise TypeError("no booleans in records")
        case int():
            return write_head(0, value) if value >= 0 else write_head(1, -1 - value)
        case bytes():
            return write_head(2, len(value)) + value
        case list() | tuple():
            return write_head(4, len(value)) + b"".join(write(item) for item in value)
        case _:
            raise TypeError(f"no {type(value).__name__} in records")


# ── hashes ──────────────────────────────────────────────────────────────────────────────────────────────────


def hash_for(purpose: bytes, data: bytes) -> bytes:
    """BLAKE2b-256 with a personalisation."""
    return blake2b(data, digest_size=32, person=purpose).digest()


def compute_root(leaves: Sequence[bytes]) -> bytes:
    """Merkle tree hash by the recursion of RFC 6962 section 2.1."""
    if not leaves:
        return hash_for(b"tangle/merkle", b"")
    if len(leaves) == 1:
        return hash_for(b"tangle/merkle", b"\x00" + leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hash_for(b"tangle/merkle", b"\x01" + compute_root(leaves[:split]) + compute_root(leaves[split:]))


def compute_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Audit path by the recursion of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*compute_path(leaves[:split], index), compute_root(leaves[split:])]
    return [*compute_path(leaves[split:], index - split), compute_root(leaves[:split])]


def compute_multiset_digest(entries: Sequence[bytes]) -> bytes:
    """LtHash16: 1,024 sums modulo 2**16."""
    lanes = [0] * 1_024
    for entry in entries:
        stream = shake_128(b"tangle/state\x00" + entry).digest(2_048)
        for lane in range(1_024):
            lanes[lane] = (lanes[lane] + int.from_bytes(stream[2 * lane : 2 * lane + 2], "little")) % 65_536
    return hash_for(b"tangle/state", b"".join(lane.to_bytes(2, "little") for lane in lanes))


# ── Ed25519 ─────────────────────────────────────────────────────────────────────────────────────────────────

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, PRIME) % PRIME
_ROOT = pow(2, (PRIME - 1) // 4, PRIME)

Point = tuple[int, int]


def add(left: Point, right: Point) -> Point:
    """Affine addition on the twisted Edwards curve."""
    (x1, y1), (x2, y2) = left, right
    product = _D * x1 * x2 * y1 * y2 % PRIME
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, PRIME) % PRIME
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, PRIME) % PRIME
    return x, y


def multiply(scalar: int, point: Point) -> Point:
    """Double and add."""
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def recover_x(y: int, sign: int) -> int:
    """The x of a point, by its y and the sign of x (RFC 8032 section 5.1.3)."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * _ROOT % PRIME
    if (x * x - square) % PRIME:
        raise ValueError("no point has this y")
    return PRIME - x if x % 2 != sign else x


BASE: Point = (recover_x(4 * pow(5, -1, PRIME) % PRIME, 0), 4 * pow(5, -1, PRIME) % PRIME)


def compress(point: Point) -> bytes:
    """32 bytes: y, and the sign of x in the top bit."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def compute_challenge(commitment: bytes, key: bytes, message: bytes) -> int:
    """SHA-512 of R, A and the message, modulo the group's order."""
    return int.from_bytes(sha512(commitment + key + message).digest(), "little") % ORDER


def expand(seed: bytes) -> tuple[int, bytes]:
    """Secret scalar and prefix of a seed."""
    digest = sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    return scalar, digest[32:]


def derive(seed: bytes) -> bytes:
    """Public key of a seed."""
    return compress(multiply(expand(seed)[0], BASE))


def sign(seed: bytes, message: bytes) -> bytes:
    """RFC 8032 section 5.1.6."""
    scalar, prefix = expand(seed)
    key = compress(multiply(scalar, BASE))
    nonce = int.from_bytes(sha512(prefix + message).digest(), "little") % ORDER
    commitment = compress(multiply(nonce, BASE))
    total = (nonce + compute_challenge(commitment, key, message) * scalar) % ORDER
    return commitment + total.to_bytes(32, "little")


def forge_for_low_order_key(key: bytes, message: bytes, order: int) -> bytes:
    """A signature that the bare equation accepts under a key whose order divides ``order``."""
    scalar = 1
    while True:
        commitment = compress(multiply(scalar, BASE))
        if compute_challenge(commitment, key, message) % order == 0:
            return commitment + scalar.to_bytes(32, "little")
        scalar += 1
