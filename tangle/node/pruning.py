"""Pruning: history that nobody can need any more is let go, by age or by size.

What transactions and committees can still reach stays in any case (``snapshots.window``), and of what is
older the ends of epochs, checkpoints that vouch for weights, and what lists name. First the place where
history begins is moved, then the rows before it go, a bounded number in each write: a crash in between leaves
rows that nobody looks for, and the next round removes them. Pages that become free are used again; the file
gets smaller with ``tangle db compact``.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import anyio
import structlog
from msgspec import Struct

from shards.checkpoints import Checkpoint, decode_checkpoint
from shards.commits import decode_commit
from tangle.core.genesis import Genesis
from tangle.core.transactions import decode_transaction
from tangle.core.types import JobId
from tangle.ledger.effects import decode_effect
from tangle.node.archive import EARNINGS_PER_CHECKPOINT, Archive, HistoryBase
from tangle.node.care.reading import StoreReader
from tangle.node.care.tables import read_event_row
from tangle.node.committee_archive import decode_committee
from tangle.node.snapshots.errors import SnapshotUnready
from tangle.node.snapshots.making import find_witness
from tangle.node.snapshots.window import find_window, list_witnessed, read_checkpoint
from tangle.store.keys import (
    compute_account_history_key,
    compute_prefix_stop,
    compute_round_key,
    compute_sequence_key,
    decode_place,
    parse_commit_key,
    parse_sequence_key,
)
from tangle.store.store import Environment, Store, Table, WriteBatch

ROWS_PER_WRITE: Final = 512
"""Rows whose traces go in one write: some milliseconds of the loop, and a short write."""

LOOK_INTERVAL_S: Final = 10.0
"""How often is looked whether something may go."""

PAUSE_S: Final = 0.02
"""Pause between two writes, so that pruning never holds up what is new."""

STEP_CHECKPOINTS: Final = 500
"""Where size decides, so many checkpoints go at a time, until it is small enough."""

log = structlog.get_logger("pruning")

Deletion = tuple[Table, bytes]
"""A row that goes."""


class PruningSettings(Struct, frozen=True):
    """How much is kept."""

    keep_epochs: int
    """Epochs; 0 keeps all."""

    max_bytes: int
    """Bytes of history; 0 for no limit."""

    @property
    def is_archive(self) -> bool:
        """Whether everything is kept."""
        return not self.keep_epochs and not self.max_bytes


class Pruner:
    """Lets history of one shard go."""

    def __init__(
        self, store: Store, genesis: Genesis, settings: PruningSettings, get_certified: Callable[[], int]
    ) -> None:
        """:param get_certified: newest final checkpoint."""
        self._store = store
        self._reader = StoreReader(store)
        self._archive = Archive(store)
        self._genesis = genesis
        self._settings = settings
        self._get_certified = get_certified
        self._is_swept = False

    async def run(self) -> None:
        """Look now and then, until cancelled; an archive node has nothing to do."""
        if self._settings.is_archive:
            return
        while True:
            await anyio.sleep(LOOK_INTERVAL_S)
            try:
                await self.prune()
            except SnapshotUnready as error:
                log.info("nothing-pruned", reason=error.reason)

    async def prune(self) -> int:
        """Let go what may go; answers how many rows went.

        :raises SnapshotUnready: what is needed cannot be told from the history that is here.
        :raises StorageFailed: the disk refuses.
        """
        base = self._archive.get_history_base()
        here = 0 if base is None else base.checkpoint
        first = self._choose_first(here)
        if first > here:
            checkpoint = read_checkpoint(self._reader, first)
            depth = self._genesis.parameters.commit_depth
            base = HistoryBase(
                checkpoint.index,
                checkpoint.ordered_total,
                checkpoint.committee_epoch,
                max(0, checkpoint.leader.round - depth),
            )
            batch = WriteBatch()
            self._archive.put_history_base(batch, base)
            await self._store.commit(batch)
        elif base is None or self._is_swept:
            return 0
        assert base is not None, "it was there, or was set"
        rows = await self._sweep(base)
        self._is_swept = True
        if rows:
            log.info("pruned", first_checkpoint=base.checkpoint, rows=rows)
        return rows

    def _choose_first(self, here: int) -> int:
        """First checkpoint that is kept from now on."""
        certified = self._get_certified()
        needed = find_window(self._reader, self._genesis, certified).first
        wanted = here
        if self._settings.keep_epochs:
            wanted = max(wanted, self._find_epoch(certified))
        size = self._store.statistics().content_bytes.get(Environment.HISTORY, 0)
        if self._settings.max_bytes and size > self._settings.max_bytes:
            wanted = max(wanted, here + STEP_CHECKPOINTS)
        return max(here, min(needed, wanted))

    def _find_epoch(self, certified: int) -> int:
        """Checkpoint on which the oldest epoch that is kept began."""
        present = read_checkpoint(self._reader, certified).committee_epoch
        oldest = present - self._settings.keep_epochs + 1
        if oldest <= 0:
            return 0
        for key, value in self._reader.iterate(Table.EPOCHS, compute_sequence_key(oldest)):
            return decode_committee(parse_sequence_key(key), value)[1]
        return 0

    async def _sweep(self, base: HistoryBase) -> int:
        """Remove every row before ``base``."""
        total = 0
        deletions = self._iterate(base)
        while rows := list(islice(deletions, ROWS_PER_WRITE)):
            batch = WriteBatch()
            for table, key in rows:
                batch.delete(table, key)
            await self._store.commit(batch)
            total += len(rows)
            await anyio.sleep(PAUSE_S)
        return total

    def _iterate(self, base: HistoryBase) -> Iterator[Deletion]:
        """Rows before ``base``. Readers begin anew after each page, so rows may go meanwhile."""
        yield from self._iterate_ordered(base)
        yield from self._iterate_committee(base)
        yield from self._iterate_earnings(base)
        yield from self._iterate_checkpoints(base)

    def _iterate_ordered(self, base: HistoryBase) -> Iterator[Deletion]:
        for key, value in self._reader.iterate(Table.ORDERED):
            index = parse_sequence_key(key)
            if index >= base.ordered:
                return
            effect = decode_effect(value[8:])
            accounts = {change.account for change in effect.changes}
            place = self._reader.get(Table.TRANSACTION_INDEX, effect.transaction)
            arrival = None if place is None else compute_sequence_key(decode_place(place).arrival)
            encoded = None if arrival is None else self._reader.get(Table.TRANSACTIONS, arrival)
            if encoded is not None and arrival is not None:
                body = decode_transaction(encoded).body
                accounts.add(body.issuer)
                yield Table.EVALUATIONS, body.work.job + key
                yield Table.TRANSACTIONS, arrival
            for account in accounts:
                yield Table.ACCOUNT_HISTORY, compute_account_history_key(account, index)
            yield Table.TRANSACTION_INDEX, effect.transaction
            yield Table.ORDERED, key  # last, so that a crash leaves what leads to the rest

    def _iterate_committee(self, base: HistoryBase) -> Iterator[Deletion]:
        stop = compute_round_key(base.epoch, base.round + 1)
        for key, _ in self._reader.iterate(Table.BLOCKS):
            if key >= stop:
                break
            yield Table.BLOCKS, key
        for key, value in self._reader.iterate(Table.COMMITS):
            if (parse_commit_key(key)[0], decode_commit(value).leader.round) > (base.epoch, base.round):
                break
            yield Table.COMMITS, key

    def _iterate_earnings(self, base: HistoryBase) -> Iterator[Deletion]:
        """Keys begin with the account: from one to the next, and of each what is old."""
        start = b""
        while rows := self._store.scan(Table.EARNINGS, start, limit=1):
            account = rows[0][0][:32]
            stop = account + compute_sequence_key(base.checkpoint * EARNINGS_PER_CHECKPOINT)
            place = account
            while old := self._store.scan(Table.EARNINGS, place, stop, limit=ROWS_PER_WRITE):
                for key, _ in old:
                    yield Table.EARNINGS, key
                place = old[-1][0] + b"\x00"
            start = compute_prefix_stop(account) or b"\xff" * 64

    def _iterate_checkpoints(self, base: HistoryBase) -> Iterator[Deletion]:
        for key, value in self._reader.iterate(Table.EVENTS):
            if read_event_row(key, value)[0] > base.checkpoint:
                break
            yield Table.EVENTS, key
        weights, witnesses = self._list_kept(base)
        for key, value in self._reader.iterate(Table.CHECKPOINTS):
            checkpoint = decode_checkpoint(value)
            if checkpoint.index >= base.checkpoint:
                break
            if not _is_epoch_end(checkpoint) and checkpoint.index not in witnesses:
                yield Table.RECEIPT_BATCHES, key
                yield Table.CERTIFICATES, key
                yield Table.CHECKPOINTS, key
        oldest: dict[JobId, int] = {}
        for job, generation in weights:
            oldest[job] = min(generation, oldest.get(job, generation))
        for key, _ in self._reader.iterate(Table.WEIGHTS):
            job, generation = JobId(key[:32]), parse_sequence_key(key[32:])
            if generation < oldest.get(job, 0):
                yield Table.WEIGHTS, key

    def _list_kept(self, base: HistoryBase) -> tuple[set[tuple[JobId, int]], set[int]]:
        """Weights that work may still be of, and checkpoints that vouch for those older than history."""
        witnessed = list_witnessed(self._reader, self._genesis, base.checkpoint)
        witnesses: set[int] = {
            find_witness(self._reader, job, generation).checkpoint.index for job, generation in witnessed
        }
        present = read_checkpoint(self._reader, base.checkpoint).models
        weights = set(witnessed) | {(model.job, model.generation) for model in present}
        return weights, witnesses


def _is_epoch_end(checkpoint: Checkpoint) -> bool:
    return checkpoint.epoch > checkpoint.committee_epoch
