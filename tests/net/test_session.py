"""Sessions: what arrives, in which order, and how every kind of bad peer is left. On asyncio and on trio."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import ByteStream

from tangle.core.encoding import encode
from tangle.core.errors import MalformedEncoding, TangleError
from tangle.core.types import Digest, PublicKey, Shard, Signature, TransactionId
from tangle.net.errors import (
    FrameOversize,
    FrameUnauthentic,
    HandshakeMalformed,
    HandshakeTimeout,
    HandshakeTruncated,
    HandshakeUnexpectedPeer,
    LaneFull,
    PeerSaidGoodbye,
    PeerSilent,
    PeerStalled,
    RequestRefused,
    RequestTimeout,
    SessionClosed,
    StreamTruncated,
    UnsolicitedResponse,
)
from tangle.net.handshake import Established, Role
from tangle.net.ledger_messages import (
    BlockItems,
    GetOrdered,
    GetOwnLatest,
    GetTransactions,
    OrderedItems,
    OwnLatest,
    ShardStatus,
    TransactionItems,
)
from tangle.net.messages import (
    Announce,
    Blocks,
    Hello,
    Message,
    Ping,
    Pong,
    Refused,
    Transactions,
    prepare_message,
)
from tangle.net.session import REQUESTS_MAX, Incoming, Session, establish
from tangle.net.session_timing import DEFAULT_TIMING, SessionTiming
from tests.net.builders import CHAIN, make_initiator, make_key, make_responder, make_secret
from tests.net.streams import MemoryStream, make_sessions, make_stream_pair

ID = TransactionId(b"\x07" * 32)
HELLO = Hello(1, (ShardStatus(Shard(0), 1, 0, 2),), 0, b"test", False)
ASK_OWN = GetOwnLatest(0, Shard(0), 0, PublicKey(b"\x02" * 32), Digest(bytes(32)))
OWN = OwnLatest(1, 5, Digest(bytes(32)), 0, Signature(bytes(64)))
HASTY = SessionTiming(0.3, 0.3, 0.05, 0.3, 0.3, 0.3)
"""Gives up soon, so that tests of patience are short, and not so soon that a busy machine fails them."""


@asynccontextmanager
async def running(*sessions: Session) -> AsyncIterator[None]:
    """Run sessions beside the test's body."""
    async with anyio.create_task_group() as tasks:
        for session in sessions:
            tasks.start_soon(session.run)
        yield
        tasks.cancel_scope.cancel()


async def collect(session: Session) -> list[Incoming]:
    return [message async for message in session]


async def wait_for_ending(session: Session) -> TangleError:
    await collect(session)
    assert session.ending is not None
    return session.ending


class RawPeer:
    """A peer that shook hands properly, and then sends whatever the test wants."""

    def __init__(self, stream: MemoryStream, established: Established) -> None:
        self.stream = stream
        self.encoder = established.encoder
        self.decoder = established.decoder

    async def send(self, message: Message) -> None:
        await self.stream.send(self.encoder.encode(prepare_message(message).payload))


async def make_raw_peer(
    timing: SessionTiming = DEFAULT_TIMING, pieces_max: float = 1_000
) -> tuple[Session, RawPeer]:
    """The session of this node, and its strange peer (who dialled)."""
    ours, theirs = make_stream_pair(pieces_max)
    attacker = make_initiator(key="mallory")
    result: list[Session] = []

    async def answer() -> None:
        result.append(
            await establish(ours, Role.RESPONDER, make_key("bob"), CHAIN, make_secret("e2"), timing=timing)
        )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer)
        await theirs.send(attacker.start())
        await theirs.send(attacker.receive(await theirs.receive()))
    assert attacker.established is not None
    return result[0], RawPeer(theirs, attacker.established)


async def test_messages_arrive_in_order_in_both_directions() -> None:
    alice, bob = await make_sessions()
    async with running(alice, bob):
        sent: list[Incoming] = [HELLO, *(Transactions((b"%d" % index,)) for index in range(50))]
        for message in sent:
            await alice.send(message)
        assert [await anext(bob) for _ in sent] == sent
        await bob.send(HELLO)
        assert await anext(alice) == HELLO
    assert alice.peer == make_key("bob").public_key
    assert alice.challenge == bob.challenge


async def test_a_message_prepared_once_can_go_to_many() -> None:
    alice, bob = await make_sessions()
    async with running(alice, bob):
        message = Blocks((b"block",))
        alice.send_nowait(prepare_message(message))
        assert await anext(bob) == message


async def test_the_largest_message_passes() -> None:
    alice, bob = await make_sessions(pieces_max=1)
    async with running(alice, bob):
        message = Transactions((bytes(4096),) * 240)
        await alice.send(message)
        assert await anext(bob) == message


async def test_blocks_overtake_transactions_that_wait() -> None:
    alice, bob = await make_sessions()
    bulk = [Transactions((bytes(4_000),) * 16 + (b"%d" % index,)) for index in range(8)]
    for message in bulk:
        await alice.send(message)
    await alice.send(Blocks((b"block",)))
    await alice.send(HELLO)
    async with running(alice, bob):
        assert [await anext(bob) for _ in range(10)] == [HELLO, Blocks((b"block",)), *bulk]


async def test_a_goodbye_ends_both_sides_in_good_order_after_what_waited() -> None:
    alice, bob = await make_sessions()
    async with running(alice, bob):
        await alice.send(Announce((ID,)))
        await alice.close(b"shutdown")
        assert await collect(bob) == [Announce((ID,))]
        assert isinstance(bob.ending, PeerSaidGoodbye)
        assert bob.ending.reason == b"shutdown"
        assert isinstance(alice.ending, SessionClosed)
        with pytest.raises(SessionClosed):
            await alice.send(HELLO)
        with pytest.raises(SessionClosed):
            bob.send_nowait(HELLO)


async def test_closing_does_not_wait_long_for_a_peer_that_does_not_read() -> None:
    session, _ = await make_raw_peer(HASTY, pieces_max=1)
    async with running(session):
        with anyio.fail_after(2):
            await session.close()
    assert isinstance(session.ending, SessionClosed)


async def test_requests_are_paired_with_their_responses_in_any_order() -> None:
    alice, bob = await make_sessions()
    answers: dict[int, int] = {}

    async def ask(index: int) -> None:
        answer = await alice.request(GetOrdered(0, Shard(0), index, 1))
        answers[index] = answer.first_index

    async with running(alice, bob), anyio.create_task_group() as tasks:
        for index in range(5):
            tasks.start_soon(ask, index)
        asked = [await anext(bob) for _ in range(5)]
        for request in reversed(asked):
            assert isinstance(request, GetOrdered)
            from_index = request.first_index
            await bob.send(make_ordered(request.request, from_index))
    assert answers == {index: index for index in range(5)}


def make_ordered(request: int, first_index: int) -> Message:
    return OrderedItems(request, first_index, (b"x",))


async def test_a_refusal_is_raised_with_its_code() -> None:
    alice, bob = await make_sessions()

    async def refuse() -> None:
        request = await anext(bob)
        assert isinstance(request, GetTransactions)
        await bob.send(Refused(request.request, b"not-served"))

    async with running(alice, bob), anyio.create_task_group() as tasks:
        tasks.start_soon(refuse)
        with pytest.raises(RequestRefused) as caught:
            await alice.request(GetTransactions(0, (ID,)))
        assert caught.value.reason == b"not-served"


async def test_a_late_answer_is_dropped_and_a_second_one_is_a_fault() -> None:
    session, peer = await make_raw_peer()
    async with running(session):
        with pytest.raises(RequestTimeout):
            await session.request(ASK_OWN, timeout_s=0.01)
        await peer.send(OWN)
        await peer.send(HELLO)
        assert await anext(session) == HELLO
        await peer.send(OWN)
        assert isinstance(await wait_for_ending(session), UnsolicitedResponse)


async def test_requests_wait_when_too_many_are_out_and_time_out_together() -> None:
    session, _ = await make_raw_peer()
    timeouts = 0

    async def ask() -> None:
        nonlocal timeouts
        with pytest.raises(RequestTimeout):
            await session.request(ASK_OWN, timeout_s=0.5)
        timeouts += 1

    async with running(session), anyio.create_task_group() as tasks:
        for _ in range(REQUESTS_MAX + 5):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert session.statistics().requests_pending == REQUESTS_MAX
    assert timeouts == REQUESTS_MAX + 5
    assert session.statistics().requests_pending == 0


async def test_a_request_fails_when_the_session_ends_first() -> None:
    session, peer = await make_raw_peer()

    async def hang_up() -> None:
        await peer.stream.receive()
        await peer.stream.aclose()

    async with running(session), anyio.create_task_group() as tasks:
        tasks.start_soon(hang_up)
        with pytest.raises(SessionClosed) as caught:
            await session.request(ASK_OWN)
    assert caught.value.reason == b"stream-truncated"


@pytest.mark.parametrize(
    "response",
    [TransactionItems(1, ()), BlockItems(7, (), True), Refused(9, b"x"), Pong(1)],
    ids=lambda response: type(response).__name__,
)
async def test_responses_that_nobody_asked_for_end_the_session(response: Message) -> None:
    session, peer = await make_raw_peer()
    async with running(session):
        await peer.send(response)
        assert isinstance(await wait_for_ending(session), UnsolicitedResponse)


async def test_an_answer_of_the_wrong_kind_ends_the_session() -> None:
    session, peer = await make_raw_peer()
    async with running(session), anyio.create_task_group() as tasks:
        tasks.start_soon(peer.send, BlockItems(1, (), True))
        with pytest.raises(SessionClosed):
            await session.request(ASK_OWN)
        assert isinstance(session.ending, UnsolicitedResponse)


ATTACKS: dict[str, tuple[Callable[[RawPeer], bytes], type[TangleError]]] = {
    "random bytes": (lambda peer: b"\x00\x00\x01\x00" + make_secret("noise") * 9, FrameUnauthentic),
    "a length of 4 GiB": (lambda peer: b"\xff\xff\xff\xff", FrameOversize),
    "a changed frame": (lambda peer: peer.encoder.encode(b"x")[:-1] + b"\x00", FrameUnauthentic),
    "a message that is no CBOR": (lambda peer: peer.encoder.encode(b"\x82\x05\xff"), MalformedEncoding),
    "a message with a long integer": (
        lambda peer: peer.encoder.encode(b"\x82\x05\x18\x03"),
        MalformedEncoding,
    ),
    "nine thousand levels": (
        lambda peer: peer.encoder.encode(b"\x82\x02" + b"\x81" * 9_000),
        MalformedEncoding,
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_garbage_ends_the_session_with_its_own_code(name: str) -> None:
    make_bytes, fault = ATTACKS[name]
    session, peer = await make_raw_peer()
    async with running(session):
        await peer.stream.send(make_bytes(peer))
        assert isinstance(await wait_for_ending(session), fault)


async def test_a_replayed_frame_ends_the_session() -> None:
    session, peer = await make_raw_peer()
    async with running(session):
        await peer.send(HELLO)
        await peer.stream.send(peer.stream.sent[-1])
        assert await collect(session) == [HELLO]
        assert isinstance(session.ending, FrameUnauthentic)


async def test_a_line_that_breaks_is_a_truncation() -> None:
    session, peer = await make_raw_peer()
    async with running(session):
        await peer.stream.send(peer.encoder.encode(encode(HELLO))[:9])
        await peer.stream.aclose()
        ending = await wait_for_ending(session)
        assert isinstance(ending, StreamTruncated)
        assert ending.buffered == 9


async def test_a_peer_that_does_not_read_is_left_and_its_sender_was_held_back() -> None:
    session, _ = await make_raw_peer(SessionTiming(stall_timeout_s=0.2), pieces_max=1)
    sent = 0
    async with running(session):
        while session.ending is None:
            with suppress(SessionClosed):
                await session.send(Transactions((bytes(4_000),) * 200))
                sent += 1
        assert isinstance(session.ending, PeerStalled)
    assert sent < 10


async def test_news_without_waiting_are_refused_when_the_lane_is_full() -> None:
    alice, _ = await make_sessions()
    alice.send_nowait(Transactions((bytes(4_000),) * 240))
    alice.send_nowait(Transactions((bytes(4_000),) * 240))
    with pytest.raises(LaneFull):
        alice.send_nowait(Transactions((bytes(4_000),) * 240))
    alice.send_nowait(Blocks((b"another lane has room",)))


async def test_a_reader_that_does_not_look_makes_its_peer_wait_and_nobody_remember() -> None:
    alice, bob = await make_sessions(pieces_max=1)
    message = Transactions((bytes(4_000),) * 200)
    async with running(alice, bob):
        with anyio.move_on_after(0.3) as scope:
            for _ in range(100):
                await alice.send(message)
        assert scope.cancelled_caught
        received = bob.statistics().bytes_received
        assert received < 5_000_000
        assert alice.statistics().queued_bytes < 3_000_000
        assert await anext(bob) == message  # it looks again, and all goes on


async def test_pings_measure_the_round_trip() -> None:
    alice, bob = await make_sessions(timing=SessionTiming(ping_interval_s=0.01))
    async with running(alice, bob):
        await anyio.sleep(0.3)
    figures = alice.statistics()
    assert figures.messages_received >= 1
    assert figures.round_trip_ms is not None
    assert 0 <= figures.round_trip_ms < 300
    assert bob.statistics().bytes_sent > 0


async def test_a_peer_that_answers_no_ping_is_left() -> None:
    session, _ = await make_raw_peer(HASTY)
    async with running(session):
        assert isinstance(await wait_for_ending(session), PeerSilent)


async def test_a_peer_that_dribbles_a_frame_for_ever_is_left() -> None:
    session, peer = await make_raw_peer(HASTY)
    frame = peer.encoder.encode(encode(HELLO))

    async def dribble() -> None:
        with suppress(anyio.BrokenResourceError):
            while True:
                await peer.stream.send(b"\x00")
                await anyio.sleep(0.01)

    async with running(session), anyio.create_task_group() as tasks:
        await peer.stream.send(b"\x00\x0f\x00\x00" + frame[4:])
        tasks.start_soon(dribble)
        assert isinstance(await wait_for_ending(session), PeerSilent)


async def test_a_slow_owner_is_no_fault_of_the_peer() -> None:
    alice, bob = await make_sessions(
        their_timing=SessionTiming(ping_interval_s=0.05, pong_timeout_s=0.4), pieces_max=1
    )
    message = Transactions((bytes(4_000),) * 200)
    async with running(alice, bob), anyio.create_task_group() as tasks:

        async def flood() -> None:
            for _ in range(10):
                await alice.send(message)

        tasks.start_soon(flood)
        await anyio.sleep(1.0)  # two pong timeouts, while bob's inbox is full of alice's messages
        assert bob.ending is None
        assert [await anext(bob) for _ in range(10)] == [message] * 10
        assert bob.ending is None


async def test_pings_without_end_and_without_reading_are_a_fault() -> None:
    session, peer = await make_raw_peer(pieces_max=1)
    async with running(session):
        with suppress(anyio.BrokenResourceError):
            for index in range(10_000):
                await peer.send(Ping(index))
        assert isinstance(session.ending, PeerStalled)


async def fail_to_establish(stream: ByteStream, role: Role = Role.RESPONDER) -> Session:
    return await establish(stream, role, make_key("bob"), CHAIN, make_secret("e2"), timing=HASTY)


@pytest.mark.parametrize("size", [0, 1, 40])
async def test_a_stranger_that_dawdles_is_left(size: int) -> None:
    ours, theirs = make_stream_pair()
    await theirs.send(make_initiator().start()[:size])
    with pytest.raises(HandshakeTimeout):
        await fail_to_establish(ours)
    with pytest.raises(anyio.BrokenResourceError):
        await theirs.send(b"the stream is closed")


async def test_a_stranger_that_drips_single_bytes_is_left_all_the_same() -> None:
    ours, theirs = make_stream_pair()

    async def drip() -> None:
        with suppress(anyio.BrokenResourceError):
            for byte in make_initiator().start():
                await theirs.send(bytes([byte]))
                await anyio.sleep(0.01)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drip)
        with pytest.raises(HandshakeTimeout):
            await fail_to_establish(ours)


async def test_a_stranger_that_hangs_up_or_babbles_is_named() -> None:
    ours, theirs = make_stream_pair()
    await theirs.aclose()
    with pytest.raises(HandshakeTruncated):
        await fail_to_establish(ours)
    ours, theirs = make_stream_pair()
    await theirs.send(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(HandshakeMalformed):
        await fail_to_establish(ours)


async def test_a_dialler_that_expects_somebody_else_leaves() -> None:
    ours, theirs = make_stream_pair()
    carol = make_key("carol").public_key
    await theirs.send(make_responder().receive(make_initiator().start()))
    with pytest.raises(HandshakeUnexpectedPeer):
        await establish(
            ours, Role.INITIATOR, make_key("alice"), CHAIN, make_secret("e1"), expected_peer=carol
        )


async def test_what_the_loop_waits_for_is_offered_first_and_nothing_overtakes_what_was_left() -> None:
    alice, bob = await make_sessions()
    messages = [Announce((TransactionId(bytes([number]) * 32),)) for number in range(5)]
    offered: list[Incoming] = []
    looped: list[Incoming] = []
    is_free = anyio.Event()

    def take(message: Incoming) -> bool:
        offered.append(message)
        return message != messages[1]

    async def loop() -> None:
        async for message in bob:
            looped.append(message)
            await is_free.wait()  # while it is busy nothing may be dealt with before its turn

    bob.take_nowait = take
    async with running(alice, bob), anyio.create_task_group() as tasks:
        tasks.start_soon(loop)
        await anyio.wait_all_tasks_blocked()
        for message in messages[:4]:
            await alice.send(message)
        await wait_until(lambda: bob.statistics().messages_received == 4)
        await wait_until(lambda: looped == messages[1:2])
        assert offered == messages[:2]
        is_free.set()
        await wait_until(lambda: looped == messages[1:4])
        await anyio.wait_all_tasks_blocked()
        await alice.send(messages[4])
        await wait_until(lambda: len(offered) == 3)
        assert offered == [*messages[:2], messages[4]]
        tasks.cancel_scope.cancel()


async def wait_until(is_met: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not is_met():
            await anyio.lowlevel.checkpoint()
