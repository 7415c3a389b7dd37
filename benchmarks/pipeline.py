"""The steps of a transaction inside a node, each by itself in this process, on the real code.

What lies between the steps (tasks, queues, sockets, the interpreter's own work) is in none of them: it
is what the stage ``one-node`` costs more than all of these together.
"""

import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import anyio

from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.opening import open_backend
from aivm.backends.protocol import Backend
from poi.events import CountedWork
from poi.evolution import open_job, verify_work
from poi.presets import DIGITS
from poi.state import JobState
from poi.weights import compute_effective, compute_initial_master
from shards.certificates import AuthorSignature, Certificate
from shards.checkpoints import Checkpoint, compute_checkpoint_digest, sign_attestation
from shards.proofs import PROOF_VERSION, TransactionProof, encode_transaction_proof, verify_transaction_proof
from simnet.chance import make_key
from simnet.scale.samples import SEED, SHARD, Sample, make_sample
from simnet.scale.steps import (
    decode_all,
    execute,
    make_machine,
    prepare_attaching,
    prepare_ordering,
    prepare_sending,
    verify_all,
)
from tangle.cli.bench.records import Clock, Conditions, Pass, Plan, Stage
from tangle.cli.bench.running import time_passes
from tangle.core.merkle import compute_inclusion_proof
from tangle.core.types import Milliseconds
from tangle.ledger.machine import CheckpointOutcome
from tangle.node.archive import Archive
from tangle.store.lmdb_store import open_lmdb_store
from tangle.store.store import WriteBatch

WORK_BATCH: Final = 128
"""Transactions whose work a worker checks in one call, as the intake's batches are."""

CHECKPOINT_SIZE: Final = 512
"""Transactions in one checkpoint, and in one write: what gathers in a tenth of a second under a blast."""

BYTES: Final = 308
"""Of the longest transaction of the sample."""

VALIDATORS: Final = 4
"""Members of the committee that signs."""


@cache
def get_sample(count: int) -> Sample:
    """Transactions to measure on; made once."""
    keys = [make_key(SEED, "validator", index) for index in range(VALIDATORS)]
    sample = make_sample(keys, count, NumpyBackend())
    assert max(len(transaction.encoded) for transaction in sample.transactions) <= BYTES
    return sample


@cache
def get_backend(device: str) -> Backend:
    """What workers compute on."""
    cache_path = Path.home() / ".cache" / "tangle-kernels"
    return open_backend("CPU" if device == "auto" else device, os.environ, cache_path)


def get_count(plan: Plan) -> int:
    """Transactions in a pass."""
    return plan.scale(4_096, 512)


def measure_on_sample(
    prepare: Callable[[Sample], Callable[[], object]],
) -> Callable[[Plan], Sequence[Pass]]:
    """A stage that handles every transaction of the sample once."""

    def measure(plan: Plan) -> Sequence[Pass]:
        sample = get_sample(get_count(plan))
        return time_passes(plan, len(sample.transactions), lambda: prepare(sample))

    return measure


def measure_work(plan: Plan) -> Sequence[Pass]:
    """Recompute the work of transactions, as many at a time as a worker is given."""
    opened, backend = open_job(DIGITS), get_backend(plan.device)
    weights = compute_effective(DIGITS, compute_initial_master(DIGITS, opened.id))
    works = _list_works(get_sample(get_count(plan)))

    def run() -> None:
        for start in range(0, len(works), WORK_BATCH):
            verify_work(opened, 0, weights, works[start : start + WORK_BATCH], backend)

    return time_passes(plan, len(works), lambda: run)


def _list_works(sample: Sample) -> list[CountedWork]:
    bodies = [transaction.body for transaction in sample.transactions]
    return [CountedWork(0, body.issuer, body.sequence, body.work.results) for body in bodies]


def prepare_execution(sample: Sample) -> Callable[[], object]:
    """Execute all in one checkpoint."""
    return partial(execute, make_machine(sample, NumpyBackend()), sample.transactions)


def measure_store(plan: Plan) -> Sequence[Pass]:
    """Everything that is written for a transaction, in synced groups: itself, its place, effect, account."""
    sample = get_sample(CHECKPOINT_SIZE)
    outcome = execute(make_machine(sample, NumpyBackend()), sample.transactions)
    passes = []
    for number in range(plan.passes + 1):
        root = plan.scratch / f"store-{number}"
        root.mkdir()
        passes.append(anyio.run(_write_groups, root, sample, outcome, plan.scale(8, 2)))
    return passes[1:]


async def _write_groups(root: Path, sample: Sample, outcome: CheckpointOutcome, groups: int) -> Pass:
    store = open_lmdb_store(root, sample.chain)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            archive = Archive(store)
            begun_s, begun_cpu_s = perf_counter(), process_time()
            for _ in range(groups):
                batch = WriteBatch()
                archive.put_transactions(batch, outcome.transactions)
                await archive.commit(batch)
                batch = WriteBatch()
                archive.put_ordered(batch, outcome)
                archive.put_checkpoint(batch, outcome.checkpoint)
                archive.put_accounts(batch, outcome.accounts)
                archive.put_earnings(batch, outcome.checkpoint.index, outcome.earnings)
                archive.put_ledger_state(batch, outcome.state)
                await archive.commit(batch)
            count = groups * len(outcome.transactions)
            timing = Pass(count, perf_counter() - begun_s, process_time() - begun_cpu_s)
            store.stop()
    finally:
        store.close()
    return timing


def measure_fold(plan: Plan) -> Sequence[Pass]:
    """Close a generation: fold its votes into the weights, score them."""
    opened, backend = open_job(DIGITS), NumpyBackend()
    works = _list_works(get_sample(get_count(plan)))[: DIGITS.population]
    folds = plan.scale(20, 2)

    def prepare() -> Callable[[], None]:
        states = [JobState.start(opened, Milliseconds(0)) for _ in range(folds)]
        for state in states:
            for work in works:
                state.count(work)

        def close_all() -> None:
            for state in states:
                assert state.close_if_due(DIGITS.generation_interval_ms, backend) is not None

        return close_all

    return time_passes(plan, folds, prepare)


def certify(checkpoint: Checkpoint) -> Certificate:
    """All validators' signatures under a checkpoint of the sample."""
    digest, signatures = compute_checkpoint_digest(checkpoint), []
    for author in range(VALIDATORS):
        key = make_key(SEED, "validator", author)
        attestation = sign_attestation(digest, checkpoint.index, SHARD, key, checkpoint.chain)
        signatures.append(AuthorSignature(author, attestation.signature))
    return Certificate(checkpoint.index, digest, tuple(signatures))


def measure_proof(plan: Plan) -> Sequence[Pass]:
    """Verify proofs of transactions of one checkpoint, with nothing but the genesis."""
    sample = get_sample(CHECKPOINT_SIZE)
    outcome = execute(make_machine(sample, NumpyBackend()), sample.transactions)
    certificate = certify(outcome.checkpoint)
    ids = [transaction.id for transaction in outcome.transactions]
    count = plan.scale(200, 20)
    proofs = [
        encode_transaction_proof(
            TransactionProof(
                version=PROOF_VERSION,
                transaction=outcome.transactions[place].encoded,
                effect=outcome.effects_encoded[place],
                ordered=compute_inclusion_proof(ids, place),
                effects=compute_inclusion_proof(outcome.effects_encoded, place),
                checkpoint=outcome.checkpoint,
                certificate=certificate,
            )
        )
        for place in range(count)
    ]

    def run() -> None:
        for proof in proofs:
            verify_transaction_proof(proof, sample.genesis)

    return time_passes(plan, count, lambda: run)


PLAIN: Final = Conditions(bytes=BYTES, is_signed=True)

PIPELINE: Final = (
    Stage(
        "decode",
        "strict decoding, the id's hash, checks without context",
        "transactions",
        measure_on_sample(lambda sample: partial(decode_all, sample)),
        "cbor-raw",
        conditions=PLAIN,
        is_pipeline=True,
    ),
    Stage(
        "verify",
        "the signature of a transaction",
        "transactions",
        measure_on_sample(lambda sample: partial(verify_all, sample.transactions)),
        "verify-raw",
        conditions=Conditions(bytes=BYTES, is_signed=True, is_verified=True),
        is_pipeline=True,
    ),
    Stage(
        "work",
        "one evaluation recomputed, 128 at a time",
        "transactions",
        measure_work,
        "verify-raw",
        conditions=Conditions(is_worked=True),
        is_pipeline=True,
    ),
    Stage(
        "attach",
        "into the sub-DAG, parents known",
        "transactions",
        measure_on_sample(prepare_attaching),
        "hash-raw",
        conditions=PLAIN,
        is_pipeline=True,
    ),
    Stage(
        "order",
        "tips chosen and their cones put in order",
        "transactions",
        measure_on_sample(prepare_ordering),
        "hash-raw",
        conditions=PLAIN,
        is_pipeline=True,
    ),
    Stage(
        "execute",
        "effects, accounts, roots and the checkpoint",
        "transactions",
        measure_on_sample(prepare_execution),
        "hash-raw",
        conditions=Conditions(bytes=BYTES, is_executed=True),
        is_pipeline=True,
    ),
    Stage(
        "store",
        "all rows of a transaction in LMDB, 512 in a synced write",
        "transactions",
        measure_store,
        "puts-raw",
        Clock.WALL,
        Conditions(bytes=BYTES, is_synced=True),
        is_pipeline=True,
    ),
    Stage(
        "gossip",
        "sealed, opened and announced once, 32 in a message",
        "transactions",
        measure_on_sample(prepare_sending),
        "cbor-raw",
        conditions=PLAIN,
        is_pipeline=True,
    ),
    Stage(
        "fold", "a generation closed: votes folded, weights scored", "generations", measure_fold, "hash-raw"
    ),
    Stage(
        "proof",
        "an offline proof of a transaction verified, four signatures under its checkpoint",
        "proofs",
        measure_proof,
        "verify-raw",
        conditions=Conditions(bytes=BYTES, is_signed=True, is_verified=True),
    ),
)
"""In the order in which a transaction meets them."""
