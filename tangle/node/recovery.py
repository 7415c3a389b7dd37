"""Starting from what the store holds: the founding of a new home, and the state after a restart.

A crash can leave history ahead of the state by one commit (the store writes history first). Everything here
starts from the state; the committee core then decides that commit again and the executor writes the same rows
again.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from aivm.backends.protocol import Backend
from poi.evolution import OpenJob, open_job
from poi.job import decode_job
from poi.market.entries import Entry
from poi.state import JobState
from shards.blocks import Block, decode_block
from shards.certificates import LATE_MAX
from shards.checkpoints import compute_checkpoint_digest
from shards.committee import Committee
from shards.epochs import make_genesis_committee
from shards.events import RecoveredState
from shards.guard import LastSigned, get_last_round
from tangle.core.blob_id import BlobId
from tangle.core.errors import TangleError
from tangle.core.genesis import Genesis
from tangle.core.parameters import Parameters
from tangle.core.types import ChainId, Digest, JobId, PublicKey, Shard
from tangle.ledger.board import StandingEntry, open_paid_job, start_board
from tangle.ledger.machine import make_genesis_checkpoint
from tangle.ledger.staking.book import make_first_entries
from tangle.ledger.staking.records import StakingEntry
from tangle.ledger.state import LedgerState, link_checkpoint, make_genesis_state
from tangle.node.archive import PAGE, Archive
from tangle.node.attesting import ExecutedCheckpoint
from tangle.node.committee_archive import BLOCKS_PER_READ
from tangle.store.store import WriteBatch

COUNTED_ROUNDS_MAX: Final = 512
"""Rounds below those of the core whose attestations are counted again: minutes of a committee, and seconds of
a start. What is older is attested again by those who lack it."""


class Ending(Struct, frozen=True):
    """The last commit of a committee is executed; its checkpoint is not final yet."""

    index: int
    """That checkpoint."""

    following: Committee
    """Whoever goes on once it is."""


class Recovered(Struct, frozen=True):
    """What a node starts from."""

    state: LedgerState
    present: Committee
    """The committee that is at work."""

    ending: Ending | None
    """How its epoch ends, where it does."""

    board: tuple[StandingEntry, ...]
    market_entries: tuple[Entry, ...]
    """What stands on the lists of the market."""

    staking_entries: tuple[StakingEntry, ...]
    """What stands in the book of stakes."""

    committee: RecoveredState
    certified: int
    """Latest final checkpoint."""

    uncertified: Iterator[ExecutedCheckpoint]
    """Every executed checkpoint after it, read as it goes: one that were left out would be attested by nobody
    and leave a hole in the events."""

    lacking: tuple[ExecutedCheckpoint, ...]
    """Checkpoints of the present committee that only a later one made final."""

    counted: Iterator[Block]
    """Blocks that the core does not need any more, with attestations that a certificate may need."""


class NoSuchShard(TangleError):
    """The settings name a shard that the chain does not have."""

    code = "shard-unknown"

    def __init__(self, shard: int, count: int) -> None:
        self.shard = shard
        self.count = count
        super().__init__(
            f"there is no shard {shard}: this chain has shards 0 to {count - 1}; set another one"
        )


class HomeOfAnotherShard(TangleError):
    """The home holds the history of one shard, and the settings name another."""

    code = "home-of-another-shard"

    def __init__(self, held: int, wanted: int) -> None:
        self.held = held
        self.wanted = wanted
        super().__init__(
            f"the database of shard {wanted} holds shard {held}; directories of shards are not to be swapped"
        )


async def found(archive: Archive, genesis: Genesis, chain: ChainId, shard: Shard, backend: Backend) -> None:
    """Write the state before the first commit, unless the home has one.

    :raises NoSuchShard: the chain does not have it.
    :raises HomeOfAnotherShard: the home follows another one.
    """
    if shard >> genesis.parameters.shard_bits:
        raise NoSuchShard(shard, 1 << genesis.parameters.shard_bits)
    founded = archive.get_checkpoint(0)
    if founded is not None and founded.shard != shard:
        raise HomeOfAnotherShard(founded.shard, shard)
    if archive.get_ledger_state() is not None:
        return
    state, accounts = make_genesis_state(genesis, shard)
    board, opened = start_board(genesis, backend)
    checkpoint = make_genesis_checkpoint(chain, shard, state, board)
    batch = WriteBatch()
    archive.put_checkpoint(batch, checkpoint)
    archive.put_accounts(batch, accounts)
    archive.staking.put_entries(batch, make_first_entries(genesis, shard))
    for entry in board:
        archive.put_job(batch, entry.state.opened.id, entry.state.get_snapshot())
    for first in opened:
        archive.put_generation(batch, first, checkpoint.index)
    archive.put_ledger_state(batch, link_checkpoint(state, compute_checkpoint_digest(checkpoint)))
    archive.committees.put_committee(batch, make_genesis_committee(genesis), checkpoint.index)
    await archive.commit(batch)


async def restore_last_block(archive: Archive, last_signed: LastSigned) -> None:
    """Put the last own block back where the database lost it: if it was never sent, nobody else has it."""
    if not last_signed.block:
        return
    block = decode_block(last_signed.block)
    if archive.committees.get_block(block.body.epoch, block.reference) is None:
        batch = WriteBatch()
        archive.committees.put_blocks(batch, [block])
        await archive.commit(batch)


def recover(archive: Archive, genesis: Genesis, certified: int, last_signed: LastSigned) -> Recovered:
    """Read everything back.

    :param certified: latest checkpoint whose events are on disk.
    :param last_signed: what the last-signed guard holds.
    """
    state = archive.get_ledger_state()
    assert state is not None, "a home is founded before it is recovered"
    present, ending = _find_committee(archive, state, certified)
    if ending is None and last_signed.epoch < present.epoch:
        present, ending = _find_closing(archive, state, present, last_signed.epoch)
    lacking = _find_lacking(archive, present.epoch, certified)
    committee = recover_core(archive, genesis.parameters, present.epoch, last_signed)
    return Recovered(
        state=state,
        present=present,
        ending=ending,
        board=_recover_board(archive, genesis, state),
        market_entries=tuple(archive.market.list_entries()),
        staking_entries=tuple(archive.staking.list_entries()),
        committee=committee,
        certified=certified,
        uncertified=_read_uncertified(archive, certified, state.checkpoint_index),
        lacking=lacking,
        counted=_read_counted(archive, present.epoch, lacking, certified, committee),
    )


def recover_core(
    archive: Archive, parameters: Parameters, epoch: int, last_signed: LastSigned
) -> RecoveredState:
    """What is known of the committee of an epoch: nothing, as a rule, where it is only about to begin."""
    # Every commit that holds a block above the horizon is needed, or the block would be ordered twice. Its
    # leader is above the horizon too, and each of those rounds has so many leaders at most.
    limit = parameters.commit_depth * parameters.leaders_per_round
    commits = archive.committees.get_executed_commits(epoch, limit)
    horizon = max(0, commits[-1].leader.round - parameters.commit_depth) if commits else 0
    blocks = archive.committees.read_blocks(epoch, horizon + 1)
    return RecoveredState(blocks, commits, get_last_round(last_signed, epoch))


def _find_committee(archive: Archive, state: LedgerState, certified: int) -> tuple[Committee, Ending | None]:
    """The committee that was at work, and how its epoch ends if its last commit is executed."""
    following = archive.committees.get_committee(state.committee_epoch)
    latest = archive.get_checkpoint(state.checkpoint_index)
    assert following is not None, "a committee is written with the checkpoint that it begins on"
    assert latest is not None, "history is never behind the state"
    if latest.committee_epoch == following.epoch or certified >= latest.index:
        return following, None
    present = archive.committees.get_committee(latest.committee_epoch)
    assert present is not None, "it signed checkpoints"
    return present, Ending(latest.index, following)


def _find_closing(
    archive: Archive, state: LedgerState, following: Committee, signed_epoch: int
) -> tuple[Committee, Ending | None]:
    """A validator that has signed nothing yet for the committee that follows goes back to the one before, as
    long as a checkpoint of that one has no certificate of its own.
    """
    latest = archive.get_checkpoint(state.checkpoint_index)
    assert latest is not None, "history is never behind the state"
    is_due = latest.committee_epoch == signed_epoch != following.epoch
    present = archive.committees.get_committee(signed_epoch) if is_due else None
    if present is None or not _find_lacking(archive, signed_epoch, latest.index):
        return following, None
    return present, Ending(latest.index, following)


def _find_lacking(archive: Archive, epoch: int, certified: int) -> tuple[ExecutedCheckpoint, ...]:
    lacking = []
    for index in range(certified, max(0, certified - LATE_MAX), -1):
        checkpoint = archive.get_checkpoint(index)
        if checkpoint is None or checkpoint.committee_epoch != epoch:
            break
        if archive.get_certificate(index) is None:
            lacking.append(ExecutedCheckpoint(checkpoint, compute_checkpoint_digest(checkpoint), ()))
    return tuple(reversed(lacking))


def _read_counted(
    archive: Archive,
    epoch: int,
    lacking: Sequence[ExecutedCheckpoint],
    certified: int,
    committee: RecoveredState,
) -> Iterator[Block]:
    """Blocks of rounds below those of the core, from the first on that can hold what counts."""
    first = lacking[0].checkpoint if lacking else archive.get_checkpoint(certified + 1)
    stop = min((block.reference.round for block in committee.blocks), default=0)
    if first is None or first.committee_epoch != epoch:
        return
    for round_number in range(max(first.leader.round + 1, stop - COUNTED_ROUNDS_MAX), stop):
        for value in archive.committees.get_blocks(epoch, round_number, round_number, BLOCKS_PER_READ):
            yield decode_block(value)


def _recover_board(archive: Archive, genesis: Genesis, state: LedgerState) -> tuple[StandingEntry, ...]:
    latest = archive.get_checkpoint(state.checkpoint_index)
    assert latest is not None, "history is never behind the state"
    own = {
        opened.id: opened for opened in (open_job(decode_job(entry.parameters)) for entry in genesis.board)
    }
    entries = []
    for model in latest.models:
        if not model.budget:
            continue  # it ended with that checkpoint
        opened, paid_by = own.get(model.job), None
        if opened is None:
            opened, paid_by = _recover_paid(archive, model.job)
        snapshot = archive.get_job(model.job)
        assert snapshot is not None, "a job's state is written with the ledger's"
        # Weights of older generations are read from the archive when work names them.
        job_state = JobState(opened, snapshot, {})
        workers = _count_workers(archive, model.job, model.generation, state.ordered_total)
        entries.append(StandingEntry(model.budget, job_state, workers, model, paid_by))
    return tuple(entries)


def _recover_paid(archive: Archive, job: JobId) -> tuple[OpenJob, Digest]:
    """A paid job with its data, and the market's job that pays."""
    record = archive.training.get_job(job)
    assert record is not None, "a paid job is written with the checkpoint that opens it"
    content = archive.training.get_content(BlobId(record.data))
    assert content is not None, "and so are its data"
    return open_paid_job(decode_job(record.parameters), content), record.name


def _count_workers(archive: Archive, job: JobId, generation: int, ordered_total: int) -> dict[PublicKey, int]:
    """Evaluations counted for the open generation, by worker."""
    opened_by = archive.get_generations(job, generation, 1)[0].checkpoint
    checkpoint = archive.get_checkpoint(opened_by)
    assert checkpoint is not None, "a generation is stored with its checkpoint"
    workers: dict[PublicKey, int] = {}
    index = checkpoint.ordered_total
    while rows := archive.get_evaluations(job, index, PAGE):
        for index, _ in rows:
            if index >= ordered_total:
                return workers
            row = archive.get_ordered(index)
            assert row is not None, "counted work is ordered"
            transaction = archive.get_transaction(row.effect.transaction)
            assert transaction is not None, "what is ordered is stored"
            work = transaction.body.work
            workers[work.worker] = workers.get(work.worker, 0) + len(work.results)
        index += 1
    return workers


def _read_uncertified(archive: Archive, certified: int, executed: int) -> Iterator[ExecutedCheckpoint]:
    for index in range(certified + 1, executed + 1):
        checkpoint = archive.get_checkpoint(index)
        assert checkpoint is not None, "history is never behind the state"
        rows = archive.get_ordered_range(
            checkpoint.ordered_total - checkpoint.ordered_count, checkpoint.ordered_total
        )
        identities = tuple(row.effect.transaction for row in rows)
        yield ExecutedCheckpoint(checkpoint, compute_checkpoint_digest(checkpoint), identities)
