"""A node begins with a peer's snapshot: what is worth it, from whom, and when a giver goes or lies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import TaskGroup

from tangle.core.blob_id import BlobId
from tangle.core.errors import TangleError
from tangle.core.types import ChainId, CheckpointIndex, Digest, Shard
from tangle.net.addresses import Address, parse_address
from tangle.net.snapshot_messages import SnapshotOffer, SnapshotOffers
from tangle.node.blobs import BlobRoom
from tangle.node.parts import PROTOCOL_VERSION
from tangle.node.peering import Peering, PeeringConfig
from tangle.node.snapshots.errors import SnapshotFalse
from tangle.node.snapshots.joining import AHEAD_MIN, Held, JoinHooks, Joining, choose_offers
from tangle.node.snapshots.making import SnapshotFacts
from tangle.node.snapshots.room import Progress, RoomSettings, SnapshotRoom
from tangle.store.blob_files import MemoryBlobFiles
from tangle.store.blob_store import BlobStore
from tangle.store.memory_store import MemoryStore
from tests.node.twins import LoopClock, MemoryNetwork, SeededRandomness, make_key

CHAIN = ChainId(b"snapshot")
CONTENT = bytes(range(256)) * 12_000
"""Twelve pieces: enough for a giver to leave in the middle."""

PORT = 15_600


def make_offer(checkpoint: int, blob: bytes) -> SnapshotOffer:
    return SnapshotOffer(CheckpointIndex(checkpoint), Digest(bytes(32)), BlobId(blob.ljust(39)), 5)


def answer(first: int, latest: int, *offers: SnapshotOffer) -> SnapshotOffers:
    return SnapshotOffers(0, CheckpointIndex(first), latest, offers)


def test_the_newest_that_most_offer_is_tried_first_and_little_is_not_worth_one() -> None:
    old, new, lone = make_offer(9_000, b"old"), make_offer(9_500, b"new"), make_offer(9_500, b"lone")
    answers = [answer(0, 9_900, old, new), answer(0, 9_900, new), answer(0, 9_900, lone)]
    assert choose_offers(answers, Held(0, 0)) == [new, lone, old]
    assert choose_offers(answers, Held(9_500 - AHEAD_MIN, 0)) == [new, lone]
    assert choose_offers(answers, Held(9_501 - AHEAD_MIN, 0)) == []
    assert choose_offers([], Held(0, 0)) == []


def test_where_nobody_holds_the_history_any_more_a_little_is_enough() -> None:
    offer = make_offer(120, b"new")
    assert choose_offers([answer(0, 130, offer)], Held(100, 0)) == []
    assert choose_offers([answer(110, 130, offer)], Held(100, 0)) == [offer]


class Station:
    """Sessions and blobs of a node without a ledger."""

    def __init__(self, network: MemoryNetwork, number: int, peers: tuple[str, ...], clock: LoopClock) -> None:
        host = f"10.0.0.{number}"
        self.address = f"{host}:{PORT}"
        self.peering = Peering(
            network=network.at(host),
            config=PeeringConfig(
                listen=Address(host.encode(), PORT), peers=tuple(map(parse_address, peers)), peers_max=8
            ),
            chain=CHAIN,
            shard=Shard(0),
            key=make_key(f"station {number}"),
            randomness=SeededRandomness(str(number)),
            hooks=JoinHooks(PROTOCOL_VERSION, Shard(0), Held(0, 0), b"test"),
            clock=clock,
        )
        self.blobs = BlobRoom(BlobStore(MemoryBlobFiles(), clock.now_ms, quota_bytes=1 << 26), self.peering)
        self.peering.blobs = self.blobs
        self._scope = anyio.CancelScope()

    async def run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        with self._scope:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self.peering.run)
                await tasks.start(self.blobs.run)
                task_status.started()

    def leave(self) -> None:
        self._scope.cancel()

    async def offer(self, checkpoint: int, content: bytes) -> None:
        """Make a "snapshot" of that content."""

        async def take(path: Path) -> SnapshotFacts:
            await anyio.Path(path).write_bytes(content)
            return SnapshotFacts(checkpoint, Digest(bytes(32)), 0, 0, 0, 0, len(content))

        room = SnapshotRoom(
            self.store,
            self.blobs,
            RoomSettings(Shard(0), 1, 1),
            take,
            self.directory,
            lambda: Progress(1, 9_999, True),
        )
        self.peering.snapshots = room
        self.room = room
        await room.make()

    store: MemoryStore
    directory: Path


@asynccontextmanager
async def stations(count: int, tmp_path: Path) -> AsyncIterator[tuple[list[Station], TaskGroup]]:
    network, clock = MemoryNetwork(), LoopClock(anyio.current_time())
    async with anyio.create_task_group() as tasks:
        givers: list[Station] = []
        for number in range(1, count + 1):
            giver = Station(network, number, (), clock)
            giver.store, giver.directory = MemoryStore(), tmp_path
            tasks.start_soon(giver.store.run)
            await tasks.start(giver.run)
            givers.append(giver)
        joiner = Station(network, count + 1, tuple(giver.address for giver in givers), clock)
        await tasks.start(joiner.run)
        yield [*givers, joiner], tasks
        tasks.cancel_scope.cancel()


async def test_a_snapshot_is_fetched_from_whoever_is_left_when_a_giver_disappears(tmp_path: Path) -> None:
    async with stations(2, tmp_path) as ((first, second, joiner), tasks):
        await first.offer(5_000, CONTENT)
        await second.offer(5_000, CONTENT)
        restored: list[bytes] = []

        async def restore(path: Path) -> None:
            restored.append(await anyio.Path(path).read_bytes())

        async def leave_in_the_middle() -> None:
            while first.blobs.served_bytes == 0:  # noqa: ASYNC110  # nobody announces it
                await anyio.sleep(0.001)
            first.leave()

        tasks.start_soon(leave_in_the_middle)
        joining = Joining(joiner.peering, joiner.blobs, Shard(0), Held(0, 0), restore, tmp_path)
        assert await joining.run()
        assert restored == [CONTENT]
        assert second.blobs.served_bytes > 0
        assert not (tmp_path / "snapshot.fetched").exists()


async def test_a_false_one_is_left_for_the_next(tmp_path: Path) -> None:
    """The liar says that it has the newest; verifying it fails, and another peer's is taken."""
    async with stations(2, tmp_path) as ((liar, honest, joiner), _):
        await liar.offer(7_000, b"a lie")
        await honest.offer(5_000, CONTENT)
        tried: list[bytes] = []

        async def restore(path: Path) -> None:
            tried.append(await anyio.Path(path).read_bytes())
            if tried[-1] != CONTENT:
                raise SnapshotFalse("the head", "nobody signed it")

        assert await Joining(joiner.peering, joiner.blobs, Shard(0), Held(0, 0), restore, tmp_path).run()
        assert tried == [b"a lie", CONTENT]


async def test_without_a_useful_one_history_is_followed(tmp_path: Path) -> None:
    async with stations(1, tmp_path) as ((giver, joiner), _):

        async def restore(path: Path) -> None:
            raise AssertionError("there is nothing to restore")

        held = Held(4_000, 0)
        await giver.offer(5_000, CONTENT)
        assert not await Joining(joiner.peering, joiner.blobs, Shard(0), held, restore, tmp_path).run()


async def test_the_newest_are_kept_and_the_others_may_go(tmp_path: Path) -> None:
    async with stations(1, tmp_path) as ((giver, _), _tasks):
        await giver.offer(100, b"one")
        (first,) = giver.room.entries
        await giver.offer(200, b"two")
        assert [entry.facts.checkpoint for entry in giver.room.entries] == [200]
        assert not giver.blobs.get(first.blob).is_pinned
        assert not (tmp_path / "snapshot.making").exists()


async def test_one_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    async def fail(path: Path) -> SnapshotFacts:
        await anyio.Path(path).write_bytes(b"half")
        raise TangleError("no")

    async with stations(1, tmp_path) as ((giver, _), _tasks):
        settings = RoomSettings(Shard(0), 1, 1)
        room = SnapshotRoom(giver.store, giver.blobs, settings, fail, tmp_path, lambda: Progress(1, 1, True))
        with pytest.raises(TangleError):
            await room.make()
        assert room.entries == ()
        assert not (tmp_path / "snapshot.making").exists()
