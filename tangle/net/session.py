"""A session: messages to and from one proven peer, over any byte stream.

``establish`` performs the handshake and answers a ``Session``. Its owner runs it beside its own reading
loop::

    session = await establish(stream, Role.INITIATOR, key, chain, secret)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        async for message in session:
            ...

The loop ends when the session does; ``session.ending`` then says why, as a fault with a code for the peer's
score. Three tasks run inside ``run``: one reads, one writes, one pings. Memory per session is bounded:
outgoing messages wait in the lanes of an ``Outbox``, incoming ones in an inbox; a full inbox stops reading,
so that the peer's own lanes fill and its senders wait. Who does not read for ``stall_timeout_s`` is left.

Requests made inside the reading loop must not be awaited there (the response is behind the loop's own
messages): start a task for each. For the same reason answer requests from tasks, or with ``send_nowait``: two
owners that wait in their loops for room towards each other hold each other up until one of them counts as
stalled.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, Self, assert_never, overload

import anyio
from anyio.abc import ByteStream

from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, PublicKey
from tangle.net.bundle_messages import BundleItem, GetBundle
from tangle.net.errors import (
    HandshakeTimeout,
    LaneFull,
    PeerFault,
    PeerSaidGoodbye,
    PeerSilent,
    PeerStalled,
    RequestRefused,
    RequestTimeout,
    SessionClosed,
    StreamTruncated,
    UnsolicitedResponse,
)
from tangle.net.handshake import Established, Handshake, Role
from tangle.net.ledger_messages import (
    BlockItems,
    EpochEndItem,
    GetBlocks,
    GetEpochEnd,
    GetOrdered,
    GetOwnLatest,
    GetRounds,
    GetTransactions,
    OrderedItems,
    OwnLatest,
    TransactionItems,
)
from tangle.net.line import UNCAPPED, Line
from tangle.net.messages import (
    Announce,
    BlobHoldings,
    BlobRange,
    Blocks,
    GetBlobHoldings,
    GetBlobRange,
    Goodbye,
    Hello,
    Lane,
    Message,
    News,
    PeerList,
    Ping,
    Pong,
    Prepared,
    Refused,
    Request,
    Response,
    Transactions,
    decode_message,
    get_lane,
    prepare_message,
)
from tangle.net.queues import INBOX, BoundedQueue, Outbox
from tangle.net.replica_messages import AskReplica, ReplicaSealed, ReplicaShown, ShowReplica
from tangle.net.requests import PendingRequests
from tangle.net.session_figures import SessionStatistics
from tangle.net.session_timing import DEFAULT_TIMING, SessionTiming
from tangle.net.snapshot_messages import GetSnapshots, SnapshotOffers

RECEIVE_SIZE: Final = 65_536
"""Bytes asked of the stream at once."""

REQUESTS_MAX: Final = 32
"""Requests on their way to one peer, and so the most responses that it can owe; more wait."""

Incoming = News | Request
"""What the owner's loop sees; responses go to whoever asked, pings and goodbyes are the session's own."""


class Session:
    """One proven peer. Made by ``establish``."""

    def __init__(
        self,
        stream: ByteStream,
        role: Role,
        established: Established,
        timing: SessionTiming,
        line: Line = UNCAPPED,
    ) -> None:
        """Take over a stream whose handshake is done."""
        self.peer: PublicKey = established.peer
        """The peer's proven identity."""
        self.role = role
        """This side's: who dialled."""
        self.challenge = established.challenge
        """Names this session; the same at both ends."""
        self.ending: TangleError | None = None
        """Why the session is over; none while it is not."""
        self._stream = stream
        self._encoder = established.encoder
        self._decoder = established.decoder
        self._leftover = established.leftover
        self._timing = timing
        self._line = line
        self._outbox = Outbox()
        self._inbox: BoundedQueue[Incoming] = BoundedQueue(INBOX)
        self._pending = PendingRequests()
        self._places = anyio.Semaphore(REQUESTS_MAX)
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._goodbye_code: bytes | None = None
        self._is_awaited = False
        self.take_nowait: Callable[[Incoming], bool] = _leave
        """Offered each message for which the owner's loop waits, in place of a turn of the loop: whether it
        was dealt with. What it leaves, and all that comes until the loop waits again, goes through the loop.
        It must not wait; a turn is a switch of tasks, the largest cost of a small message.
        """
        self._held_s = 0.0
        self._held_since_s: float | None = None
        self._awaited_nonce: int | None = None
        self._pong = anyio.Event()
        self._round_trip_ms: float | None = None
        self._bytes_received = self._bytes_sent = self._messages_received = self._messages_sent = 0
        self._opened_at_s = anyio.current_time()

    async def run(self) -> None:
        """Carry messages until the session ends; then close the stream. Call it once.

        Faults of the peer do not come out of here: they are in ``ending``. Cancelling it cuts the line.
        """
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._guard, self._read)
                    tasks.start_soon(self._guard, self._write)
                    tasks.start_soon(self._guard, self._keep_alive)
        finally:
            self._end(SessionClosed(self._goodbye_code or b"cancelled"))
            await anyio.aclose_forcefully(self._stream)

    async def close(self, code: bytes = b"closed") -> None:
        """Leave in good order: send what waits and a goodbye, wait for the peer to hang up, but not for
        long.
        """
        if self._goodbye_code is None and self.ending is None:
            self._goodbye_code = code
            self._inbox.close()
            self._outbox.finish(prepare_message(Goodbye(code)).payload)
        with anyio.move_on_after(self._timing.goodbye_timeout_s):
            await self._ended.wait()
        self._end(SessionClosed(code))

    async def send(self, message: Message | Prepared) -> None:
        """Send a message; wait while its lane is full.

        :raises SessionClosed: the session is over.
        """
        self._check_open()
        await self._outbox.put(_prepare(message))
        self._check_open()

    def send_nowait(self, message: Message | Prepared) -> None:
        """Send a message if its lane has room; for news to many peers, where none may hold up the others.

        :raises LaneFull: it has none; the peer can ask for what it missed.
        :raises SessionClosed: the session is over.
        """
        self._check_open()
        self._outbox.put_nowait(_prepare(message))

    @overload
    async def request(
        self, message: GetTransactions, *, timeout_s: float | None = ...
    ) -> TransactionItems: ...
    @overload
    async def request(self, message: GetRounds, *, timeout_s: float | None = ...) -> BlockItems: ...
    @overload
    async def request(self, message: GetBlocks, *, timeout_s: float | None = ...) -> BlockItems: ...
    @overload
    async def request(self, message: GetOrdered, *, timeout_s: float | None = ...) -> OrderedItems: ...
    @overload
    async def request(self, message: GetOwnLatest, *, timeout_s: float | None = ...) -> OwnLatest: ...
    @overload
    async def request(self, message: GetEpochEnd, *, timeout_s: float | None = ...) -> EpochEndItem: ...
    @overload
    async def request(self, message: GetBlobHoldings, *, timeout_s: float | None = ...) -> BlobHoldings: ...
    @overload
    async def request(self, message: GetBlobRange, *, timeout_s: float | None = ...) -> BlobRange: ...
    @overload
    async def request(self, message: AskReplica, *, timeout_s: float | None = ...) -> ReplicaSealed: ...
    @overload
    async def request(self, message: ShowReplica, *, timeout_s: float | None = ...) -> ReplicaShown: ...
    @overload
    async def request(self, message: GetBundle, *, timeout_s: float | None = ...) -> BundleItem: ...
    @overload
    async def request(self, message: GetSnapshots, *, timeout_s: float | None = ...) -> SnapshotOffers: ...

    async def request(self, message: Request, *, timeout_s: float | None = None) -> Response:
        """Ask, and wait for the answer. The number in ``message`` is filled in here.

        :raises RequestTimeout: none in ``timeout_s`` (the session goes on; a late answer is dropped).
        :raises RequestRefused: the peer will not answer.
        :raises SessionClosed: the session ended first.
        """
        patience_s = self._timing.request_timeout_s if timeout_s is None else timeout_s
        name = type(message).__name__
        with anyio.move_on_after(patience_s):
            async with self._places:
                pending = self._pending.open(message)
                try:
                    await self.send(pending.message)
                    await pending.done.wait()
                finally:
                    self._pending.abandon(pending)
            if isinstance(pending.response, Refused):
                raise RequestRefused(name, pending.response.code)
            if pending.response is not None:
                return pending.response
            self._check_open()
        raise RequestTimeout(name, patience_s)

    def __aiter__(self) -> Self:
        """News and requests in the order in which the peer sent them, until the session ends; others get
        their turn between two of them.
        """
        return self

    async def __anext__(self) -> Incoming:
        self._is_awaited = True
        try:
            await self._inbox.wait()
        finally:
            self._is_awaited = False
        if not len(self._inbox) or self._goodbye_code is not None:
            raise StopAsyncIteration
        return self._inbox.get_nowait()

    def statistics(self) -> SessionStatistics:
        """Figures of this moment."""
        return SessionStatistics(
            bytes_received=self._bytes_received,
            bytes_sent=self._bytes_sent,
            messages_received=self._messages_received,
            messages_sent=self._messages_sent,
            queued_messages=len(self._outbox),
            queued_bytes=self._outbox.size_bytes,
            requests_pending=len(self._pending),
            round_trip_ms=self._round_trip_ms,
            opened_at_s=self._opened_at_s,
        )

    async def _guard(self, part: Callable[[], Awaitable[NoReturn]]) -> None:
        """Run one of the three tasks; the first that fails ends the session."""
        try:
            await part()
        except TangleError as fault:
            self._end(fault)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            self._end(self._compute_hang_up())

    async def _read(self) -> NoReturn:
        data = self._leftover
        while True:
            self._bytes_received += len(data)
            is_capped = self._line.is_capped
            if is_capped:
                self._line.on_received(len(data), _get_now_ms())
            has_bulk = False
            for payload in self._decoder.decode(data):
                self._messages_received += 1
                message = decode_message(payload)
                has_bulk = has_bulk or (is_capped and get_lane(message) is Lane.BULK)
                await self._dispatch(message, len(payload))
            if has_bulk:
                await self._hold_back()
            data = await self._stream.receive(RECEIVE_SIZE)

    async def _hold_back(self) -> None:
        """Read nothing more while a cap is exceeded: the peer's lines fill, and in the end it waits."""
        while wait_ms := self._line.compute_receive_wait_ms(_get_now_ms()):
            self._held_since_s = anyio.current_time()
            await anyio.sleep(wait_ms / 1_000)
            self._held_s, self._held_since_s = self._compute_held_s(), None

    async def _dispatch(self, message: Message, size: int) -> None:
        match message:
            case Ping(nonce=nonce):
                try:
                    self._outbox.put_nowait(prepare_message(Pong(nonce)))
                except LaneFull:  # it pings and does not read the pongs
                    raise PeerStalled(0) from None
            case Pong(nonce=nonce):
                if nonce != self._awaited_nonce:
                    raise UnsolicitedResponse("Pong", nonce)
                self._awaited_nonce = None
                self._pong.set()
            case Goodbye(code=code):
                raise PeerSaidGoodbye(code)
            case TransactionItems() | BlockItems() | OrderedItems() | OwnLatest() | BundleItem() | Refused():
                self._pending.resolve(message)
            case (
                EpochEndItem()
                | BlobHoldings()
                | BlobRange()
                | ReplicaSealed()
                | ReplicaShown()
                | SnapshotOffers()
            ):
                self._pending.resolve(message)
            case Hello() | Transactions() | Announce() | Blocks() | PeerList():
                await self._deliver(message, size)
            case (
                GetTransactions() | GetBlocks() | GetRounds() | GetOrdered() | GetOwnLatest() | GetEpochEnd()
            ):
                await self._deliver(message, size)
            case (
                GetBlobHoldings()
                | GetBlobRange()
                | AskReplica()
                | ShowReplica()
                | GetBundle()
                | GetSnapshots()
            ):
                await self._deliver(message, size)
            case _:
                assert_never(message)

    async def _deliver(self, message: Incoming, size: int) -> None:
        if self._inbox.has_room(size) and not self._inbox.is_closed:
            if not self._is_awaited or len(self._inbox) or not self.take_nowait(message):
                self._inbox.put_nowait(message, size)
            return
        self._held_since_s = anyio.current_time()
        await self._inbox.put(message, size)
        self._held_s, self._held_since_s = self._compute_held_s(), None

    def _compute_held_s(self) -> float:
        """How long this side has kept the peer's bytes waiting, in all."""
        return self._held_s + (
            anyio.current_time() - self._held_since_s if self._held_since_s is not None else 0
        )

    async def _write(self) -> NoReturn:
        patience_s = self._timing.stall_timeout_s
        with anyio.CancelScope() as stalling:  # one for all writes, with a deadline while one is under way
            while True:
                batch, is_final = await self._outbox.get_batch(self._get_bulk_wait_s)
                frames = [self._encoder.encode(payload) for payload in batch[:-1]]
                frames.append(self._encoder.encode(batch[-1], is_final=is_final))
                data = b"".join(frames)
                stalling.deadline = anyio.current_time() + patience_s
                await self._stream.send(data)
                stalling.deadline = math.inf
                self._messages_sent += len(batch)
                self._bytes_sent += len(data)
                if self._line.is_capped:
                    self._line.on_sent(len(data), _get_now_ms())
                if is_final:  # until the reader sees the peer hang up, or close() loses patience
                    await anyio.sleep_forever()
        raise PeerStalled(patience_s)

    def _get_bulk_wait_s(self) -> float:
        return self._line.compute_send_wait_ms(_get_now_ms()) / 1_000 if self._line.is_capped else 0

    async def _keep_alive(self) -> NoReturn:
        nonce = 0
        while True:
            await anyio.sleep(self._timing.ping_interval_s)
            nonce += 1
            self._awaited_nonce, self._pong = nonce, anyio.Event()
            sent_s, held_s = anyio.current_time(), self._compute_held_s()
            await self._outbox.put(prepare_message(Ping(nonce)))
            while not self._pong.is_set():
                waited_s = anyio.current_time() - sent_s - (self._compute_held_s() - held_s)
                patience_s = self._timing.pong_timeout_s - waited_s
                if patience_s <= 0:
                    raise PeerSilent(self._timing.pong_timeout_s)
                with anyio.move_on_after(max(patience_s, self._timing.pong_timeout_s / 10)):
                    await self._pong.wait()
            self._on_round_trip((anyio.current_time() - sent_s) * 1_000)

    def _on_round_trip(self, measured_ms: float) -> None:
        """Smooth with 7/8 of the past (RFC 6298 section 2)."""
        past_ms = measured_ms if self._round_trip_ms is None else self._round_trip_ms
        self._round_trip_ms = (7 * past_ms + measured_ms) / 8

    def _compute_hang_up(self) -> PeerFault:
        """What the end of the stream means."""
        if self._goodbye_code is not None:
            return SessionClosed(self._goodbye_code)
        try:
            self._decoder.close()
        except StreamTruncated as fault:
            return fault
        return PeerSaidGoodbye(b"")

    def _check_open(self) -> None:
        if self._goodbye_code is not None:
            raise SessionClosed(self._goodbye_code)
        if self.ending is not None:
            raise SessionClosed(self.ending.code.encode())

    def _end(self, ending: TangleError) -> None:
        if self.ending is not None:
            return
        self.ending = ending
        self._inbox.close()
        self._outbox.close()
        self._pending.close()
        self._ended.set()
        self._scope.cancel()


async def establish(
    stream: ByteStream,
    role: Role,
    key: SigningKey,
    chain: ChainId,
    ephemeral_secret: bytes,
    *,
    expected_peer: PublicKey | None = None,
    timing: SessionTiming = DEFAULT_TIMING,
    line: Line = UNCAPPED,
) -> Session:
    """Shake hands over ``stream``, and take it over. On failure it is closed without a word.

    :param ephemeral_secret: 32 secret random bytes, fresh for this connection.
    :param expected_peer: the identity that must answer, where it is known.
    :param line: caps of bandwidth; what they delay is never a committee block.
    :raises HandshakeFailed: one of its subclasses; ``HandshakeTimeout`` where the peer dawdles.
    """
    handshake = Handshake(role, key, chain, ephemeral_secret, expected_peer=expected_peer)
    try:
        with anyio.fail_after(timing.handshake_timeout_s):
            established = await _shake_hands(stream, handshake)
    except BaseException as error:  # cancellation too: the stream is this function's to close
        await anyio.aclose_forcefully(stream)
        if isinstance(error, TimeoutError):
            raise HandshakeTimeout(timing.handshake_timeout_s) from None
        raise
    return Session(stream, role, established, timing, line)


async def _shake_hands(stream: ByteStream, handshake: Handshake) -> Established:
    answer = handshake.start()
    while True:
        try:
            if answer:
                await stream.send(answer)
            if handshake.established is not None:
                return handshake.established
            answer = handshake.receive(await stream.receive(RECEIVE_SIZE))
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise handshake.compute_truncation() from None


def _leave(_: Incoming) -> bool:
    """Everything goes through the owner's loop."""
    return False


def _get_now_ms() -> int:
    return int(anyio.current_time() * 1_000)


def _prepare(message: Message | Prepared) -> Prepared:
    return message if isinstance(message, Prepared) else prepare_message(message)
