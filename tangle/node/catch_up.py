"""Catching up: what a node does that was away, or starts long after the others.

How far behind it is shows in what validators signed: their rounds (``vouched_rounds``), and the certificate
with which an epoch ended. What peers say of themselves
decides only whom it asks. It reads history from one peer after the other as that peer's committee made it:
blocks by ranges of rounds, and beside them the transactions in their final order. Everything goes through the
same checks as live traffic, so no peer needs to be trusted; the committee core decides the same commits
again. A node that has caught up hears of new blocks by itself and this task only watches.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import anyio
import structlog
from msgspec import Struct

from tangle.core.errors import TangleError
from tangle.core.types import PublicKey, Shard
from tangle.net.ledger_messages import (
    TRANSACTIONS_MAX,
    BlockItems,
    GetOrdered,
    GetRounds,
    OrderedItems,
)
from tangle.node.peer import Peer
from tangle.node.peering import Peering
from tangle.node.vouched_rounds import VouchedRounds

LAG_ROUNDS: Final = 8
"""The committee this many rounds ahead means that asking for single ancestors is not enough."""

WINDOW_ROUNDS: Final = 24
"""Rounds asked for at a time: with a committee of ten, one message; small enough to be executed in between.
"""

AHEAD_MAX: Final = 2_000
"""Transactions read ahead of what is ordered here: their anchors must be executed before they can attach."""

CHECK_INTERVAL_S: Final = 0.5
"""How often the committee's progress is compared with ours."""

STALL_S: Final = 0.05
"""Pause when an answer brought nothing new yet: the pipeline behind is still busy."""

FRUITLESS_S: Final = 5.0
"""In this time a window must be here and accepted, or who answers is as good as silent."""

TRIAL_S: Final = 2.0
"""How long a peer that was never asked is waited for: a window takes some round trips, and sixteen boasters
that keep silent hold a node up for half a minute."""

PATIENCE_MAX_S: Final = 10.0
"""The most that is waited for an answer, however slow the peer and its line: what sessions wait."""

SLACK: Final = 2
"""A window may take so many times as long as the last one."""

SOURCES_MAX: Final = 1_024
"""Peers whose delays are remembered, connected or not: many times what a node has places for."""

log = structlog.get_logger("sync")


class Progress(Struct, frozen=True):
    """Where this node is."""

    epoch: int
    """Epoch of the committee that it follows."""

    round: int
    """Highest round of that epoch of which it has accepted a block."""

    ordered_total: int
    """Transactions ordered and executed."""


class CatchUp:
    """Reads history until this node is level with the committee."""

    def __init__(
        self,
        *,
        peering: Peering,
        shard: Shard,
        get_vouched: Callable[[], VouchedRounds],
        is_epoch_over: Callable[[], bool],
        get_progress: Callable[[], Progress],
        on_transactions: Callable[[Sequence[bytes], Peer], None],
        on_blocks: Callable[[Sequence[bytes], Peer], None],
    ) -> None:
        """:param get_vouched: rounds of the committee that this node follows.
        :param is_epoch_over: whether that committee has signed its last checkpoint, which is not executed
            here.
        """
        self._peering = peering
        self._shard = shard
        self._get_vouched = get_vouched
        self._is_epoch_over = is_epoch_over
        self._get_progress = get_progress
        self._on_transactions = on_transactions
        self._on_blocks = on_blocks
        self._delays_s: dict[PublicKey, float] = {}

    @property
    def lag_rounds(self) -> int:
        """Rounds that this node lacks of what more than the faulty weight of validators has reached."""
        return max(0, self._get_vouched().round - self._get_progress().round)

    @property
    def is_level(self) -> bool:
        """Whether what this node lacks comes by itself."""
        return self.lag_rounds <= LAG_ROUNDS and not self._is_epoch_over()

    async def wait_level(self) -> None:
        """Return when this node is level."""
        while not self.is_level:  # noqa: ASYNC110  # progress is made in many places, and none is in a hurry
            await anyio.sleep(CHECK_INTERVAL_S)

    async def run(self) -> None:
        """Watch, and catch up when behind, until cancelled."""
        while True:
            source = None if self.is_level else self._find_source()
            if source is None:
                await anyio.sleep(CHECK_INTERVAL_S)
                continue
            try:
                await self._follow(source)
            except* TangleError as group:  # a peer that leaves fails both readers at once
                first = next(_iterate_errors(group))
                log.warning("catch-up-interrupted", peer=source.name, code=first.code)
                self._doubt(source)
                await anyio.sleep(CHECK_INTERVAL_S)

    def _find_source(self) -> Peer | None:
        """Whom to ask, of those that say they have something: of all the one with the least delay.

        So who delivers is kept, and who boasts and brings nothing is asked again when all others are worse.
        Of equals one that this node has dialled comes first: strangers choose whom they dial.
        """
        progress = self._get_progress()
        return min(
            (peer for peer in self._peering.get_peers() if _is_ahead(peer, progress)),
            key=lambda peer: (self._get_delay_s(peer), not peer.is_outbound),
            default=None,
        )

    def _get_delay_s(self, peer: Peer) -> float:
        """What a window from ``peer`` may take: longer than its last, and longer still each time that none
        comes.
        """
        return self._delays_s.get(peer.public_key, TRIAL_S)

    def _compute_patience_s(self, peer: Peer) -> float:
        return min(max(self._get_delay_s(peer), TRIAL_S), PATIENCE_MAX_S)

    def _set_delay(self, peer: Peer, delay_s: float) -> None:
        # By name and beyond a session: who leaves and comes again is where it was.
        self._delays_s.pop(peer.public_key, None)
        self._delays_s[peer.public_key] = delay_s
        if len(self._delays_s) > SOURCES_MAX:
            del self._delays_s[next(iter(self._delays_s))]

    def _doubt(self, peer: Peer) -> None:
        self._set_delay(peer, self._get_delay_s(peer) + self._compute_patience_s(peer))
        log.warning("peer-doubted", peer=peer.name, said_round=peer.round, round=self._get_progress().round)

    async def _follow(self, peer: Peer) -> None:
        """Ask ``peer`` for window after window until this node is level or does better to ask another."""
        here = self._get_progress()
        log.info(
            "catching-up",
            peer=peer.name,
            epoch=here.epoch,
            from_round=here.round,
            to_round=self._get_vouched().round,
        )
        next_index = here.ordered_total
        while not self.is_level and _is_ahead(peer, here):
            # Where the peer is in a later epoch, this one may end within the window.
            last = peer.round if peer.epoch == here.epoch else here.round + WINDOW_ROUNDS
            goal = (here.epoch, min(here.round + WINDOW_ROUNDS, last))
            begun_s = anyio.current_time()
            while (here.epoch, here.round) < goal and not self.is_level:
                if anyio.current_time() - begun_s > FRUITLESS_S:
                    self._doubt(peer)
                    return
                next_index = await self._read_window(peer, here, max(next_index, here.ordered_total))
                if self._get_progress() == here:
                    await anyio.sleep(STALL_S)
                here = self._get_progress()
            self._set_delay(peer, SLACK * (anyio.current_time() - begun_s))
            if self._get_delay_s(peer) > TRIAL_S:
                return
        log.info("followed", peer=peer.name, epoch=here.epoch, round=here.round, is_level=self.is_level)

    async def _read_window(self, peer: Peer, here: Progress, next_index: int) -> int:
        """Read the next rounds, and transactions from ``next_index`` on; answers where those go on."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read_rounds, peer, here)
            if next_index < here.ordered_total + AHEAD_MAX:
                next_index += await self._read_ordered(peer, next_index)
        return next_index

    async def _read_rounds(self, peer: Peer, before: Progress) -> None:
        # The last accepted round again: other authors' blocks of it may still be missing.
        first, last = max(1, before.round), before.round + WINDOW_ROUNDS
        request = GetRounds(0, self._shard, before.epoch, first, last)
        answer = await peer.request(request, timeout_s=self._compute_patience_s(peer))
        assert isinstance(answer, BlockItems)
        self._on_blocks(answer.items, peer)

    async def _read_ordered(self, peer: Peer, first_index: int) -> int:
        request = GetOrdered(0, self._shard, first_index, TRANSACTIONS_MAX)
        answer = await peer.request(request, timeout_s=self._compute_patience_s(peer))
        assert isinstance(answer, OrderedItems)
        if answer.items:
            self._on_transactions(answer.items, peer)
        return len(answer.items)


def _is_ahead(peer: Peer, progress: Progress) -> bool:
    """Whether a peer says that it has more."""
    return (peer.epoch, peer.round) > (progress.epoch, progress.round)


def _iterate_errors(group: BaseExceptionGroup[TangleError]) -> Iterator[TangleError]:
    for error in group.exceptions:
        if isinstance(error, TangleError):
            yield error
        else:
            yield from _iterate_errors(error)
