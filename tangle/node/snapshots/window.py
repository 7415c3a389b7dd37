"""How much history a node needs beside the state: what transactions and committees can still reach.

A transaction that is ordered later than ``expiry_gap`` after its anchor is expired, and its parents are
anchored at most ``anchor_gap`` before it. Nothing older than both together is ever ordered again (it is void,
see ``SubDag.order_cone``). So the window goes back as far from the checkpoint, and further where the open
generation of a standing job is older, or where another shard has not said yet that it credited a receipt.
Snapshots hold it, and pruning leaves it. Work may be of generations that are older still: of these the
weights are needed, and a certified checkpoint that names them.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from poi.job import StandingJob, compute_job_id, decode_job
from shards.checkpoints import Checkpoint, decode_checkpoint
from tangle.core.encoding import decode
from tangle.core.genesis import Genesis
from tangle.core.types import JobId
from tangle.ledger.state import decode_ledger_state
from tangle.ledger.subdag import compute_void_anchor
from tangle.node.archive import (
    HISTORY_BASE,
    LEDGER,
    RECORD_SIZE_MAX,
    GenerationRecord,
    HistoryBase,
    decode_history_base,
)
from tangle.node.receipt_archive import SentReceipt
from tangle.node.snapshots.errors import SnapshotUnready
from tangle.node.training_archive import PaidJob
from tangle.store.keys import compute_generation_key, compute_receipt_key, compute_sequence_key
from tangle.store.snapshot import Readable
from tangle.store.store import Table


class Window(Struct, frozen=True):
    """The part of history that is needed."""

    first: int
    """Its first checkpoint: itself needed, and everything after it with what it ordered."""

    last: int
    """Its last checkpoint."""


def read_history_base(source: Readable) -> HistoryBase | None:
    """Where history begins; none where it begins with the genesis."""
    value = source.get(Table.META, HISTORY_BASE)
    return None if value is None else decode_history_base(value)


def read_checkpoint(source: Readable, index: int) -> Checkpoint:
    """A checkpoint of history.

    :raises SnapshotUnready: it is not here.
    """
    value = source.get(Table.CHECKPOINTS, compute_sequence_key(index))
    if value is None:
        raise SnapshotUnready(index, "history has a gap there")
    return decode_checkpoint(value)


def read_genesis_jobs(genesis: Genesis) -> Mapping[JobId, StandingJob]:
    """The standing jobs of the genesis, by id."""
    jobs = [decode_job(entry.parameters) for entry in genesis.board]
    return {compute_job_id(job): job for job in jobs}


def find_window(source: Readable, genesis: Genesis, last: int) -> Window:
    """What is needed at checkpoint ``last``.

    :raises SnapshotUnready: it is not all here.
    """
    first = max(0, compute_void_anchor(last, genesis.parameters))
    for model in read_checkpoint(source, last).models:
        if model.budget:
            first = min(first, read_generation(source, model.job, model.generation).checkpoint)
    first = min(first, _find_unacknowledged(source, last))
    return Window(max(0, first - 1), last)


def iterate_checkpoints(source: Readable, window: Window) -> Iterator[Checkpoint]:
    """All of a window in order.

    :raises SnapshotUnready: there is a gap.
    """
    for index in range(window.first, window.last + 1):
        yield read_checkpoint(source, index)


def read_paid_job(source: Readable, job: JobId) -> PaidJob:
    """A paid job that is or was on the board.

    :raises SnapshotUnready: it is not here.
    """
    value = source.get(Table.PAID_JOBS, job)
    if value is None:
        raise SnapshotUnready(0, f"standing job {job.hex()[:16]} is not here")
    return decode(PaidJob, value, limit=RECORD_SIZE_MAX)


def _find_unacknowledged(source: Readable, last: int) -> int:
    """Checkpoint of the oldest receipt that its target has not acknowledged: its bundle may be asked for."""
    value = source.get(Table.META, LEDGER)
    state = None if value is None else decode_ledger_state(value)
    first = last
    for target, (acknowledged, sent) in enumerate(
        () if state is None else zip(state.acknowledged, state.sent, strict=True)
    ):
        row = source.get(Table.RECEIPTS_OUT, compute_receipt_key(target, acknowledged))
        if acknowledged < sent and row is not None:
            first = min(first, decode(SentReceipt, row, limit=RECORD_SIZE_MAX).checkpoint)
    return first


def list_witnessed(source: Readable, genesis: Genesis, first: int) -> list[tuple[JobId, int]]:
    """Generations that are older than a window and that work may still be of, each with its job.

    :param first: first checkpoint of the window.
    """
    own = read_genesis_jobs(genesis)
    found = []
    for model in read_checkpoint(source, first).models:
        job = own.get(model.job) or decode_job(read_paid_job(source, model.job).parameters)
        oldest = max(0, model.generation - job.work_window)
        found += [(model.job, generation) for generation in range(oldest, model.generation)]
    return found


def read_generation(source: Readable, job: JobId, generation: int) -> GenerationRecord:
    """A generation of a standing job.

    :raises SnapshotUnready: it is not here.
    """
    value = source.get(Table.GENERATIONS, compute_generation_key(job, generation))
    if value is None:
        raise SnapshotUnready(0, f"generation {generation} of standing job {job.hex()[:16]} is not here")
    return decode(GenerationRecord, value, limit=RECORD_SIZE_MAX)
