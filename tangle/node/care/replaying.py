"""Executing stored history again: from genesis, commit by commit, into a new database.

The machine, the executor and the archive are the node's own, so what is written is what the node would have
written. What they are fed comes from the old database: commit records with their blocks, and in the place of
a DAG the order that was recorded. Every checkpoint must come out with the digest that it had; where one does
not, or something is missing, that is the end, and the node fetches the rest from its peers.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from aivm.backends.protocol import Backend
from poi.market.limits import DEVNET_RULES, MarketRules
from shards.blocks import Block, decode_block
from shards.certificates import Certificate, verify_certificate
from shards.checkpoints import Checkpoint, compute_checkpoint_digest
from shards.commits import CommitRecord, decode_commit
from shards.epochs import make_genesis_committee
from shards.events import SubDagCommitted
from shards.guard import make_last_signed
from tangle.core.errors import TangleError
from tangle.core.genesis import Genesis, compute_chain_id, compute_shard_genesis_id
from tangle.core.merkle import compute_merkle_root
from tangle.core.transactions import Transaction, decode_transaction
from tangle.core.types import CheckpointIndex, Shard, TransactionId
from tangle.ledger.accounts import AccountReader
from tangle.ledger.events import SubDagEvent
from tangle.ledger.machine import AccountLister, CheckpointOutcome, ShardMachine
from tangle.ledger.subdag import SubDag
from tangle.node.archive import Archive
from tangle.node.attesting import Attester
from tangle.node.bundle_source import StoredBundles
from tangle.node.care.findings import OnProgress
from tangle.node.depot import Depot
from tangle.node.event_log import EventLog
from tangle.node.executor import Executor
from tangle.node.finality import FinalCheckpoint, Finality, FinalityHooks
from tangle.node.recovery import found, recover
from tangle.store.keys import (
    compute_block_key,
    compute_sequence_key,
    parse_commit_key,
    parse_sequence_key,
)
from tangle.store.snapshot import Readable
from tangle.store.store import Store, Table, WriteBatch


class ReplayEnded(TangleError):
    """History cannot be executed further than this."""

    code = "replay-ended"

    def __init__(self, checkpoint: int, reason: str) -> None:
        self.checkpoint = checkpoint
        self.reason = reason
        super().__init__(f"history cannot be executed beyond checkpoint {checkpoint}: {reason}")


class ReplayDiverged(TangleError):
    """A checkpoint came out differently than it is recorded: the record is wrong, or the program."""

    code = "replay-diverged"

    def __init__(self, checkpoint: int) -> None:
        self.checkpoint = checkpoint
        super().__init__(f"checkpoint {checkpoint} came out differently than it is recorded")


class Replayed(Struct, frozen=True):
    """How far executing again came."""

    checkpoint: int
    """The last one that came out as it was."""

    ordered_total: int
    """Transactions executed."""

    ended_by: str | None
    """Why it went no further; none where all of history was executed."""


class RecordedOrder(SubDag):
    """In the place of a DAG: gives out what a commit ordered, at its first tip."""

    def __init__(self, genesis: Genesis, genesis_id: TransactionId) -> None:
        """Nothing to order."""
        super().__init__(genesis.parameters, genesis_id)
        self.order: list[Transaction] = []

    def order_cone(self, tip: TransactionId) -> list[Transaction]:
        """All that the present commit ordered, once."""
        order, self.order = self.order, []
        return order

    def on_checkpoint(self, index: CheckpointIndex) -> tuple[SubDagEvent, ...]:
        """Nothing expires that was ordered."""
        return ()


class Replay:
    """Executes one database's history into another."""

    def __init__(
        self,
        source: Store,
        rows: Readable,
        target: Store,
        genesis: Genesis,
        shard: Shard,
        backend: Backend,
        rules: MarketRules = DEVNET_RULES,
    ) -> None:
        """:param source: the old database.
        :param rows: the same one, for going through its tables.
        :param target: an empty one; its ``run`` is at work.
        """
        self._source = Archive(source)
        self._rows = rows
        self._archive = Archive(target)
        self._genesis = genesis
        self._shard = shard
        self._backend = backend
        self._rules = rules
        self._chain = compute_chain_id(genesis)
        self._order = RecordedOrder(genesis, compute_shard_genesis_id(self._chain, shard))
        self._executed = 0
        self._last_epoch = 0
        self._last_commit = 0

    async def run(self, on_progress: OnProgress) -> Replayed:
        """Execute as far as history holds.

        :raises ReplayDiverged: a checkpoint came out differently; the target is worth nothing.
        """
        await found(self._archive, self._genesis, self._chain, self._shard, self._backend)
        executor = self._make_executor()
        total, ordered_total = self._rows.count(Table.COMMITS), 0
        reason = "the commits after it are missing"
        for done, (key, value) in enumerate(self._rows.iterate(Table.COMMITS), 1):
            epoch, _ = parse_commit_key(key)
            try:
                ordered_total += await self._execute(executor, epoch, decode_commit(value))
            except ReplayEnded as end:
                reason = end.reason
                break
            on_progress("executing again", done, total)
        await self._put_events()
        is_all = next(self._rows.iterate(Table.CHECKPOINTS, compute_sequence_key(self._executed + 1)), None)
        return Replayed(self._executed, ordered_total, None if is_all is None else reason)

    async def _execute(self, executor: Executor, epoch: int, record: CommitRecord) -> int:
        """One commit: what it ordered is stored first, then it is executed like any other."""
        is_next = record.index == (self._last_commit + 1 if epoch == self._last_epoch else 1)
        if not is_next or epoch != executor.machine.committee.epoch:
            place = f"number {record.index} of epoch {epoch}"
            raise ReplayEnded(self._executed, f"the commits before {place} are missing")
        self._last_epoch, self._last_commit = epoch, record.index
        executor.begin()  # if the commit before it was the last one of its committee
        blocks = tuple(self._read_blocks(epoch, record))
        checkpoint = self._source.get_checkpoint(self._executed + 1)
        if checkpoint is None:
            # Nobody knows whether this commit made one. The committee core decides it again from its blocks.
            raise ReplayEnded(self._executed, "the next checkpoint is missing")
        transactions: list[Transaction] = []
        if checkpoint.leader == record.leader:
            transactions = self._read_transactions(checkpoint)
        if transactions and not any(block.body.tips for block in blocks):
            raise ReplayEnded(self._executed, "no block of a commit names what it ordered")
        batch = WriteBatch()
        self._archive.put_transactions(batch, transactions)
        await self._archive.commit(batch)
        self._order.order = transactions
        executor.add(SubDagCommitted(record, blocks))
        await executor.execute_waiting()
        return len(transactions)

    def _read_blocks(self, epoch: int, record: CommitRecord) -> Iterator[Block]:
        for reference in record.blocks:
            key = compute_block_key(epoch, reference.round, reference.author, reference.digest)
            encoded = self._rows.get(Table.BLOCKS, key)
            if encoded is None:
                raise ReplayEnded(self._executed, f"block {reference.digest.hex()[:16]} is missing")
            yield decode_block(encoded)

    def _read_transactions(self, checkpoint: Checkpoint) -> list[Transaction]:
        first = checkpoint.ordered_total - checkpoint.ordered_count
        rows = self._source.get_ordered_range(first, checkpoint.ordered_total)
        places = [self._source.find_transaction(row.effect.transaction) for row in rows]
        found = [
            None if place is None else self._rows.get(Table.TRANSACTIONS, compute_sequence_key(place.arrival))
            for place in places
        ]
        transactions = [decode_transaction(encoded) for encoded in found if encoded is not None]
        root = compute_merkle_root([transaction.id for transaction in transactions])
        if root != checkpoint.ordered_root:
            raise ReplayEnded(self._executed, f"transactions of checkpoint {checkpoint.index} are missing")
        return transactions

    def _make_machine(self, read_account: AccountReader, list_accounts: AccountLister) -> ShardMachine:
        recovered = recover(self._archive, self._genesis, 0, make_last_signed(self._chain, 0, self._shard))
        return ShardMachine(
            genesis=self._genesis,
            chain=self._chain,
            shard=self._shard,
            state=recovered.state,
            board=recovered.board,
            backend=self._backend,
            read_account=read_account,
            list_accounts=list_accounts,
            market_entries=recovered.market_entries,
            rules=self._rules,
            staking_entries=recovered.staking_entries,
            commits=recovered.committee.commits,
        )

    def _make_executor(self) -> Executor:
        hooks = FinalityHooks(store=_store_nothing, on_final=lambda final: None)
        attester = Attester(make_genesis_committee(self._genesis), self._chain, None, 0)
        return Executor(
            make_machine=self._make_machine,
            subdag=self._order,
            archive=self._archive,
            finality=Finality(attester=attester, hooks=hooks, certified=0),
            depot=Depot(self._source.training),
            bundles=StoredBundles(self._source.receipts, self._shard),
            on_subdag_events=lambda events: None,
            on_executed=self._on_executed,
        )

    def _on_executed(self, outcome: CheckpointOutcome) -> None:
        index = outcome.checkpoint.index
        expected = self._source.get_checkpoint(index)
        if expected is not None and compute_checkpoint_digest(expected) != outcome.digest:
            raise ReplayDiverged(index)
        self._executed = index

    async def _put_events(self) -> None:
        """The rows of events, as far as checkpoints were final."""
        # The rows of events are made anew too, so certificates tell what was final.
        last = max((parse_sequence_key(key) for key, _ in self._rows.iterate(Table.CERTIFICATES)), default=0)
        certified = min(self._executed, last)
        events = EventLog(self._archive, self._genesis.parameters.address_prefix.decode())
        previous = self._archive.get_checkpoint(0)
        assert previous is not None, "a home is founded before it is executed into"
        for index in range(1, certified + 1):
            batch = WriteBatch()
            checkpoint = self._archive.get_checkpoint(index)
            assert checkpoint is not None, "it was executed a moment ago"
            certificate = self._source.get_certificate(index)
            if certificate is not None and self._holds(certificate, checkpoint):
                self._archive.put_certificate(batch, certificate)
            events.put(batch, checkpoint, previous)
            previous = checkpoint
            await self._archive.commit(batch)

    def _holds(self, certificate: Certificate, checkpoint: Checkpoint) -> bool:
        """Whether a certificate is worth keeping; a later one covers the checkpoint where it is not."""
        committee = self._archive.committees.get_committee(checkpoint.committee_epoch)
        assert committee is not None, "executing the end of an epoch writes the next committee"
        try:
            verify_certificate(certificate, committee, self._chain, self._shard)
        except TangleError:
            return False
        return certificate.digest == compute_checkpoint_digest(checkpoint)


async def _store_nothing(final: Sequence[FinalCheckpoint], late: Sequence[object]) -> None:
    """Nothing becomes final while history is executed again."""
