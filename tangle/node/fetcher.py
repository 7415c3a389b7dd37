"""Fetching what is missing: parents of transactions, tips and ancestors of committee blocks.

Whatever is wanted is asked first of the peer that mentioned it, then of one other peer after the other, until
it comes or nobody wants it any more. Requests are batched and a peer never has more than a few of ours
outstanding.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

import anyio
import structlog
from anyio.abc import TaskGroup
from msgspec import Struct

from shards.blocks import BlockReference
from tangle.core.errors import TangleError
from tangle.core.transactions import compute_transaction_id
from tangle.core.types import Shard, TransactionId
from tangle.net.errors import UnsolicitedResponse
from tangle.net.ledger_messages import (
    BLOCKS_MAX,
    TRANSACTIONS_MAX,
    BlockItems,
    GetBlocks,
    GetTransactions,
    TransactionItems,
)
from tangle.node.peer import Peer
from tangle.node.peering import Peering

WANTED_MAX: Final = 65_536
"""Items wanted at a time; beyond it new wishes are dropped and come again when their block or child is
retried."""

ANNOUNCED_MAX: Final = WANTED_MAX // 2
"""Wishes up to which announced items are added: whatever peers announce, what a block needs has room."""

RETRY_S: Final = 0.4
"""How long to wait for an item before another peer is asked; several round trips."""

GATHER_S: Final = 0.003
"""How long wishes gather before they are asked for."""

OUTSTANDING_MAX: Final = 4
"""Requests of ours that one peer may have at a time."""

ATTEMPTS_MAX: Final = 200
"""Times an item is asked for before it is given up, more than a minute; whoever still needs it asks anew."""

Key = TypeVar("Key", TransactionId, BlockReference)

log = structlog.get_logger("fetcher")


class _Wish(Struct, eq=False):
    """One missing item."""

    hint: Peer | None
    """The peer that mentioned it."""

    is_needed: bool
    """A block or the past of one needs it; else a peer announced it, or its child is news itself."""

    order: int
    """Where in the ring of peers to begin; wishes begin at different peers, so that load spreads."""

    due_s: float = 0.0
    """When to ask (again)."""

    asked: int = 0
    """How often it was asked for."""


class _Wishes(Generic[Key]):
    """Missing items of one kind."""

    def __init__(self) -> None:
        self._wishes: dict[Key, _Wish] = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._wishes)

    def add(self, keys: Iterable[Key], hint: Peer | None, *, is_needed: bool = True) -> bool:
        """Note what is wanted; answers whether something of it is new."""
        before = self._order
        bound = WANTED_MAX if is_needed else ANNOUNCED_MAX
        for key in keys:
            wish = self._wishes.get(key)
            if wish is not None:
                wish.is_needed |= is_needed
            elif len(self._wishes) < bound:
                self._wishes[key] = _Wish(hint, is_needed, self._order)
                self._order += 1
        return self._order > before

    def is_needed(self, key: Key) -> bool:
        wish = self._wishes.get(key)
        return wish is not None and wish.is_needed

    def remove(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._wishes.pop(key, None)

    def clear(self) -> None:
        self._wishes.clear()

    def take_due(self, peers: Sequence[Peer], now_s: float, limit: int) -> dict[Peer, list[Key]]:
        """Due wishes by the peer to ask now."""
        by_peer: dict[Peer, list[Key]] = {}
        given_up = []
        for key, wish in self._wishes.items():
            if wish.due_s > now_s:
                continue
            if wish.asked >= ATTEMPTS_MAX:
                given_up.append(key)
                continue
            if wish.asked == 0 and wish.hint is not None and wish.hint in peers:
                peer = wish.hint
            else:
                peer = peers[(wish.order + wish.asked) % len(peers)]
            batch = by_peer.setdefault(peer, [])
            if len(batch) >= limit or peer.outstanding >= OUTSTANDING_MAX:
                continue
            batch.append(key)
            wish.asked += 1
            wish.due_s = now_s + RETRY_S
        self.remove(given_up)
        return {peer: batch for peer, batch in by_peer.items() if batch}


class Fetcher:
    """Brings what is missing."""

    def __init__(
        self,
        *,
        peering: Peering,
        shard: Shard,
        on_transactions: Callable[[Sequence[bytes], Peer, bool], None],
        on_blocks: Callable[[Sequence[bytes], Peer], None],
        get_epoch: Callable[[], int],
    ) -> None:
        """:param get_epoch: of the committee whose blocks are wanted.
        :param on_transactions, on_blocks: get what came, through the same checks as everything else; of
        transactions also whether they are needed, or were announced and are taken if there is room.
        """
        self._peering = peering
        self._shard = shard
        self._on_transactions = on_transactions
        self._on_blocks = on_blocks
        self._get_epoch = get_epoch
        self._transactions: _Wishes[TransactionId] = _Wishes()
        self._blocks: _Wishes[BlockReference] = _Wishes()
        self._stirred = anyio.Event()

    @property
    def depth(self) -> int:
        """Items wanted now."""
        return len(self._transactions) + len(self._blocks)

    def want_transactions(
        self, identities: Iterable[TransactionId], hint: Peer | None, *, is_needed: bool = True
    ) -> None:
        """Fetch these transactions: somebody waits for them.

        :param is_needed: a block, or the past of one.
        """
        if self._transactions.add(identities, hint, is_needed=is_needed):
            self._stirred.set()

    def want_announced(self, identities: Iterable[TransactionId], announcer: Peer) -> None:
        """Fetch these transactions once, unless they come otherwise: ``announcer`` says that they exist."""
        if self._transactions.add(identities, announcer, is_needed=False):
            self._stirred.set()

    def want_blocks(self, references: Iterable[BlockReference], hint: Peer | None) -> None:
        """Fetch these blocks."""
        if self._blocks.add(references, hint):
            self._stirred.set()

    def on_transactions_here(self, identities: Iterable[TransactionId]) -> None:
        """These arrived, or nobody wants them any more."""
        self._transactions.remove(identities)

    def forget_blocks(self) -> None:
        """Another committee goes on: what its predecessor's blocks lacked is of no use any more."""
        self._blocks.clear()

    def on_blocks_here(self, references: Iterable[BlockReference]) -> None:
        """These arrived, or nobody wants them any more."""
        self._blocks.remove(references)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                with anyio.move_on_after(RETRY_S if self.depth else None):
                    await self._stirred.wait()
                await anyio.sleep(GATHER_S)
                self._stirred = anyio.Event()
                self._ask(tasks)

    def _ask(self, tasks: TaskGroup) -> None:
        peers = self._peering.get_peers()
        if not peers:
            return
        now_s = anyio.current_time()
        for peer, references in self._blocks.take_due(peers, now_s, BLOCKS_MAX).items():
            tasks.start_soon(self._fetch_blocks, peer, references)
        for peer, identities in self._transactions.take_due(peers, now_s, TRANSACTIONS_MAX).items():
            tasks.start_soon(self._fetch_transactions, peer, identities)

    async def _fetch_transactions(self, peer: Peer, identities: list[TransactionId]) -> None:
        try:
            answer = await peer.request(GetTransactions(0, tuple(identities)))
        except TangleError as error:
            log.debug("fetch-failed", peer=peer.name, code=error.code)
            return
        assert isinstance(answer, TransactionItems)
        came = {compute_transaction_id(item): item for item in answer.items}
        wanted = [identity for identity in identities if identity in came]
        if len(wanted) < len(answer.items):
            self._peering.blame(peer, UnsolicitedResponse("TransactionItems", answer.request))
        needed = [identity for identity in wanted if self._transactions.is_needed(identity)]
        news = [identity for identity in wanted if not self._transactions.is_needed(identity)]
        # Where there is no room for news it is let go: a block that names it will have it fetched again.
        self._transactions.remove(news)
        for group, is_needed in ((needed, True), (news, False)):
            if group:
                self._on_transactions([came[identity] for identity in group], peer, is_needed)

    async def _fetch_blocks(self, peer: Peer, references: list[BlockReference]) -> None:
        try:
            answer = await peer.request(GetBlocks(0, self._shard, self._get_epoch(), tuple(references)))
        except TangleError as error:
            log.debug("fetch-failed", peer=peer.name, code=error.code)
            return
        assert isinstance(answer, BlockItems)
        self._on_blocks(answer.items, peer)
