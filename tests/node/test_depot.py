"""Data of paid jobs: from history where they are there, else from peers however long that takes."""

import anyio
import pytest
from msgspec.structs import replace

from poi.job import compute_job_id
from tangle.core.chunk_tree import compute_tree
from tangle.core.encoding import encode
from tangle.core.types import CheckpointIndex, Digest, JobId
from tangle.node.blobs import open_blob_room
from tangle.node.depot import Depot
from tangle.node.training_archive import PaidJob, TrainingArchive
from tangle.store.blob_files import MemoryBlobFiles
from tangle.store.memory_store import MemoryStore
from tangle.store.store import WriteBatch
from tests.node.world import network_of, wait_until
from tests.poi.tables.builders import FLOWERS_BLOB, FLOWERS_JOB

BLOB = compute_tree(FLOWERS_BLOB).id
QUOTA = 10_000_000


def make_record(number: int) -> tuple[JobId, PaidJob]:
    job = replace(FLOWERS_JOB, init_seed=Digest(bytes([number]) * 32))
    return compute_job_id(job), PaidJob(job.init_seed, encode(job), BLOB, CheckpointIndex(number))


@pytest.fixture
async def archive() -> TrainingArchive:
    store = MemoryStore()
    archive, batch = TrainingArchive(store), WriteBatch()
    for number in (1, 300, 2):
        archive.put_job(batch, *make_record(number % 256), FLOWERS_BLOB)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        await store.commit(batch)
        tasks.cancel_scope.cancel()
    return archive


async def test_jobs_are_listed_by_their_coming_and_their_data_are_known(archive: TrainingArchive) -> None:
    listed = [make_record(number) for number in (44, 2, 1)]
    assert archive.list_latest(10) == tuple(job for job, _ in listed)
    assert archive.list_latest(1) == (listed[0][0],)
    assert [archive.get_job(job) for job, _ in listed] == [record for _, record in listed]
    assert archive.get_job(JobId(bytes(32))) is None
    assert archive.list_data() == {BLOB}
    depot = Depot(archive)
    assert depot.get_kept() == {BLOB}
    assert await depot.get(BLOB) == FLOWERS_BLOB


async def test_what_nobody_has_yet_is_asked_for_until_somebody_does() -> None:
    async with network_of(2) as world, anyio.create_task_group() as tasks:
        first, second = world.members
        rooms = []
        for member in (first, second):
            room = await open_blob_room(
                MemoryBlobFiles(), member.node.peering, world.clock, quota_bytes=QUOTA
            )
            await tasks.start(room.run)
            rooms.append(room)
        found: list[bytes] = []

        async def wait() -> None:
            found.append(await second.node.depot.get(BLOB))

        tasks.start_soon(wait)
        await anyio.sleep(1)
        second.node.depot.open(rooms[1])
        await anyio.sleep(1)
        assert found == []
        await rooms[0].put(FLOWERS_BLOB, is_pinned=True)
        await wait_until(lambda: bool(found), timeout_s=60)
        assert found == [FLOWERS_BLOB]
        assert second.node.depot.get_kept() == {BLOB}
        tasks.cancel_scope.cancel()
