"""What the node keeps of committees: their blocks and commits, evidence against their members, and who sat on
them in which epoch.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.blocks import BLOCK_SIZE_MAX, Block, BlockReference, decode_block
from shards.commits import CommitRecord, decode_commit, encode_commit
from shards.committee import Committee
from shards.events import EquivocationSeen
from tangle.core.encoding import decode, encode
from tangle.core.genesis import VALIDATORS_MAX, Validator
from tangle.core.types import Digest, Natural
from tangle.store.keys import (
    compute_block_key,
    compute_commit_key,
    compute_round_key,
    compute_sequence_key,
    compute_slot_key,
    parse_commit_key,
    parse_sequence_key,
)
from tangle.store.store import Store, Table, WriteBatch

EXECUTED: Final = b"executed-commit"
"""Key of the last executed commit, in the same environment as the state that it led to."""

COMMITTEE_SIZE_MAX: Final = 32_768
"""Longest record of a committee in bytes: 256 validators fit."""

EVIDENCE_SIZE_MAX: Final = 2 * BLOCK_SIZE_MAX + 32
"""Longest row of evidence in bytes: two blocks, and what is around them."""

BLOCKS_PER_READ: Final = 1_000
"""Blocks read at a time where all are wanted."""


class CommitteeRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A committee, as kept."""

    begun: Natural
    """The checkpoint that it began on: the last one of the epoch before, 0 for the first."""

    origin: Digest
    """Digest of that checkpoint; zeros for the first committee."""

    validators: Annotated[tuple[Validator, ...], Meta(min_length=1, max_length=VALIDATORS_MAX)]
    """In index order."""


class CommitteeArchive:
    """Reads of committees from the store, and writes into batches."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # ── who sits on them ────────────────────────────────────────────────────────────────────────────────────

    def put_committee(self, batch: WriteBatch, committee: Committee, begun: int) -> None:
        """Add a committee.

        :param begun: the checkpoint that it begins on.
        """
        record = CommitteeRecord(begun, committee.origin, committee.validators)
        batch.put(Table.EPOCHS, compute_sequence_key(committee.epoch), encode(record))

    def get_committee(self, epoch: int) -> Committee | None:
        """The committee of an epoch; none for an epoch that nobody began, or not yet."""
        value = self._store.get(Table.EPOCHS, compute_sequence_key(epoch))
        return None if value is None else decode_committee(epoch, value)[0]

    def list_committees(self, first_epoch: int, limit: int) -> list[tuple[Committee, int]]:
        """Committees from an epoch on, each with the checkpoint that it began on. A crash may have left one
        more than what is executed leads to.
        """
        start = compute_sequence_key(first_epoch)
        rows = self._store.scan(Table.EPOCHS, start, limit=limit)
        return [decode_committee(parse_sequence_key(key), value) for key, value in rows]

    def find_end(self, epoch: int) -> int | None:
        """The last checkpoint of a committee's epoch; none while it goes on."""
        following = self.list_committees(epoch + 1, 1)
        return following[0][1] if following else None

    # ── blocks ──────────────────────────────────────────────────────────────────────────────────────────────

    def put_blocks(self, batch: WriteBatch, blocks: Sequence[Block]) -> None:
        """Add accepted blocks."""
        for block in blocks:
            batch.put(Table.BLOCKS, _compute_key(block.body.epoch, block.reference), block.encoded)

    def get_block(self, epoch: int, reference: BlockReference) -> bytes | None:
        """One block's bytes."""
        return self._store.get(Table.BLOCKS, _compute_key(epoch, reference))

    def get_blocks(self, epoch: int, first_round: int, last_round: int, limit: int) -> list[bytes]:
        """Blocks of a range of rounds of an epoch, in order."""
        start, stop = compute_round_key(epoch, first_round), compute_round_key(epoch, last_round + 1)
        return [value for _, value in self._store.scan(Table.BLOCKS, start, stop, limit=limit)]

    def read_blocks(self, epoch: int, first_round: int) -> tuple[Block, ...]:
        """Every block of an epoch from ``first_round`` on; for a restart."""
        return tuple(decode_block(value) for value in self._scan_blocks(epoch, first_round))

    def _scan_blocks(self, epoch: int, first_round: int) -> Iterator[bytes]:
        start, stop = compute_round_key(epoch, first_round), compute_round_key(epoch + 1, 0)
        while True:
            rows = self._store.scan(Table.BLOCKS, start, stop, limit=BLOCKS_PER_READ)
            yield from (value for _, value in rows)
            if len(rows) < BLOCKS_PER_READ:
                return
            start = rows[-1][0] + b"\x00"

    # ── commits ─────────────────────────────────────────────────────────────────────────────────────────────

    def put_commit(self, batch: WriteBatch, epoch: int, record: CommitRecord) -> None:
        """Add an executed commit's record."""
        key = compute_commit_key(epoch, record.index)
        batch.put(Table.COMMITS, key, encode_commit(record))
        batch.put(Table.META, EXECUTED, key)

    def get_executed_commits(self, epoch: int, limit: int) -> tuple[CommitRecord, ...]:
        """The newest executed commits of an epoch, in order, without what a crash left ahead of the state."""
        executed = self._store.get(Table.META, EXECUTED)
        if executed is None or parse_commit_key(executed)[0] != epoch:
            return ()
        start, stop = compute_commit_key(epoch, 0), executed + b"\x00"
        rows = self._store.scan(Table.COMMITS, start, stop, limit=limit, reverse=True)
        return tuple(decode_commit(value) for _, value in reversed(rows))

    # ── evidence ────────────────────────────────────────────────────────────────────────────────────────────

    def put_evidence(self, batch: WriteBatch, evidence: EquivocationSeen) -> None:
        """Keep both blocks of an equivocation."""
        reference, epoch = evidence.first.reference, evidence.first.body.epoch
        value = encode([evidence.first.encoded, evidence.second.encoded])
        batch.put(Table.EVIDENCE, compute_slot_key(epoch, reference.round, reference.author), value)

    def list_evidence(self, limit: int) -> list[tuple[Block, Block]]:
        """Both blocks of equivocations that were seen, in order of epochs and rounds."""
        rows = self._store.scan(Table.EVIDENCE, limit=limit)
        pairs = [decode(tuple[bytes, bytes], value, limit=EVIDENCE_SIZE_MAX) for _, value in rows]
        return [(decode_block(first), decode_block(second)) for first, second in pairs]

    def count_evidence(self) -> int:
        """Equivocations seen."""
        return self._store.count(Table.EVIDENCE)


def _compute_key(epoch: int, reference: BlockReference) -> bytes:
    return compute_block_key(epoch, reference.round, reference.author, reference.digest)


def decode_committee(epoch: int, value: bytes) -> tuple[Committee, int]:
    """A stored committee, and the checkpoint that it began on."""
    record = decode(CommitteeRecord, value, limit=COMMITTEE_SIZE_MAX)
    return Committee(epoch, record.validators, record.origin), record.begun
