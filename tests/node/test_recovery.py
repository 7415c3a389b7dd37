"""What a restart reads back is whole, however deep commits reach and however long no certificate came."""

from msgspec.structs import replace

from shards.blocks import BlockReference
from shards.checkpoints import compute_checkpoint_digest
from shards.commits import CommitRecord, compute_commit_digest, compute_first_commit_digest
from shards.committee import Committee
from shards.guard import make_last_signed
from tangle.core.genesis import compute_chain_id
from tangle.core.types import CheckpointIndex, Digest, Milliseconds, Shard
from tangle.node.archive import Archive
from tangle.node.recovery import found, recover
from tangle.store.memory_store import MemoryStore
from tangle.store.store import WriteBatch
from tests.node.test_archive import archive_on
from tests.node.world import BACKEND, PARAMETERS, make_genesis

DEEP = make_genesis(4, replace(PARAMETERS, commit_depth=600, leaders_per_round=4))
CHAIN = compute_chain_id(DEEP)
NOTHING_SIGNED = make_last_signed(CHAIN, 0, Shard(0))


async def found_home(archive: Archive) -> None:
    await found(archive, DEEP, CHAIN, Shard(0), BACKEND)


async def test_every_commit_above_the_horizon_comes_back() -> None:
    """A block of a forgotten commit would be ordered, and its transactions executed, a second time."""
    async with archive_on(MemoryStore()) as archive:
        await found_home(archive)
        batch = WriteBatch()
        previous = compute_first_commit_digest(Committee(0, DEEP.validators), CHAIN, Shard(0))
        for number in range(3_000):
            leader = BlockReference(1 + number // 4, number % 4, Digest(number.to_bytes(32, "big")))
            record = CommitRecord(number + 1, previous, Milliseconds(number), leader, (leader,))
            previous = compute_commit_digest(record)
            archive.committees.put_commit(batch, 0, record)
        await archive.commit(batch)
        recovered = recover(archive, DEEP, 0, NOTHING_SIGNED)
        horizon = recovered.committee.commits[-1].leader.round - DEEP.parameters.commit_depth
        rounds = [commit.leader.round for commit in recovered.committee.commits]
        assert rounds == [number for number in range(horizon + 1, 751) for _ in range(4)]


async def test_every_checkpoint_without_a_certificate_comes_back() -> None:
    """One that were left out would be attested by nobody, and missing among the events."""
    async with archive_on(MemoryStore()) as archive:
        await found_home(archive)
        state, genesis = archive.get_ledger_state(), archive.get_checkpoint(0)
        assert state is not None
        assert genesis is not None
        batch = WriteBatch()
        for index in range(1, 5_001):
            archive.put_checkpoint(batch, replace(genesis, index=CheckpointIndex(index)))
        archive.put_ledger_state(batch, replace(state, checkpoint_index=CheckpointIndex(5_000)))
        await archive.commit(batch)
        uncertified = list(recover(archive, DEEP, 7, NOTHING_SIGNED).uncertified)
        assert [executed.checkpoint.index for executed in uncertified] == list(range(8, 5_001))
        last = uncertified[-1]
        assert (last.digest, last.transactions) == (compute_checkpoint_digest(last.checkpoint), ())
