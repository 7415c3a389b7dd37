"""Telling peers about new transactions.

The node where a transaction enters pushes it in full, to validators first, and announces its id to whom it
does not push it; a node that got it from a peer only announces it, and not at once: whoever is connected to
the first node has it by then. In a small network every node so receives the bytes once. What gathers between
two flushes travels as one message, encoded once for all.
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

PUSH_PEERS: Final = 32
"""Peers that get new transactions in full from the node where they entered, validators first. A validator
that had to ask would accept every block that names one of them a round trip late, and hold up each round that
it leads; so a committee up to this size is told at once. That costs no bytes that fetching would not."""

FLUSH_INTERVAL_S: Final = 0.005
"""How long news gathers: a small part of a round, and enough to fill messages under load."""

RELAY_INTERVAL_S: Final = 0.1
"""How long ids gather of transactions that peers brought. In a network where everybody is connected they tell
nothing new, and cost a message from each node to each for every few transactions; in a wider one they add
this much for each further hop, and a block that names one of them has it fetched before."""

NEWS_MAX: Final = 65_536
"""News kept for sending; beyond it the oldest is dropped, since peers fetch what blocks name."""


class _News(Struct, frozen=True):
    transaction: Transaction
    source: Peer | None


class _Gathering:
    """News between two flushes."""

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.news: list[_News] = []
        self.filled = anyio.Event()


class Gossip:
    """Batches news and sends it."""

    def __init__(self, peering: Peering) -> None:
        self._peering = peering
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
            tasks.start_soon(self._send_forever, self._own)
            tasks.start_soon(self._send_forever, self._relayed)

    async def _send_forever(self, gathering: _Gathering) -> None:
        while True:
            await gathering.filled.wait()
            await anyio.sleep(gathering.interval_s)
            gathering.filled = anyio.Event()
            news, gathering.news = gathering.news, []
            self._flush(news)

    def _flush(self, news: list[_News]) -> None:
        own = [item.transaction for item in news if item.source is None]
        peers = self._peering.get_peers()
        pushed_to = set(peers[:PUSH_PEERS])
        if own:
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
