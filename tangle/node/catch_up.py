"""Catching up: what a node does that was away, or starts long after the others.

It reads history from one peer after the other as that peer's committee made it: blocks by ranges of rounds,
and beside them the transactions in their final order. Everything goes through the same checks as live
traffic, so no peer needs to be trusted; the committee core decides the same commits again. A node that has
caught up hears of new blocks by itself and this task only watches.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import anyio
import structlog
from msgspec import Struct

from tangle.core.errors import TangleError
from tangle.core.types import Shard
from tangle.net.messages import TRANSACTIONS_MAX, BlockItems, GetOrdered, GetRounds, OrderedItems
from tangle.node.peer import Peer
from tangle.node.peering import Peering

LAG_ROUNDS: Final = 8
"""A peer this many rounds ahead means that asking for single ancestors is not enough."""

WINDOW_ROUNDS: Final = 24
"""Rounds asked for at a time: with a committee of ten, one message; small enough to be executed in between.
"""

AHEAD_MAX: Final = 2_000
"""Transactions read ahead of what is ordered here: their anchors must be executed before they can attach."""

CHECK_INTERVAL_S: Final = 0.5
"""How often the peers' progress is compared with ours."""

STALL_S: Final = 0.05
"""Pause when a window brought nothing new: the pipeline behind is still busy."""

FRUITLESS_S: Final = 5.0
"""A peer that says it is ahead and for so long brings nothing that we accept is not followed for a while."""

DOUBT_S: Final = 60.0
"""How long it is not followed; after that it may show once more what it has."""

log = structlog.get_logger("sync")


class Progress(Struct, frozen=True):
    """Where this node is."""

    round: int
    """Highest round of an accepted block."""

    ordered_total: int
    """Transactions ordered and executed."""


class CatchUp:
    """Follows the peer that is furthest ahead until this node is level with it."""

    def __init__(
        self,
        *,
        peering: Peering,
        shard: Shard,
        get_progress: Callable[[], Progress],
        on_transactions: Callable[[Sequence[bytes], Peer], None],
        on_blocks: Callable[[Sequence[bytes], Peer], None],
    ) -> None:
        self._peering = peering
        self._shard = shard
        self._get_progress = get_progress
        self._on_transactions = on_transactions
        self._on_blocks = on_blocks
        self._level = anyio.Event()
        self._doubted_until_s: dict[Peer, float] = {}

        self.target_round = 0
        """Highest round that a peer told of."""

    @property
    def is_level(self) -> bool:
        """Whether no peer was far ahead at the last look."""
        return self._level.is_set()

    async def wait_level(self) -> None:
        """Return when no peer is far ahead."""
        while not self._level.is_set():
            await self._level.wait()

    async def run(self) -> None:
        """Watch, and catch up when behind, until cancelled."""
        while True:
            leader = self._find_leader()
            if leader is None:
                self._level.set()
                await anyio.sleep(CHECK_INTERVAL_S)
                continue
            if self.is_level:
                self._level = anyio.Event()
            try:
                await self._follow(leader)
            except* TangleError as group:  # a peer that leaves fails both readers at once
                first = next(_iterate_errors(group))
                log.warning("catch-up-interrupted", peer=leader.name, code=first.code)
                await anyio.sleep(CHECK_INTERVAL_S)

    def _find_leader(self) -> Peer | None:
        """The connected peer furthest ahead of us, if one is far enough to matter.

        How far a peer is is only its word: without an end to believing it, a stranger could keep a validator
        out of its committee by one message.
        """
        now_s, connected = anyio.current_time(), self._peering.get_peers()
        self._doubted_until_s = {
            peer: until_s
            for peer, until_s in self._doubted_until_s.items()
            if until_s > now_s and peer in connected
        }
        peers = [peer for peer in connected if peer not in self._doubted_until_s]
        if not peers:
            return None
        leader = max(peers, key=lambda peer: peer.round)
        self.target_round = leader.round
        return leader if leader.round > self._get_progress().round + LAG_ROUNDS else None

    async def _follow(self, peer: Peer) -> None:
        start = self._get_progress()
        log.info("catching-up", peer=peer.name, from_round=start.round, to_round=peer.round)
        next_index = start.ordered_total
        fruitful_s = anyio.current_time()
        while peer.round > self._get_progress().round + LAG_ROUNDS:
            before = self._get_progress()
            next_index = max(next_index, before.ordered_total)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read_rounds, peer, before.round)
                if next_index < before.ordered_total + AHEAD_MAX:
                    next_index += await self._read_ordered(peer, next_index)
            if self._get_progress() != before:
                fruitful_s = anyio.current_time()
                continue
            if anyio.current_time() - fruitful_s > FRUITLESS_S:
                log.warning("peer-doubted", peer=peer.name, said_round=peer.round, round=before.round)
                self._doubted_until_s[peer] = anyio.current_time() + DOUBT_S
                return
            await anyio.sleep(STALL_S)
        log.info("caught-up", round=self._get_progress().round)

    async def _read_rounds(self, peer: Peer, from_round: int) -> None:
        # The last accepted round again: other authors' blocks of it may still be missing.
        answer = await peer.request(GetRounds(0, self._shard, max(1, from_round), from_round + WINDOW_ROUNDS))
        assert isinstance(answer, BlockItems)
        self._on_blocks(answer.items, peer)

    async def _read_ordered(self, peer: Peer, first_index: int) -> int:
        answer = await peer.request(GetOrdered(0, self._shard, first_index, TRANSACTIONS_MAX))
        assert isinstance(answer, OrderedItems)
        if answer.items:
            self._on_transactions(answer.items, peer)
        return len(answer.items)


def _iterate_errors(group: BaseExceptionGroup[TangleError]) -> Iterator[TangleError]:
    for error in group.exceptions:
        if isinstance(error, TangleError):
            yield error
        else:
            yield from _iterate_errors(error)
