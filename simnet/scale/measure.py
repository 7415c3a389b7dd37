"""Measures every step on the real code, in this process, when it is asked.

Each figure is the processor time of the best of a few passes, the one least disturbed by the rest of the
machine. What lies between the steps (tasks, events, sockets, the interpreter's own work) is in no figure, so
a real node is slower.
"""

import platform
from collections.abc import Callable
from functools import partial
from time import thread_time
from typing import Any, Final

from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.protocol import Backend
from poi.events import CountedWork
from poi.evolution import open_job, verify_work
from poi.presets import DIGITS
from poi.state import JobState
from poi.weights import compute_effective, compute_initial_master
from shards.blocks import (
    Block,
    check_block,
    compute_genesis_references,
    decode_block,
)
from shards.committee import Committee
from shards.core import CommitteeCore
from simnet.chance import make_key
from simnet.scale.costs import US_PER_S, BlockCosts, StepCosts, TransactionCosts
from simnet.scale.plan import make_pace
from simnet.scale.samples import SEED, SHARD, Sample, make_block, make_next_block, make_sample
from simnet.scale.steps import (
    decode_all,
    execute,
    make_machine,
    prepare_attaching,
    prepare_ordering,
    prepare_sending,
    verify_all,
)
from tangle.core.types import Milliseconds, TransactionId
from tangle.net.frames import CHUNK_OVERHEAD, LENGTH_SIZE
from tangle.net.messages import Announce, prepare_message

TRANSACTIONS: Final = 2_048
"""Measured on so many at a time."""

PASSES: Final = 3
"""Of which the best counts."""

WORK_BATCH: Final = 128
"""Transactions whose work a worker checks in one call, as ``ingest.BATCH_MAX``."""

CORE_MEMBERS: Final = (7, 61)
"""Sizes of the committees whose cores are measured; what lies beyond is drawn from these as a line."""

CORE_ROUNDS: Final = 12
"""Rounds of each."""

SIZES: Final = (4, 100)
"""Ancestors, and tips, of the blocks between which a line is drawn."""

Report = Callable[[str], None]


def measure_costs(on_step: Report = lambda _: None, *, transactions: int = TRANSACTIONS) -> StepCosts:
    """Measure everything, in some seconds.

    :param on_step: told what is measured next.
    """
    backend = NumpyBackend()
    keys = [make_key(SEED, "validator", index) for index in range(CORE_MEMBERS[-1])]
    on_step("making transactions")
    sample = make_sample(keys[:4], transactions, backend)
    on_step("transactions")
    of_transaction = _measure_transactions(sample, backend)
    on_step("blocks")
    of_block = _measure_blocks(sample)
    processor = platform.processor() or platform.machine()
    return StepCosts(
        transaction=of_transaction,
        block=of_block,
        checkpoint_us=_time(partial(_prepare_executing, sample, backend, 0), 1, prepared=True),
        fold_us=_measure_fold(sample, backend),
        announce_bytes=_measure_announcement(),
        frame_bytes=CHUNK_OVERHEAD + LENGTH_SIZE,
        machine=f"{platform.python_implementation()} {platform.python_version()}, {processor}",
    )


def _time(function: Callable[[], object], count: int, prepared: bool = False) -> float:
    """Best time of one of ``count`` steps, in microseconds.

    :param prepared: ``function`` answers the function to be timed.
    """
    best_s = float("inf")
    for _ in range(PASSES):
        timed: Any = function() if prepared else function
        begun_s = thread_time()
        timed()
        best_s = min(best_s, thread_time() - begun_s)
    return best_s * US_PER_S / count


# ── transactions ────────────────────────────────────────────────────────────────────────────────────────────


def _measure_transactions(sample: Sample, backend: Backend) -> TransactionCosts:
    transactions, count = sample.transactions, len(sample.transactions)
    execute_us = _time(partial(_prepare_executing, sample, backend, count), 1, prepared=True)
    empty_us = _time(partial(_prepare_executing, sample, backend, 0), 1, prepared=True)
    return TransactionCosts(
        decode_us=_time(partial(decode_all, sample), count),
        signature_us=_time(partial(verify_all, transactions), count),
        work_us=_measure_work(sample, backend),
        attach_us=_time(partial(prepare_attaching, sample), count, prepared=True),
        order_us=_time(partial(prepare_ordering, sample), count, prepared=True),
        execute_us=max(0.0, execute_us - empty_us) / count,
        send_us=_time(partial(prepare_sending, sample), count, prepared=True),
        bytes=max(len(transaction.encoded) for transaction in transactions),
    )


def _prepare_executing(sample: Sample, backend: Backend, count: int) -> Callable[[], object]:
    return partial(execute, make_machine(sample, backend), sample.transactions[:count])


def _measure_work(sample: Sample, backend: Backend) -> float:
    opened = open_job(DIGITS)
    weights = compute_effective(DIGITS, compute_initial_master(DIGITS, opened.id))
    bodies = [transaction.body for transaction in sample.transactions[:WORK_BATCH]]
    works = [CountedWork(0, body.issuer, body.sequence, body.work.results) for body in bodies]
    return _time(lambda: verify_work(opened, 0, weights, works, backend), len(works))


def _measure_announcement() -> float:
    empty, full = (len(prepare_message(Announce((TransactionId(bytes(32)),) * n)).payload) for n in (1, 101))
    return (full - empty) / 100


def _measure_fold(sample: Sample, backend: Backend) -> float:
    opened = open_job(DIGITS)
    bodies = [transaction.body for transaction in sample.transactions[: DIGITS.population]]
    works = [CountedWork(0, body.issuer, body.sequence, body.work.results) for body in bodies]

    def prepare() -> Callable[[], object]:
        state = JobState.start(opened, Milliseconds(0))
        for work in works:
            state.count(work)
        return lambda: state.close_if_due(DIGITS.generation_interval_ms, backend)

    return _time(prepare, 1, prepared=True)


# ── blocks ──────────────────────────────────────────────────────────────────────────────────────────────────


def _measure_blocks(sample: Sample) -> BlockCosts:
    key, chain = make_key(SEED, "validator", 0), sample.chain
    few, many = SIZES
    plain, wide, tipped = (
        make_block(key, chain, ancestors, tips, 0) for ancestors, tips in ((few, 0), (many, 0), (few, many))
    )
    attesting = make_block(key, chain, few, 0, 8)
    span = many - few

    def decode(block: Block) -> float:
        return _time(lambda: [decode_block(block.encoded) for _ in range(50)], 50)

    base_us = decode(plain)
    cores = [_measure_core(members) for members in CORE_MEMBERS]
    slope_us = max(0.0, (cores[1] - cores[0]) / (CORE_MEMBERS[1] - CORE_MEMBERS[0]))
    ancestor_bytes = (len(wide.encoded) - len(plain.encoded)) / span
    return BlockCosts(
        decode_us=base_us,
        decode_ancestor_us=max(0.0, decode(wide) - base_us) / span,
        decode_tip_us=max(0.0, decode(tipped) - base_us) / many,
        accept_us=max(0.0, cores[0] - slope_us * CORE_MEMBERS[0]),
        accept_member_us=slope_us,
        signature_us=_time(partial(verify_all, sample.transactions[:200]), 200),
        make_us=_time(lambda: [make_block(key, chain, few, 0, 1) for _ in range(20)], 20),
        base_bytes=round(len(plain.encoded) - few * ancestor_bytes),
        ancestor_bytes=ancestor_bytes,
        tip_bytes=(len(tipped.encoded) - len(plain.encoded)) / many,
        attestation_bytes=(len(attesting.encoded) - len(plain.encoded)) / 8,
    )


def _measure_core(members: int) -> float:
    """One validator's core while all propose in step, per block, in microseconds."""
    keys = [make_key(SEED, "validator", index) for index in range(members)]
    sample = make_sample(keys, 0, NumpyBackend())
    committee = Committee(0, sample.genesis.validators)
    parameters, chain = sample.genesis.parameters, sample.chain
    core = CommitteeCore(committee, parameters, chain, SHARD, 0, make_pace(), lambda _: True, None)
    latest = list(compute_genesis_references(committee, chain, SHARD))
    spent_s, count, now_ms = 0.0, 0, 1_000_000
    for round_number in range(1, CORE_ROUNDS + 1):
        own, _ = core.propose(now_ms, (), (), keys[0])
        blocks = [
            make_next_block(keys[author], chain, round_number, author, latest) for author in range(1, members)
        ]
        for block in blocks:
            check_block(block, committee, chain, SHARD, parameters)
        begun_s = thread_time()
        for block in blocks:
            core.process_block(block, now_ms)
        spent_s += thread_time() - begun_s
        count += len(blocks)
        now_ms += 100
        latest = [own.reference, *(block.reference for block in blocks)]
    assert core.last_commit is not None, "nothing was committed, so the rule's work is not in the figure"
    return spent_s * US_PER_S / count
