"""A long history: how long it takes to begin with a snapshot of it, and to prune it.

``python -m benchmarks.bench_history build HOME --transactions 1000000`` makes the home of a lone validator:
the machine executes, the committee core proposes and commits, checkpoints are certified, everything is stored
as a node stores it. Transactions are signed by 1,000 accounts; their evaluations are made up and not
computed, since nobody computes stored ones again. ``measure HOME`` then tells sizes and times, and
``prune HOME`` lets history go.
"""

import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

import anyio
import click
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from shards.certificates import AuthorSignature, Certificate
from shards.checkpoints import sign_attestation
from shards.core import CommitteeCore
from shards.epochs import make_genesis_committee
from shards.events import BlockAccepted, Pace, SubDagCommitted
from shards.guard import make_last_signed
from tangle.core.genesis import (
    Allocation,
    Genesis,
    compute_chain_id,
    compute_shard_genesis_id,
    decode_genesis,
    encode_genesis,
)
from tangle.core.parameters import DEVNET
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transaction, TransactionBody, Transfer, Work, sign_transaction
from tangle.core.types import CheckpointIndex, Grains, Milliseconds, Shard, TransactionId
from tangle.core.types import Sequence as Number
from tangle.ledger.events import SubDagEvent
from tangle.ledger.machine import CheckpointOutcome, ShardMachine
from tangle.ledger.subdag import SubDag
from tangle.node.archive import Archive
from tangle.node.bundle_source import NoBundles
from tangle.node.care.findings import ignore_progress
from tangle.node.clock import SystemClock
from tangle.node.depot import Depot
from tangle.node.event_log import EventLog
from tangle.node.executor import Executor
from tangle.node.founding import found_network
from tangle.node.pruning import Pruner, PruningSettings
from tangle.node.recovery import found, recover
from tangle.node.snapshots.restoring import restore_home
from tangle.node.snapshots.taking import take_quietly
from tangle.store.copies import compact
from tangle.store.home import Home
from tangle.store.lmdb_store import open_lmdb_store
from tangle.store.store import WriteBatch

ACCOUNTS: Final = 1_000
"""Accounts that send and receive."""

PER_BLOCK: Final = 100
"""Transactions of one block, and so of one checkpoint: 500 a second."""

STEP_MS: Final = 200
"""Time between two blocks."""


class Chunks(SubDag):
    """In the place of a DAG: a tip stands for the transactions of its block."""

    def __init__(self, genesis: Genesis, genesis_id: TransactionId) -> None:
        """Nothing to order."""
        super().__init__(genesis.parameters, genesis_id)
        self.chunks: dict[TransactionId, list[Transaction]] = {}

    def order_cone(self, tip: TransactionId) -> list[Transaction]:
        """What the block of this tip brings."""
        return self.chunks.pop(tip)

    def on_checkpoint(self, index: CheckpointIndex) -> tuple[SubDagEvent, ...]:
        """Nothing expires."""
        return ()


class FinalAtOnce:
    """In the place of finality: the lone validator signs each checkpoint."""

    def __init__(self) -> None:
        self.executed: list[CheckpointOutcome] = []

    def on_executed(self, executed: object, *others: object) -> None:
        """Certified by the builder."""

    def __getattr__(self, name: str) -> object:
        return lambda *args, **kwargs: None


def make_key(name: str) -> SigningKey:
    """The same key each time."""
    return SigningKey(name.encode().ljust(32, b"\x00"))


class Builder:
    """Makes history."""

    def __init__(self, genesis: Genesis, archive: Archive, validator: SigningKey) -> None:
        self.genesis, self.archive, self.validator = genesis, archive, validator
        self.chain = compute_chain_id(genesis)
        self.keys = [make_key(f"account {number}") for number in range(ACCOUNTS)]
        self.numbers = [0] * ACCOUNTS
        self.made = 0
        self.genesis_id = compute_shard_genesis_id(self.chain, Shard(0))
        self.parent = self.genesis_id
        self.subdag = Chunks(genesis, self.genesis_id)
        self.outcomes: list[CheckpointOutcome] = []
        recovered = recover(archive, genesis, 0, make_last_signed(self.chain, 0, Shard(0)))
        self.executor = Executor(
            make_machine=lambda read, accounts: ShardMachine(
                genesis=genesis,
                chain=self.chain,
                shard=Shard(0),
                state=recovered.state,
                board=recovered.board,
                backend=NumpyBackend(),
                read_account=read,
                list_accounts=accounts,
                market_entries=recovered.market_entries,
                staking_entries=recovered.staking_entries,
                commits=(),
            ),
            subdag=self.subdag,
            archive=archive,
            finality=FinalAtOnce(),  # type: ignore[arg-type]  # the builder certifies by itself
            depot=Depot(archive.training),
            bundles=NoBundles(),
            on_subdag_events=lambda events: None,
            on_executed=self.outcomes.append,
        )
        pace = Pace(Milliseconds(0), Milliseconds(0), Milliseconds(0))
        committee = make_genesis_committee(genesis)
        self.core = CommitteeCore(
            committee, genesis.parameters, self.chain, Shard(0), 0, pace, lambda _: True, None
        )
        self.events = EventLog(archive, genesis.parameters.address_prefix.decode())
        self.now_ms = genesis.timestamp_ms

    async def build(self, total: int) -> None:
        """Order so many transactions."""
        done, blocks, began_s = 0, 0, perf_counter()
        while done < total or self.subdag.chunks:
            chunk = self.make_chunk(min(PER_BLOCK, total - done))
            done += len(chunk)
            blocks += 1
            await self.propose(chunk)
            if blocks % 250 == 0:
                rate = done / (perf_counter() - began_s)
                click.echo(f"{done} transactions, {rate:.0f} a second", err=True)

    def make_chunk(self, count: int) -> list[Transaction]:
        """The transactions of the next block."""
        machine, anchor = self.executor.machine, self.executor.machine.state.checkpoint_index
        entry = machine.board[0]
        chunk = []
        for _ in range(count):
            self.made += 1
            sender = self.made % ACCOUNTS
            body = TransactionBody(
                version=1,
                chain=self.chain,
                shard=Shard(0),
                issuer=self.keys[sender].public_key,
                sequence=Number(self.numbers[sender]),
                anchor=anchor,
                parents=(self.parent,),
                operation=Transfer(self.keys[self.made * 17 % ACCOUNTS].public_key, Grains(1)),
                work=Work(
                    1,
                    entry.state.opened.id,
                    entry.state.generation,
                    self.keys[sender].public_key,
                    (self.made % 199 - 99,),
                ),
                max_fee=Grains(10**15),
            )
            self.numbers[sender] += 1
            chunk.append(sign_transaction(body, self.keys[sender]))
        if chunk:
            self.parent = chunk[-1].id
        return chunk

    async def propose(self, chunk: Sequence[Transaction]) -> None:
        """One block, and what it commits."""
        self.now_ms = Milliseconds(self.now_ms + STEP_MS)
        tips = (chunk[-1].id,) if chunk else ()
        if chunk:
            self.subdag.chunks[chunk[-1].id] = list(chunk)
        self.core.on_deadline(self.now_ms)
        _, events = self.core.propose(self.now_ms, tips, (), self.validator)
        batch = WriteBatch()
        self.archive.put_transactions(batch, chunk)
        self.archive.committees.put_blocks(
            batch, [event.block for event in events if isinstance(event, BlockAccepted)]
        )
        await self.archive.commit(batch)
        for event in events:
            if isinstance(event, SubDagCommitted):
                self.executor.add(event)
        await self.executor.execute_waiting()
        await self.certify()

    async def certify(self) -> None:
        """Sign what was executed."""
        batch = WriteBatch()
        for outcome in self.outcomes:
            checkpoint = outcome.checkpoint
            signed = sign_attestation(outcome.digest, checkpoint.index, Shard(0), self.validator, self.chain)
            parts = (AuthorSignature(0, signed.signature),)
            self.archive.put_certificate(batch, Certificate(checkpoint.index, outcome.digest, parts))
            previous = self.archive.get_checkpoint(checkpoint.index - 1)
            assert previous is not None, "checkpoints have no gaps"
            self.events.put(batch, checkpoint, previous)
        self.outcomes.clear()
        await self.archive.commit(batch)


def make_genesis() -> Genesis:
    """A network of one validator."""
    validator = make_key("validator").public_key
    timestamp_ms = SystemClock().now_ms() - 7_200_000
    genesis = found_network("devnet", DEVNET, [validator], make_key("faucet").public_key, timestamp_ms)
    accounts = tuple(
        Allocation(make_key(f"account {number}").public_key, Grains(10**15)) for number in range(ACCOUNTS)
    )
    return replace(
        genesis,
        allocations=(*genesis.allocations, *accounts),
        parameters=replace(genesis.parameters, epoch_ms=Milliseconds(86_400_000)),
    )


@click.group()
def main() -> None:
    """Build a long history, and measure."""


@main.command()
@click.argument("home", type=click.Path(path_type=Path))
@click.option("--transactions", default=1_000_000, show_default=True)
def build(home: Path, transactions: int) -> None:
    """Make a home with so many ordered transactions."""
    genesis = make_genesis()
    home.mkdir(mode=0o700, parents=True)
    (home / "genesis.cbor").write_bytes(encode_genesis(genesis))

    async def run() -> None:
        chain = compute_chain_id(genesis)
        store = open_lmdb_store(home / "db", chain, group_wait_ms=0)
        archive = Archive(store)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            await found(archive, genesis, chain, Shard(0), NumpyBackend())
            await Builder(genesis, archive, make_key("validator")).build(transactions)
            store.stop()
        store.close()

    began_s = perf_counter()
    anyio.run(run)
    click.echo(f"built in {perf_counter() - began_s:.1f} s, {get_size(home)} bytes on disk")


def get_size(home: Path) -> int:
    """Bytes of a home's databases."""
    return sum(path.stat().st_size for path in (home / "db").rglob("data.mdb"))


def get_memory() -> int:
    """The most that this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@main.command()
@click.argument("home", type=click.Path(path_type=Path, exists=True))
def measure(home: Path) -> None:
    """Make a snapshot, and restore it in another home."""
    encoded = (home / "genesis.cbor").read_bytes()
    genesis = decode_genesis(encoded)
    path, other = home / "a.snapshot", Home(home / "other")
    began_s = perf_counter()
    facts = take_quietly(home / "db", encoded, path)
    click.echo(
        f"made in {perf_counter() - began_s:.1f} s: checkpoint {facts.checkpoint}, from {facts.first}, "
        f"{facts.transactions} transactions, {facts.size} bytes; memory {get_memory()} MiB"
    )
    other.path.mkdir()
    began_s = perf_counter()
    anyio.run(restore_home, path, other.database, genesis, Shard(0), lambda read: None)
    click.echo(
        f"verified and restored in {perf_counter() - began_s:.1f} s, {get_size(other.path)} bytes; "
        f"memory {get_memory()} MiB"
    )


@main.command()
@click.argument("home", type=click.Path(path_type=Path, exists=True))
def prune(home: Path) -> None:
    """Let all history go that may go, and compact."""
    genesis = decode_genesis((home / "genesis.cbor").read_bytes())
    before = get_size(home)

    async def run() -> int:
        store = open_lmdb_store(home / "db", compute_chain_id(genesis))
        total = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            state = Archive(store).get_ledger_state()
            assert state is not None, "it was built"
            while rows := await Pruner(
                store, genesis, PruningSettings(0, 1), lambda: state.checkpoint_index
            ).prune():
                total += rows
            store.stop()
        store.close()
        return total

    began_s = perf_counter()
    rows = anyio.run(run)
    click.echo(f"{rows} rows went in {perf_counter() - began_s:.1f} s; memory {get_memory()} MiB")
    began_s = perf_counter()
    compact(home / "db", ignore_progress)
    click.echo(f"{before} bytes before, {get_size(home)} after compacting ({perf_counter() - began_s:.1f} s)")


if __name__ == "__main__":
    sys.exit(main())
