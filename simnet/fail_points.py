"""Fail points: named places, before and after everything that must survive, where a process may be killed.

They sit in the twins of the disk and of the guard, so the product's code knows nothing of them. A plan arms a
point for some nodes; whoever reaches it first is killed right there, alone or together with everybody else.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum

from tangle.store.keys import parse_block_key
from tangle.store.store import Changes, Table


class FailPoint(Enum):
    """Every place."""

    FOUNDING_BEFORE = "founding-before-write"
    FOUNDING_TORN = "founding-torn"
    """History of the genesis is on disk, its state is not."""

    FOUNDING_AFTER = "founding-after-write"
    TRANSACTIONS_BEFORE = "transactions-before-write"
    TRANSACTIONS_AFTER = "transactions-after-write"
    """Durable, and nobody was told."""

    BLOCKS_BEFORE = "blocks-before-write"
    BLOCKS_AFTER = "blocks-after-write"
    EXECUTED_BEFORE = "executed-before-write"
    EXECUTED_TORN = "executed-torn"
    """The history of a checkpoint is on disk, its state is not."""

    EXECUTED_AFTER = "executed-after-write"
    """Durable and not attested."""

    FOLDED_BEFORE = "folded-before-write"
    """A generation is closed in memory only."""

    FOLDED_TORN = "folded-torn"
    FOLDED_AFTER = "folded-after-write"
    ENDED_BEFORE = "epoch-end-before-write"
    """The last commit of a committee is executed in memory only."""

    ENDED_TORN = "epoch-end-torn"
    """The next committee is on disk, the state that it begins on is not."""

    ENDED_AFTER = "epoch-end-after-write"
    """The last checkpoint is durable and not attested."""

    BEGUN_BEFORE = "epoch-begun-before-write"
    """The last checkpoint is certified, and no block of the next committee is on disk."""

    BEGUN_AFTER = "epoch-begun-after-write"
    FINAL_BEFORE = "final-before-write"
    FINAL_AFTER = "final-after-write"
    CATCHING_UP = "catching-up"
    """A write while the node is behind its peers."""

    GUARD_BEFORE = "guard-before-save"
    """The own block is on disk, the guard does not know of it."""

    GUARD_AFTER = "guard-after-save"
    """Between sign and send."""


_MOMENTS: Mapping[Table, tuple[FailPoint, FailPoint, FailPoint]] = {
    # The first table that a write touches names it.
    Table.EPOCHS: (FailPoint.ENDED_BEFORE, FailPoint.ENDED_TORN, FailPoint.ENDED_AFTER),
    Table.GENERATIONS: (FailPoint.FOLDED_BEFORE, FailPoint.FOLDED_TORN, FailPoint.FOLDED_AFTER),
    Table.CHECKPOINTS: (FailPoint.EXECUTED_BEFORE, FailPoint.EXECUTED_TORN, FailPoint.EXECUTED_AFTER),
    Table.EVENTS: (FailPoint.FINAL_BEFORE, FailPoint.FINAL_AFTER, FailPoint.FINAL_AFTER),
    Table.BLOCKS: (FailPoint.BLOCKS_BEFORE, FailPoint.BLOCKS_AFTER, FailPoint.BLOCKS_AFTER),
    Table.TRANSACTIONS: (
        FailPoint.TRANSACTIONS_BEFORE,
        FailPoint.TRANSACTIONS_AFTER,
        FailPoint.TRANSACTIONS_AFTER,
    ),
}
"""Points before a write, between its environments, and after it."""

_BEGUN = (FailPoint.BEGUN_BEFORE, FailPoint.BEGUN_AFTER, FailPoint.BEGUN_AFTER)

_FOUNDING = (FailPoint.FOUNDING_BEFORE, FailPoint.FOUNDING_TORN, FailPoint.FOUNDING_AFTER)


def find_points(changes: Changes, *, is_founding: bool) -> tuple[FailPoint, FailPoint, FailPoint] | None:
    """The three points of a write, none for one that no point is named after."""
    if is_founding:
        return _FOUNDING
    if any(_is_first(key) for key in changes.get(Table.BLOCKS, ())) and Table.CHECKPOINTS not in changes:
        return _BEGUN
    return next((points for table, points in _MOMENTS.items() if table in changes), None)


def _is_first(key: bytes) -> bool:
    """Whether a block is of the first round of a committee that is not that of the genesis."""
    epoch, round_number, _, _ = parse_block_key(key)
    return epoch > 0 and round_number == 1


class FailPoints:
    """The points of one world: how often each was reached, and which are armed."""

    def __init__(self) -> None:
        self.reached: Counter[FailPoint] = Counter()
        self._armed: dict[FailPoint, tuple[tuple[int, ...], Callable[[int], None]]] = {}

    def arm(self, point: FailPoint, nodes: tuple[int, ...], on_reached: Callable[[int], None]) -> None:
        """Call ``on_reached`` once, when one of ``nodes`` reaches ``point``."""
        self._armed[point] = (nodes, on_reached)

    def disarm(self, point: FailPoint) -> None:
        """Nobody is killed there any more."""
        self._armed.pop(point, None)

    def reach(self, point: FailPoint, node: int) -> bool:
        """A node is at a point; answers whether it ends there."""
        self.reached[point] += 1
        nodes, on_reached = self._armed.get(point, ((), None))
        if on_reached is None or node not in nodes:
            return False
        self.disarm(point)
        on_reached(node)
        return True
