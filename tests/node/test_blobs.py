"""Blobs between nodes: fetched from several, resumed, mended, and never from a liar."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import pytest
from anyio.abc import TaskStatus
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from tangle.core.blob_download import SLOW_S
from tangle.core.blob_id import BlobId, format_blob_id, make_blob_id
from tangle.core.chunk_tree import CHUNK_SIZE, PIECE_SIZE, BlobShape, RangeProof, compute_tree, verify_range
from tangle.core.types import Digest
from tangle.net.errors import RequestRefused
from tangle.net.messages import BlobHoldings, BlobRange, GetBlobHoldings, GetBlobRange
from tangle.net.peers import POINTS_MAX
from tangle.net.session import Session
from tangle.node.blob_answers import PART_COST, PEER_ANSWERS_MAX, PIECES_RATE, BlobAnswers
from tangle.node.blob_fetch import PATIENCE_S
from tangle.node.blob_metrics import BlobCollector
from tangle.node.blob_views import BlobState, BlobUnavailable
from tangle.node.blobs import BlobRoom, open_blob_room
from tangle.node.peering import Peering
from tangle.store.blob_errors import BlobDamaged, BlobQuotaReached, BlobUnknown
from tangle.store.blob_files import MemoryBlobFiles
from tests.node.meeting import Meeting, meet
from tests.node.twins import LoopClock, make_key
from tests.node.world import wait_until

QUOTA: Final = 64_000_000

CONTENT: Final = b"".join(bytes([index]) * PIECE_SIZE for index in range(30)) + b"the rest"

TREE: Final = compute_tree(CONTENT)


class SlowFiles(MemoryBlobFiles):
    """A disk that takes its time, so that a test can fall between two pieces."""

    async def read(self, name: str, offset: int, size: int) -> bytes:
        await anyio.sleep(0.01)
        return await super().read(name, offset, size)


class Node:
    """A peering with a room for blobs, on a disk that outlives both."""

    def __init__(self, meeting: Meeting, number: int) -> None:
        self.meeting = meeting
        self.host = f"10.0.0.{number}"
        self.files = SlowFiles()
        self.peering: Peering
        self.room: BlobRoom
        self._scope = anyio.CancelScope()

    async def start(self, *peers: "Node", quota: int = QUOTA) -> None:
        self._scope = anyio.CancelScope()
        await self.meeting.tasks.start(self._live, tuple(peer.host for peer in peers), quota)

    def stop(self) -> None:
        """All of it ends where it happens to wait."""
        self._scope.cancel()

    async def _live(self, peers: tuple[str, ...], quota: int, *, task_status: TaskStatus[None]) -> None:
        with self._scope:
            async with anyio.create_task_group() as tasks:
                meeting = Meeting(tasks)
                meeting.network = self.meeting.network
                self.peering = await meeting.open(self.host, self.host, peers=peers)
                clock = LoopClock(anyio.current_time())
                self.room = await open_blob_room(self.files, self.peering, clock, quota_bytes=quota)
                await tasks.start(self.room.run)
                task_status.started()


@asynccontextmanager
async def nodes(count: int) -> AsyncIterator[list[Node]]:
    """Nodes of which each later one dials all before it; none started yet."""
    async with meet() as meeting:
        yield [Node(meeting, number) for number in range(1, count + 1)]


async def start_all(members: list[Node]) -> None:
    for number, member in enumerate(members):
        await member.start(*members[:number])
    await wait_until(lambda: all(len(each.peering.get_peers()) == len(members) - 1 for each in members))


def is_blamed(node: Node, other: Node) -> bool:
    """Whether ``other`` has lost points or its welcome."""
    key = make_key(other.host).public_key
    scores = [node.peering.get_score(peer) for peer in node.peering.get_peers() if peer.public_key == key]
    return node.peering.is_banned(key) or any(score < POINTS_MAX for score in scores)


async def obtain(node: Node, blob: BlobId = TREE.id) -> None:
    with anyio.fail_after(300):
        await node.room.obtain(blob)


async def test_a_blob_comes_from_a_peer_and_is_whole() -> None:
    async with nodes(2) as (a, b):
        await start_all([a, b])
        blob = await a.room.put(CONTENT, is_pinned=True)
        await obtain(b, blob)
        assert await b.room.read_all(blob) == CONTENT
        view = b.room.get(blob)
        assert (view.state, view.size, view.is_pinned) == (BlobState.WHOLE, len(CONTENT), False)
        assert (b.room.fetched_bytes, a.room.served_bytes) == (len(CONTENT), len(CONTENT))
        assert b.room.fetches_done == 1
        b.stop()
        await b.start(a)
        assert await b.room.read_all(blob) == CONTENT


async def test_parts_of_a_blob_are_read() -> None:
    async with nodes(1) as (a,):
        await a.start()
        blob = await a.room.put(CONTENT, is_pinned=True)
        for start, size in ((0, 1), (PIECE_SIZE - 3, 7), (5, 3 * PIECE_SIZE), (len(CONTENT) - 2, 50)):
            parts = [part async for part in a.room.read(blob, start, size)]
            assert b"".join(parts) == CONTENT[start : start + size]


async def test_several_peers_share_the_work() -> None:
    async with nodes(4) as members:
        await start_all(members)
        *sources, asker = members
        for source in sources:
            await source.room.put(CONTENT, is_pinned=True)
        await obtain(asker)
        assert await asker.room.read_all(TREE.id) == CONTENT
        assert all(source.room.served_bytes > 2 * PIECE_SIZE for source in sources)
        assert sum(source.room.served_bytes for source in sources) == len(CONTENT)


async def test_an_empty_blob_comes_too() -> None:
    async with nodes(2) as (a, b):
        await start_all([a, b])
        blob = await a.room.put(b"", is_pinned=True)
        await obtain(b, blob)
        assert await b.room.read_all(blob) == b""


@pytest.mark.parametrize("lie", ["content", "path", "size", "nodes"])
async def test_a_liar_is_blamed_and_the_blob_comes_from_another(
    lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(3) as (honest, liar, asker):
        await start_all([honest, liar, asker])
        for source in (honest, liar):
            await source.room.put(CONTENT, is_pinned=True)
        make = BlobAnswers._make_response

        async def answer(answers: BlobAnswers, request: object) -> object:
            response = await make(answers, request)  # type: ignore[arg-type]  # passed on as it came
            if answers is not liar.room._answers:
                return response
            if isinstance(response, BlobRange):
                if lie == "content":
                    return replace(response, content=response.content[:-1] + b"!")
                return replace(response, path=response.path[::-1]) if lie == "path" else response
            assert isinstance(response, BlobHoldings)
            if lie == "size":
                return replace(response, size=response.size - 1)
            return replace(response, nodes=response.nodes[::-1]) if lie == "nodes" else response

        monkeypatch.setattr(BlobAnswers, "_make_response", answer)
        honest.stop()  # the liar is all there is at first
        await wait_until(lambda: len(asker.peering.get_peers()) == 1)
        await asker.room.fetch(TREE.id, is_pinned=False)
        await wait_until(lambda: is_blamed(asker, liar))
        await honest.start()
        await obtain(asker)
        assert await asker.room.read_all(TREE.id) == CONTENT
        assert is_blamed(asker, liar)
        assert not is_blamed(asker, honest)


async def test_nobody_waits_for_who_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    async with nodes(3) as (prompt, stalling, asker):
        await start_all([prompt, stalling, asker])
        for source in (prompt, stalling):
            await source.room.put(CONTENT, is_pinned=True)
        make_range = BlobAnswers._make_range

        async def stall(answers: BlobAnswers, *arguments: Any) -> BlobRange:
            if answers is stalling.room._answers:
                await anyio.sleep_forever()
            return await make_range(answers, *arguments)

        monkeypatch.setattr(BlobAnswers, "_make_range", stall)
        began_s = anyio.current_time()
        await obtain(asker)
        assert anyio.current_time() - began_s < 2 * SLOW_S
        assert await asker.room.read_all(TREE.id) == CONTENT


async def test_a_download_that_is_cut_off_goes_on_where_it_was() -> None:
    async with nodes(2) as (a, b):
        await start_all([a, b])
        await a.room.put(CONTENT, is_pinned=True)
        await b.room.fetch(TREE.id, is_pinned=True)
        await wait_until(lambda: b.room.get(TREE.id).held_bytes > 8 * PIECE_SIZE, every_s=0.001)
        held_bytes = b.room.get(TREE.id).held_bytes
        assert held_bytes < len(CONTENT)
        b.stop()
        await b.start(a)
        await obtain(b)  # it went on by itself
        assert await b.room.read_all(TREE.id) == CONTENT
        assert b.room.get(TREE.id).is_pinned
        assert b.room.fetched_bytes <= len(CONTENT) - held_bytes


async def test_who_has_a_part_gives_it() -> None:
    """The only node that had all of it goes when another has some; a third gets that, and the rest later."""
    async with nodes(3) as (a, b, c):
        await start_all([a, b, c])
        await a.room.put(CONTENT, is_pinned=True)
        await b.room.fetch(TREE.id, is_pinned=False)
        await wait_until(lambda: b.room.get(TREE.id).held_bytes > 8 * PIECE_SIZE, every_s=0.001)
        a.stop()
        await anyio.sleep(0.1)
        held_bytes = b.room.get(TREE.id).held_bytes
        assert held_bytes < len(CONTENT)
        await c.room.fetch(TREE.id, is_pinned=False)
        await wait_until(lambda: c.room.get(TREE.id).held_bytes == held_bytes)
        await a.start()
        await obtain(b)
        await obtain(c)
        assert await c.room.read_all(TREE.id) == CONTENT


async def test_what_nobody_has_is_given_up_and_can_be_asked_for_again() -> None:
    async with nodes(2) as (a, b):
        await start_all([a, b])
        began_s = anyio.current_time()
        with pytest.raises(BlobUnavailable):
            await obtain(b)
        assert PATIENCE_S <= anyio.current_time() - began_s < PATIENCE_S + 5
        view = b.room.get(TREE.id)
        assert (view.state, view.reason_code, view.size) == (BlobState.FAILED, "blob-unavailable", None)
        assert b.files.contents == {}
        await a.room.put(CONTENT, is_pinned=True)
        await obtain(b)
        assert b.room.get(TREE.id).state is BlobState.WHOLE


async def test_a_blob_that_does_not_fit_leaves_nothing() -> None:
    async with nodes(2) as (a, b):
        await a.start()
        await b.start(a, quota=1_000_000)
        await a.room.put(CONTENT, is_pinned=True)
        with pytest.raises(BlobQuotaReached):
            await obtain(b)
        assert b.files.contents == {}
        assert b.room.get_room().kept_bytes == 0


async def test_a_fetch_is_stopped() -> None:
    async with nodes(2) as (a, b):
        await start_all([a, b])
        await a.room.put(CONTENT, is_pinned=True)
        await b.room.fetch(TREE.id, is_pinned=False)
        await wait_until(lambda: b.room.get(TREE.id).held_bytes > PIECE_SIZE, every_s=0.001)
        await b.room.stop_fetch(TREE.id)
        assert b.room.get(TREE.id).reason_code == "blob-fetch-stopped"
        await b.room.collect()
        assert b.files.contents == {}
        with pytest.raises(BlobUnknown):
            await b.room.read_all(TREE.id)


async def test_damage_on_disk_is_not_served_and_mended_by_one_piece() -> None:
    async with nodes(2) as (a, b):
        await start_all([a, b])
        for node in (a, b):
            await node.room.put(CONTENT, is_pinned=True)
        await b.files.write(format_blob_id(TREE.id), 7 * PIECE_SIZE + 1, b"?")
        with pytest.raises(BlobDamaged):
            await b.room.read_all(TREE.id)
        assert b.room.get(TREE.id).state is BlobState.PARTIAL
        await obtain(b)
        assert await b.room.read_all(TREE.id) == CONTENT
        assert b.room.fetched_bytes == PIECE_SIZE
        assert b.room.get(TREE.id).is_pinned


# ── strangers ─────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def a_stranger() -> AsyncIterator[tuple[Node, Session]]:
    async with nodes(1) as (a,):
        await a.start()
        await a.room.put(CONTENT, is_pinned=True)
        yield a, await a.meeting.visit("stranger", "10.0.0.9")


async def test_one_chunk_is_proven() -> None:
    async with a_stranger() as (_, session):
        for level, index in ((0, 0), (0, 64 * 29 + 5), (0, 64 * 30), (3, 9)):
            answer = await session.request(GetBlobRange(0, TREE.id, level, index))
            verify_range(TREE.shape, answer.content, RangeProof(level, index, answer.path))
            start = index * (CHUNK_SIZE << level)
            assert answer.content == CONTENT[start : start + (CHUNK_SIZE << level)]


async def test_the_tree_is_told_when_it_is_wanted() -> None:
    async with a_stranger() as (_, session):
        for is_wanted in (True, False):
            answer = await session.request(GetBlobHoldings(0, TREE.id, is_wanted))
            assert BlobShape(answer.size, answer.root) == TREE.shape
            assert answer.nodes == (TREE.nodes if is_wanted else ())


UNKNOWN: Final = make_blob_id(Digest(bytes(32)))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (GetBlobHoldings(0, UNKNOWN, True), b"blob-unknown"),
        (GetBlobRange(0, UNKNOWN, 6, 0), b"blob-unknown"),
        (GetBlobRange(0, TREE.id, 6, 31), b"proof-invalid"),
        (GetBlobRange(0, TREE.id, 0, 2**63 - 1), b"proof-invalid"),
        (GetBlobHoldings(0, BlobId(b"\1\2\3\4"), True), b"blob-id-malformed"),
        (GetBlobHoldings(0, BlobId(b"\1\x55\x12\x20" + bytes(32)), True), b"blob-id-unsupported"),
    ],
    ids=["unknown", "unknown-range", "beyond", "far-beyond", "malformed", "elsewhere"],
)
async def test_what_is_not_here_is_refused(request_: GetBlobHoldings | GetBlobRange, code: bytes) -> None:
    async with a_stranger() as (_, session):
        with pytest.raises(RequestRefused) as raised:
            await session.request(request_)
        assert raised.value.reason == code


async def test_who_asks_too_much_at_once_is_refused_the_rest() -> None:
    outcomes: list[str] = []

    async def ask(session: Session) -> None:
        try:
            await session.request(GetBlobRange(0, TREE.id, 6, 0))
            outcomes.append("given")
        except RequestRefused as error:
            outcomes.append(error.reason.decode())

    async with a_stranger() as (_, session):
        async with anyio.create_task_group() as tasks:
            for _ in range(3 * PEER_ANSWERS_MAX):
                tasks.start_soon(ask, session)
        assert outcomes.count("given") >= PEER_ANSWERS_MAX
        assert set(outcomes) == {"given", "overloaded"}


async def test_nobody_keeps_the_node_busy_with_asking() -> None:
    """However many small parts are asked for, no more is read than its share allows, and nobody is blamed."""
    asked = 400

    async def ask(session: Session, first: int) -> None:
        for index in range(first, asked, 4):
            await session.request(GetBlobRange(0, TREE.id, 0, index))

    async with a_stranger() as (a, session):
        began_s = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for first in range(4):
                tasks.start_soon(ask, session, first)
        least_s = (asked * PART_COST - PIECES_RATE.burst) / PIECES_RATE.per_second
        assert anyio.current_time() - began_s >= least_s - 0.1
        (peer,) = a.peering.get_peers()
        assert a.peering.get_score(peer) == POINTS_MAX


async def test_figures_are_told() -> None:
    async with nodes(2) as (a, b):
        await start_all([a, b])
        await a.room.put(CONTENT, is_pinned=True)
        await obtain(b)
        registry = CollectorRegistry()
        registry.register(BlobCollector(b.room))
        told = {name: registry.get_sample_value(name) for name in FIGURES_OF_B}
        assert told == FIGURES_OF_B


FIGURES_OF_B: Final = {
    "tangle_blobs": 1,
    "tangle_blob_bytes": len(CONTENT) + 31 * 32,
    "tangle_blob_pinned_bytes": 0,
    "tangle_blob_quota_bytes": QUOTA,
    "tangle_blob_fetching": 0,
    "tangle_blob_fetched_total": 1,
    "tangle_blob_fetches_failed_total": 0,
    "tangle_blob_fetched_bytes_total": len(CONTENT),
    "tangle_blob_served_bytes_total": 0,
    "tangle_blob_evicted_total": 0,
}


async def test_a_node_without_a_room_says_that_it_has_nothing() -> None:
    async with meet() as meeting:
        await meeting.open()
        session = await meeting.visit("stranger", "10.0.0.9")
        with pytest.raises(RequestRefused):
            await session.request(GetBlobHoldings(0, TREE.id, True))
