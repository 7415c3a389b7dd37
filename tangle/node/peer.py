"""A connected peer: its session, what it told of itself, and how much it may send."""

from contextlib import suppress
from enum import StrEnum
from typing import Final

import anyio

from tangle.core.errors import TangleError
from tangle.core.types import PublicKey, Shard
from tangle.net.bundle_messages import GetBundle
from tangle.net.errors import LaneFull, SessionClosed, Throttled
from tangle.net.ledger_messages import (
    GetBlocks,
    GetEpochEnd,
    GetOrdered,
    GetOwnLatest,
    GetRounds,
    GetTransactions,
)
from tangle.net.messages import (
    Announce,
    Blocks,
    GetBlobHoldings,
    GetBlobRange,
    Hello,
    News,
    PeerList,
    Prepared,
    Request,
    Response,
    Transactions,
)
from tangle.net.replica_messages import AskReplica, ShowReplica
from tangle.net.session import Session
from tangle.net.snapshot_messages import GetSnapshots
from tangle.net.throttle import Rate, TokenBucket

NEWS_RATE: Final = Rate(per_second=4_000, burst=16_000)
"""New transactions and ids of such from one peer: more than a network's load, less than a core verifies."""

BLOCKS_RATE: Final = Rate(per_second=500, burst=4_000)
"""Committee blocks from one peer: dozens of times what an author makes, and a burst for who fell behind."""

REQUEST_RATE: Final = Rate(per_second=500, burst=1_000)
"""Requests and small news from one peer: an honest one has a few under way and waits for the answers."""

BUNDLE_COST: Final = 10
"""What a request for a bundle takes of that: half a megabyte at most, made of history where it is not at
hand; an honest node asks for some a second."""

REPLICA_COST: Final = 10
"""What a request about a paid run takes of that: it is decoded and its signature checked before it can be
refused, and an honest node asks for some dozens a second."""


class PeerKind(StrEnum):
    """How a session came about; bytes are counted by it."""

    CONFIGURED = "configured"
    """Dialled, because the operator wants it."""

    OUTBOUND = "outbound"
    """Dialled, because there were too few."""

    INBOUND = "inbound"
    """The other side dialled."""


class Peer:
    """One session and what is known of the other side."""

    def __init__(
        self, session: Session, address: str, *, kind: PeerKind, shard: Shard, host: str = ""
    ) -> None:
        """:param address: for people: what was dialled, or the host that dialled.
        :param host: the other end in numbers; empty where streams are no sockets.
        """
        self.session = session
        self.public_key: PublicKey = session.peer
        self.address = address
        self.host = host
        self.kind = kind
        self.hello: Hello | None = None
        self.epoch = 0
        self.round = 0
        self.checkpoint = 0
        self.outstanding = 0
        self.ending: TangleError | None = None
        """Why this node ended the session; none while it did not."""

        self.scope = anyio.CancelScope()
        self._shard = shard
        now_ms = get_now_ms()
        self._news = TokenBucket(NEWS_RATE, now_ms)
        self._blocks = TokenBucket(BLOCKS_RATE, now_ms)
        self._requests = TokenBucket(REQUEST_RATE, now_ms)

    @property
    def is_outbound(self) -> bool:
        """Whether this node dialled."""
        return self.kind is not PeerKind.INBOUND

    @property
    def is_validator(self) -> bool:
        """Whether it says that it sits on the present committee."""
        return self.hello is not None and self.hello.is_validator

    @property
    def name(self) -> str:
        """Short name for logs."""
        return self.public_key.hex()[:8]

    def send(self, message: Prepared) -> None:
        """Send news if there is room; a peer that reads too slowly misses it and asks for it later."""
        with suppress(LaneFull, SessionClosed):
            self.session.send_nowait(message)

    async def request(self, message: Request, *, timeout_s: float | None = None) -> Response:
        """Ask and wait for the answer, as long as sessions do where nobody says otherwise.

        :raises RequestTimeout, RequestRefused, SessionClosed: there is none.
        """
        self.outstanding += 1
        try:
            return await self.session.request(message, timeout_s=timeout_s)
        finally:
            self.outstanding -= 1

    def cut(self, reason: TangleError) -> None:
        """End the session from this side."""
        self.ending = reason
        self.scope.cancel()

    def on_hello(self, hello: Hello) -> None:
        """The peer told how far it is."""
        self.hello = hello
        for status in hello.shards:
            if status.shard == self._shard:
                self.epoch, self.round, self.checkpoint = status.epoch, status.round, status.checkpoint

    def spend(self, message: News | Request) -> None:
        """Take what ``message`` costs out of the peer's allowance.

        :raises Throttled: too little is left.
        """
        now_ms = get_now_ms()
        match message:
            case Transactions(items):
                self._news.take(len(items), now_ms)
            case Announce(ids):
                self._news.take(len(ids), now_ms)
            case Blocks(items):
                self._blocks.take(len(items), now_ms)
            case Hello() | PeerList() | GetTransactions() | GetBlocks():
                self._requests.take(1, now_ms)
            case GetRounds() | GetOrdered() | GetOwnLatest() | GetEpochEnd():
                self._requests.take(1, now_ms)
            case GetBlobHoldings() | GetBlobRange() | GetSnapshots():
                self._requests.take(1, now_ms)
            case GetBundle():
                self._requests.take(BUNDLE_COST, now_ms)
            case AskReplica() | ShowReplica():
                self._requests.take(REPLICA_COST, now_ms)

    async def wait_allowance(self, message: News | Request) -> Throttled | None:
        """Wait until the peer may have ``message`` looked at; answers why, if it had to wait.

        Nothing is read from it meanwhile, so that in the end it is the peer that waits.
        """
        fault: Throttled | None = None
        while True:
            try:
                self.spend(message)
            except Throttled as error:
                fault = error
                await anyio.sleep(error.retry_after_ms / 1_000)
            else:
                return fault


def get_now_ms() -> int:
    """The event loop's clock in whole milliseconds, for buckets, scores and pauses between dials."""
    return int(anyio.current_time() * 1_000)
