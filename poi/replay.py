"""Rebuilds a job's every generation from ledger data alone.

The ledger's history is the training log: commit times and ordered work are enough. ``tangle model replay``
feeds the checkpoints in and compares each digest with the one that the validators signed.
"""

from collections.abc import Iterable, Iterator

from aivm.backends.protocol import Backend
from poi.errors import ReplayMismatch
from poi.events import ClosedGeneration, Counted, CountedWork, ReplayStep
from poi.evolution import OpenJob, verify_work
from poi.state import JobState
from poi.weights import decode_effective
from tangle.core.types import Digest, Milliseconds


def replay(
    opened: OpenJob,
    start_ms: Milliseconds,
    steps: Iterable[ReplayStep],
    backend: Backend,
    *,
    is_recomputed: bool = False,
) -> Iterator[ClosedGeneration]:
    """Yield generation 0 and then each generation as the checkpoints in ``steps`` close it.

    :param start_ms: commit time at which the job was opened.
    :param is_recomputed: also recompute every result that counted, instead of trusting the signed history.
    :raises ForgedWork: a counted result is wrong; only when recomputing.
    :raises WrongGeneration, StaleWork: the data cannot come from a ledger that verified its work.
    """
    state = JobState.start(opened, start_ms)
    yield state.describe(0, backend)
    for step in steps:
        counted: dict[int, list[CountedWork]] = {}
        for work in step.works:
            if isinstance(state.count(work), Counted):
                counted.setdefault(work.generation, []).append(work)
        if is_recomputed:
            for generation, works in counted.items():
                weights = decode_effective(opened.shape.layers, state.get_weights_encoded(generation))
                verify_work(opened, generation, weights, works, backend)
        closed = state.close_if_due(step.timestamp_ms, backend)
        if closed is not None:
            yield closed


def verify_generation_digest(replayed: ClosedGeneration, stated: Digest) -> None:
    """Compare a replayed generation with the digest that a checkpoint states.

    :raises ReplayMismatch: they differ.
    """
    if replayed.digest != stated:
        raise ReplayMismatch(replayed.generation, stated, replayed.digest)
