"""Everything in a simulation that looks like chance, drawn from its one seed.

Each user has a generator of its own, named after what it decides, so that a new draw in one place does not
change what all others get.
"""

import random  # noqa: TID251  # the simulation's own twin of the randomness seam
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar

from tangle.core.signing import SigningKey

Chance = random.Random  # a generator that repeats
"""A generator whose draws depend on its seed alone."""

Item = TypeVar("Item")

BYTES_MAX: Final = 64
"""Most bytes of one draw of ``SeededRandomness``: one hash."""


def make_chance(seed: int, *names: object) -> Chance:
    """The generator of what ``names`` name, in the simulation of ``seed``."""
    return Chance(int.from_bytes(compute_bytes(seed, *names), "big"))


def compute_bytes(seed: int, *names: object) -> bytes:
    """32 bytes that depend on the seed and the names."""
    text = "/".join(map(str, (seed, *names)))
    return blake2b(text.encode(), digest_size=32, person=b"tangle/simnet").digest()


def draw_turn(seed: int, name: str, items: Sequence[Item]) -> Item:
    """Whose turn it is: as many seeds in a row as there are items get each of them once, in a drawn order."""
    lap, place = divmod(seed, len(items))
    return make_chance(lap, "turn", name).sample(items, len(items))[place]


def make_key(seed: int, *names: object) -> SigningKey:
    """The key of whoever ``names`` name."""
    return SigningKey(compute_bytes(seed, "key", *names))


class SeededRandomness:
    """The randomness seam's twin: bytes that depend on the seed and on how often it was asked."""

    def __init__(self, seed: int, *names: object) -> None:
        self._source = compute_bytes(seed, "randomness", *names)
        self._count = 0

    def get_bytes(self, count: int) -> bytes:
        """The next ``count`` bytes, at most ``BYTES_MAX``."""
        assert count <= BYTES_MAX, "nobody needs more at a time"
        self._count += 1
        return blake2b(self._source + self._count.to_bytes(8, "big"), digest_size=BYTES_MAX).digest()[:count]
