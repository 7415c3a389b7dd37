"""One answer of the answers of several shards. Pure."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TypeVar

from msgspec.structs import replace

from tangle.api.schemas.ledger import ShardAnswer
from tangle.api.schemas.network import LatencyAnswer, ResourcesAnswer, StatusAnswer
from tangle.api.wire import Quantity

Item = TypeVar("Item")


def merge_shards(answers: Mapping[int, Sequence[ShardAnswer]]) -> tuple[ShardAnswer, ...]:
    """All shards of the chain, each as its own node tells of it.

    :param answers: what the nodes of the shards said; there is at least one.
    """
    merged = list(next(iter(answers.values())))
    for shard, told in answers.items():
        merged[shard] = told[shard]
    served = answers.keys()
    return tuple(each if each.shard in served else _hide(each) for each in merged)


def _hide(answer: ShardAnswer) -> ShardAnswer:
    return replace(answer, checkpoint=None, checkpoint_digest=None, ordered_total=None)


def merge_statuses(answers: Mapping[int, StatusAnswer], processes: Mapping[int, int]) -> StatusAnswer:
    """One screen about a node with several shards: sums, the slowest finality, the oldest checkpoint.

    What only one shard has (its checkpoint, its round, its price, its model) is the first one's.

    :param processes: id of the process by shard; the memory of a process is counted once.
    """
    first, every = next(iter(answers.values())), tuple(answers.values())
    queues: dict[str, int] = {}
    for answer in every:
        for name, length in answer.queues.items():
            queues[name] = queues.get(name, 0) + length
    resident = {processes.get(shard, 0): int(answer.resident_bytes) for shard, answer in answers.items()}
    return replace(
        first,
        uptime_s=min(answer.uptime_s for answer in every),
        is_ready=all(answer.is_ready for answer in every),
        checkpoint_age_ms=max(answer.checkpoint_age_ms for answer in every),
        peers=min(answer.peers for answer in every),
        tips=sum(answer.tips for answer in every),
        pending=sum(answer.pending for answer in every),
        waiting=sum(answer.waiting for answer in every),
        ordered_total=Quantity(sum(answer.ordered_total for answer in every)),
        rate_in=sum(answer.rate_in for answer in every),
        rate_final=sum(answer.rate_final for answer in every),
        finality=_merge_latencies([answer.finality for answer in every]),
        resident_bytes=Quantity(sum(resident.values())),
        database_bytes=Quantity(sum(answer.database_bytes for answer in every)),
        queues=queues,
        resources=_merge_resources(answers, processes),
    )


def _merge_resources(answers: Mapping[int, StatusAnswer], processes: Mapping[int, int]) -> ResourcesAnswer:
    """Sums over the processes, each counted once; the latest loop, and the fullest disk."""
    every = {processes.get(shard, 0): answer.resources for shard, answer in answers.items()}.values()
    evaluations: dict[str, Quantity] = {}
    for each in every:
        for device, count in each.evaluations.items():
            evaluations[device] = Quantity(evaluations.get(device, 0) + count)
    return ResourcesAnswer(
        cpu_s=sum(each.cpu_s for each in every),
        workers_cpu_s=sum(each.workers_cpu_s for each in every),
        loop_lag_ms=max(each.loop_lag_ms for each in every),
        disk_free_bytes=min(each.disk_free_bytes for each in every),
        workers=sum(each.workers for each in every),
        evaluations=evaluations,
    )


def _merge_latencies(answers: Sequence[LatencyAnswer]) -> LatencyAnswer:
    """The slowest shard's quantiles: whoever waits, waits at most so long."""

    def find_slowest(values: Sequence[float | None]) -> float | None:
        return max((value for value in values if value is not None), default=None)

    return LatencyAnswer(
        p50_ms=find_slowest([answer.p50_ms for answer in answers]),
        p95_ms=find_slowest([answer.p95_ms for answer in answers]),
        p99_ms=find_slowest([answer.p99_ms for answer in answers]),
        samples=sum(answer.samples for answer in answers),
    )


def interleave(pages: Sequence[Sequence[Item]], limit: int) -> tuple[Item, ...]:
    """The newest items of all pages, oldest first; each page gives its share.

    :param pages: oldest first each.
    """
    rows = zip_longest(*(reversed(page) for page in pages))
    newest = [(item,) for row in rows for item in row if item is not None]
    return tuple(item for (item,) in reversed(newest[:limit]))
