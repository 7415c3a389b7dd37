"""Two views of the sub-DAG's edge: heads for the committee's next block, and tips for wallets.

Both are updated in constant time per transaction; nothing here ever walks all tips for one of them. The
committee takes every head, because each must be ordered some day; wallets are offered only tips worth
building on (``tangle.ledger.scoring``). Retention of referenced tips follows HORNET's tip pool: it widens the
cone while traffic is low.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import islice
from typing import Final

from tangle.core.types import TransactionId
from tangle.ledger.vertex import Vertex

RENAME_AFTER_ROUNDS: Final = 64
"""A named head that is unordered this many rounds later was lost with its block: more than any
``commit_depth``."""

RETENTION_POOL_MAX: Final = 100
"""Referenced tips are kept only while the pool is this small (HORNET's figure); a wide DAG needs no
widening."""

RETAINED_CHILDREN_MAX: Final = 8
"""A referenced tip leaves the pool with this many children: more would make a star, not a wider cone."""

RETAINED_CHECKPOINTS_MAX: Final = 2
"""A referenced tip leaves the pool this many checkpoints after its first child; by then it is ordered."""


class HeadQueue:
    """Unordered transactions without children, in the order in which they became eligible for a block."""

    def __init__(self) -> None:
        self._eligible: dict[TransactionId, Vertex] = {}
        self._named: deque[tuple[int, TransactionId]] = deque()

    def __len__(self) -> int:
        return len(self._eligible)

    def add(self, vertex: Vertex) -> None:
        """A vertex without children that no block has named."""
        self._eligible[vertex.transaction.id] = vertex

    def discard(self, transaction_id: TransactionId) -> None:
        """It has a child now, was named, ordered or dropped."""
        self._eligible.pop(transaction_id, None)

    def on_named(self, vertex: Vertex, round_number: int) -> None:
        """A block of ``round_number`` names this vertex."""
        vertex.named_round = max(vertex.named_round, round_number)
        self._eligible.pop(vertex.transaction.id, None)
        self._named.append((round_number, vertex.transaction.id))

    def restart(self, heads: Iterable[Vertex]) -> None:
        """Rounds count anew, and all of these are eligible."""
        self._named.clear()
        self._eligible = {vertex.transaction.id: vertex for vertex in heads}

    def list_eligible(self, limit: int) -> tuple[TransactionId, ...]:
        """Up to ``limit`` of them, oldest first."""
        return tuple(islice(self._eligible, limit))

    def select(
        self, limit: int, round_number: int, unordered: Mapping[TransactionId, Vertex]
    ) -> tuple[TransactionId, ...]:
        """Up to ``limit`` heads for a block of ``round_number``; ``unordered`` tells which named ones are in
        vain.
        """
        named = self._named
        while named and named[0][0] + RENAME_AFTER_ROUNDS <= round_number:
            named_round, identity = named.popleft()
            vertex = unordered.get(identity)
            if vertex is not None and vertex.named_round == named_round and not vertex.children:
                self._eligible[identity] = vertex
        return tuple(identity for identity, _ in zip(self._eligible, range(limit), strict=False))


class TipPool:
    """Tips that wallets may build on: a list for uniform draws and a place for each, so both ways are
    O(1).
    """

    def __init__(self) -> None:
        self._tips: list[Vertex] = []
        self._places: dict[TransactionId, int] = {}
        self._children: dict[TransactionId, int] = {}
        self._retained: deque[tuple[int, TransactionId]] = deque()

    def __len__(self) -> int:
        return len(self._tips)

    def add(self, vertex: Vertex) -> None:
        """A tip that is worth building on."""
        self._places[vertex.transaction.id] = len(self._tips)
        self._tips.append(vertex)

    def discard(self, transaction_id: TransactionId) -> None:
        """It was ordered, dropped or referenced enough. Its place goes to the last tip of the list."""
        place = self._places.pop(transaction_id, None)
        if place is None:
            return
        self._children.pop(transaction_id, None)
        last = self._tips.pop()
        if place < len(self._tips):
            self._tips[place] = last
            self._places[last.transaction.id] = place

    def on_referenced(self, transaction_id: TransactionId, executed: int) -> None:
        """A child that is itself worth building on names this tip."""
        if transaction_id not in self._places:
            return
        children = self._children.get(transaction_id, 0) + 1
        if children >= RETAINED_CHILDREN_MAX or len(self._tips) > RETENTION_POOL_MAX:
            self.discard(transaction_id)
            return
        self._children[transaction_id] = children
        if children == 1:
            self._retained.append((executed, transaction_id))

    def on_checkpoint(self, executed: int) -> None:
        """Let go of tips that were referenced a while ago."""
        retained = self._retained
        while retained and retained[0][0] + RETAINED_CHECKPOINTS_MAX <= executed:
            self.discard(retained.popleft()[1])

    def draw(self, seed: bytes) -> Iterator[Vertex]:
        """Every tip once, in an order that is uniform over ``seed``. The pool must not change meanwhile."""
        # A Fisher-Yates shuffle that stores only the places it has touched.
        moved: dict[int, int] = {}
        size = len(self._tips)
        for done, number in zip(range(size), draw_numbers(seed), strict=False):
            place = done + number % (size - done)
            yield self._tips[moved.get(place, place)]
            moved[place] = moved.get(done, done)


def draw_numbers(seed: bytes) -> Iterator[int]:
    """Endless uniform 64-bit numbers: BLAKE2b of seed and a counter, eight numbers a block."""
    counter = 0
    while True:
        block = blake2b(counter.to_bytes(8, "big") + seed).digest()
        for start in range(0, 64, 8):
            yield int.from_bytes(block[start : start + 8], "big")
        counter += 1
