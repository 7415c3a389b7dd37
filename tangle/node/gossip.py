"""Telling peers about new transactions.

The node where a transaction enters pushes it in full to a few peers and announces its id to the rest; a node
that got it from a peer only announces it. In a small network every node so receives the bytes once. What
gathers between two flushes travels as one message, encoded once for all.
"""

from collections.abc import Sequence
from typing import Final

import anyio
from msgspec import Struct

from tangle.core.transactions import Transaction
from tangle.core.types import TransactionId
from tangle.net.messages import IDS_MAX, TRANSACTIONS_MAX, Announce, Transactions, prepare_message
from tangle.node.peer import Peer
from tangle.node.peering import Peering

PUSH_PEERS: Final = 8
"""Peers that get new transactions in full from the node where they entered."""

FLUSH_INTERVAL_S: Final = 0.005
"""How long news gathers: a small part of a round, and enough to fill messages under load."""

NEWS_MAX: Final = 65_536
"""News kept for sending; beyond it the oldest is dropped, since peers fetch what blocks name."""


class _News(Struct, frozen=True):
    transaction: Transaction
    source: Peer | None


class Gossip:
    """Batches news and sends it."""

    def __init__(self, peering: Peering) -> None:
        self._peering = peering
        self._news: list[_News] = []
        self._filled = anyio.Event()

    @property
    def depth(self) -> int:
        """News not sent yet."""
        return len(self._news)

    def add(self, transactions: Sequence[Transaction], source: Peer | None) -> None:
        """Spread ``transactions``, which ``source`` (none: a wallet of ours) brought."""
        room = NEWS_MAX - len(self._news)
        self._news.extend(_News(transaction, source) for transaction in transactions[:room])
        self._filled.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._filled.wait()
            await anyio.sleep(FLUSH_INTERVAL_S)
            self._filled = anyio.Event()
            news, self._news = self._news, []
            self._flush(news)

    def _flush(self, news: list[_News]) -> None:
        own = [item.transaction for item in news if item.source is None]
        peers = self._peering.get_peers()
        pushed_to = set(peers[:PUSH_PEERS])
        self._push(own, peers[:PUSH_PEERS])
        for peer in peers:
            ids = [
                item.transaction.id
                for item in news
                if item.source is not peer and not (item.source is None and peer in pushed_to)
            ]
            self._announce(ids, peer)

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
