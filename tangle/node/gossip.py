"""Telling peers about new transactions.

The node where a transaction enters pushes it in full, to validators and to a few others, drawn anew each
time; it announces its id to the others, and a node that got it from a peer announces it too, neither of them
at once, validators excepted: by then those that it was pushed to have it, and whoever asks has several to
ask. In a small network every node so receives the bytes once. What gathers between two flushes travels as one
message, encoded once for all.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

import anyio
from msgspec import Struct

from tangle.core.transactions import Transaction
from tangle.core.types import TransactionId
from tangle.net.ledger_messages import IDS_MAX, TRANSACTIONS_MAX
from tangle.net.messages import Announce, Transactions, prepare_message
from tangle.node.peer import Peer
from tangle.node.peering import Peering
from tangle.node.randomness import Randomness

PUSH_VALIDATORS: Final = 32
"""Validators that get new transactions in full from the node where they entered. One that had to ask would
accept every block that names one of them a round trip late, and hold up each round that it leads; so a
committee up to this size is told at once. That costs no bytes that fetching would not."""

PUSH_OTHERS: Final = 8
"""Other peers that get them in full. Nobody's finality depends on them, so that a node where much enters does
not send everything to everybody: the rest hears of it ``RELAY_INTERVAL_S`` later from all of these too."""

FLUSH_INTERVAL_S: Final = 0.005
"""How long news gathers: a small part of a round, and enough to fill messages under load."""

RELAY_INTERVAL_S: Final = 0.1
"""How long ids gather of transactions that peers brought. In a network where everybody is connected they tell
nothing new, and cost a message from each node to each for every few transactions; in a wider one they add
this much for each further hop, and a block that names one of them has it fetched before."""

NEWS_MAX: Final = 65_536
"""News kept for sending; beyond it the oldest is dropped, since peers fetch what blocks name."""


REMIND_INTERVAL_S: Final = 5.0
"""How often peers are reminded of transactions that no block names. News is told once, and a peer may have
been full, a step behind, or away; a node that makes no blocks could do nothing else for what it accepted."""

REMINDED_MAX: Final = 256
"""Most ids of one reminder, 8 KB: the oldest, with which their past comes too."""


class _News(Struct, frozen=True):
    transaction: Transaction
    source: Peer | None
    pushed: frozenset[Peer] = frozenset()
    """Who has it in full already, or was told."""


class _Gathering:
    """News between two flushes."""

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.news: list[_News] = []
        self.filled = anyio.Event()


class Gossip:
    """Batches news and sends it."""

    def __init__(
        self,
        peering: Peering,
        randomness: Randomness,
        list_unnamed: Callable[[int], tuple[TransactionId, ...]],
    ) -> None:
        """:param randomness: draws whom to push to.
        :param list_unnamed: attached transactions without children that no block names, oldest first, at most
            so many.
        """
        self._peering = peering
        self._randomness = randomness
        self._list_unnamed = list_unnamed
        self._own = _Gathering(FLUSH_INTERVAL_S)
        self._relayed = _Gathering(RELAY_INTERVAL_S)

    @property
    def depth(self) -> int:
        """News not sent yet."""
        return len(self._own.news) + len(self._relayed.news)

    def add(self, transactions: Sequence[Transaction], source: Peer | None) -> None:
        """Spread ``transactions``, which ``source`` (none: a wallet of ours) brought."""
        room = NEWS_MAX - self.depth
        gathering = self._own if source is None else self._relayed
        gathering.news.extend(_News(transaction, source) for transaction in transactions[:room])
        gathering.filled.set()

    async def run(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send_forever, self._own, self._push_own)
            tasks.start_soon(self._send_forever, self._relayed, self._announce_all)
            tasks.start_soon(self._remind_forever)

    async def _send_forever(self, gathering: _Gathering, flush: Callable[[list[_News]], None]) -> None:
        while True:
            await gathering.filled.wait()
            await anyio.sleep(gathering.interval_s)
            gathering.filled = anyio.Event()
            news, gathering.news = gathering.news, []
            flush(news)

    async def _remind_forever(self) -> None:
        before: frozenset[TransactionId] = frozenset()
        while True:
            await anyio.sleep(REMIND_INTERVAL_S)
            unnamed = self._list_unnamed(REMINDED_MAX)
            lasting = [identity for identity in unnamed if identity in before]
            before = frozenset(unnamed)
            if lasting:
                for peer in self._peering.get_peers():
                    self._announce(lasting, peer)

    def _push_own(self, news: list[_News]) -> None:
        peers = self._peering.get_peers()
        chosen = self._choose(peers)
        self._push([item.transaction for item in news], chosen)
        told = frozenset(chosen)
        late = [peer for peer in peers if peer.is_validator and peer not in told]
        for peer in late:
            self._announce([item.transaction.id for item in news], peer)
        if len(told) + len(late) < len(peers):
            pushed = told.union(late)
            self._relayed.news.extend(_News(item.transaction, None, pushed) for item in news)
            self._relayed.filled.set()

    def _choose(self, peers: Sequence[Peer]) -> list[Peer]:
        """Who gets new transactions in full."""
        validators = [peer for peer in peers if peer.is_validator][:PUSH_VALIDATORS]
        others = [peer for peer in peers if not peer.is_validator]
        if len(others) > PUSH_OTHERS:
            key = self._randomness.get_bytes(16)
            others.sort(key=lambda peer: blake2b(peer.public_key, digest_size=8, key=key).digest())
        return [*validators, *others[:PUSH_OTHERS]]

    def _announce_all(self, news: list[_News]) -> None:
        for peer in self._peering.get_peers():
            self._announce(
                [item.transaction.id for item in news if item.source is not peer and peer not in item.pushed],
                peer,
            )

    def _push(self, transactions: list[Transaction], peers: Sequence[Peer]) -> None:
        for start in range(0, len(transactions), TRANSACTIONS_MAX):
            part = tuple(
                transaction.encoded for transaction in transactions[start : start + TRANSACTIONS_MAX]
            )
            message = prepare_message(Transactions(part))
            for peer in peers:
                peer.send(message)

    def _announce(self, ids: list[TransactionId], peer: Peer) -> None:
        for start in range(0, len(ids), IDS_MAX):
            peer.send(prepare_message(Announce(tuple(ids[start : start + IDS_MAX]))))
