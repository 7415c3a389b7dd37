"""From the API's answers to the dashboard's facts: renaming and regrouping, nothing else."""

from collections.abc import Sequence
from typing import assert_never

from tangle.api.schemas.jobs import JobAnswer
from tangle.api.schemas.market import MarketAnswer
from tangle.api.schemas.models import ModelAnswer
from tangle.api.schemas.network import CommitteeAnswer, PeerAnswer, StatusAnswer
from tangle.api.schemas.transactions import (
    MarketCallAnswer,
    OperationAnswer,
    StakingAnswer,
    TransactionAnswer,
    TransferAnswer,
)
from tangle.api.schemas.validators import ElectionAnswer
from tangle.core.amounts import format_amount
from tangle.node.market_views import JobPhase
from tui.drawing.units import format_count
from tui.resource_facts import ResourceFacts
from tui.snapshot import (
    Check,
    CommitteeFacts,
    CurvePoint,
    DagFacts,
    FollowedFacts,
    JobFacts,
    MarketFacts,
    ModelFacts,
    NodeFacts,
    PeerFacts,
    Portrait,
    ValidatorFacts,
    Vertex,
    VertexState,
)
from tui.trace import ResourceTrace, Sighting


def make_node_facts(status: StatusAnswer, checks: tuple[Check, ...]) -> NodeFacts:
    """Who the node is and how it fares."""
    return NodeFacts(
        name=status.name,
        version=status.version,
        network=status.network,
        role=status.role,
        uptime_s=status.uptime_s,
        is_ready=status.is_ready,
        checks=checks,
        checkpoint_executed=status.checkpoint_executed,
        checkpoint_certified=status.checkpoint_certified,
        checkpoint_age_ms=status.checkpoint_age_ms,
        resident_bytes=status.resident_bytes,
        database_bytes=status.database_bytes,
    )


def make_dag_facts(
    status: StatusAnswer,
    history_in: tuple[float, ...],
    history_final: tuple[float, ...],
    vertices: tuple[Vertex, ...],
) -> DagFacts:
    """The sub-DAG and its pace."""
    return DagFacts(
        rate_in=status.rate_in,
        rate_final=status.rate_final,
        history_in=history_in,
        history_final=history_final,
        tips=status.tips,
        pending=status.pending,
        waiting=status.waiting,
        ordered_total=status.ordered_total,
        finality_p50_ms=status.finality.p50_ms,
        finality_p95_ms=status.finality.p95_ms,
        price=status.price,
        difficulty=status.difficulty,
        vertices=vertices,
    )


def make_model_facts(
    model: ModelAnswer,
    device: str,
    curve: tuple[CurvePoint, ...],
    pulses: tuple[int, ...],
    portraits: tuple[Portrait, ...],
) -> ModelFacts:
    """The model and how it learns."""
    return ModelFacts(
        name=model.name,
        layer_sizes=model.layer_sizes,
        generation=model.current.generation,
        score=model.current.score,
        holdout_rows=model.holdout_rows,
        counted_total=model.counted_total,
        counted_open=model.counted_open,
        population=model.population,
        device=device,
        curve=curve,
        pulses=pulses,
        portraits=portraits,
    )


def make_committee_facts(committee: CommitteeAnswer, election: ElectionAnswer | None) -> CommitteeFacts:
    """Rounds and votes, stakes, and when the epoch ends."""
    candidates = () if election is None else election.candidates
    stakes = {bytes(candidate.public_key): int(candidate.stake) for candidate in candidates}
    return CommitteeFacts(
        shard=committee.shard,
        epoch=committee.epoch,
        round=committee.round,
        commit=committee.commit,
        quorum=committee.quorum,
        total_weight=committee.total_weight,
        equivocations=committee.equivocations,
        validators=tuple(
            ValidatorFacts(
                index=validator.index,
                key=validator.public_key.hex(),
                weight=validator.weight,
                round=validator.round,
                attested=validator.attested,
                votes=validator.votes,
                is_self=validator.is_self,
                is_leader=validator.is_leader,
                stake=stakes.get(bytes(validator.public_key)),
            )
            for validator in committee.validators
        ),
        epoch_left_ms=None if election is None else max(0, election.ends_ms - election.timestamp_ms),
        waiting=sum(candidate.next_weight > 0 and not candidate.weight for candidate in candidates),
    )


def make_peer_facts(peer: PeerAnswer) -> PeerFacts:
    """A peer."""
    return PeerFacts(
        key=peer.public_key.hex(),
        address=peer.address,
        is_outbound=peer.is_outbound,
        is_validator=peer.is_validator,
        round_trip_ms=peer.round_trip_ms,
        score=peer.score,
        checkpoint=peer.checkpoint,
        bytes_in=peer.bytes_in,
        bytes_out=peer.bytes_out,
        connected_s=peer.connected_s,
    )


def make_market_facts(market: MarketAnswer, jobs: Sequence[JobAnswer]) -> MarketFacts:
    """The market and its latest jobs."""
    return MarketFacts(
        now_ms=int(market.timestamp_ms),
        unit_prices=tuple((price.kind.value, int(price.unit_price)) for price in market.prices),
        programs=market.programs,
        workers=market.workers,
        live_jobs=market.live_jobs,
        opened_jobs=int(market.opened_jobs),
        held=int(market.held),
        jobs=tuple(map(_make_job_facts, jobs)),
    )


def _make_job_facts(job: JobAnswer) -> JobFacts:
    due_ms = job.deadline_ms if job.due_ms is None else job.due_ms
    if job.phase is JobPhase.CLAIMED and job.claim is not None:
        due_ms = job.claim.end_ms
    best = "" if job.best is None else job.best.worker
    return JobFacts(
        id=job.id.hex(),
        kind=job.kind.value,
        phase=job.phase.value,
        is_live=job.is_live,
        price=int(job.price),
        worker=best if job.worker is None else job.worker,
        next_ms=int(due_ms) if job.is_live else None,
    )


def make_resource_facts(status: StatusAnswer, trace: ResourceTrace) -> ResourceFacts:
    """What the node takes of its machine; ``trace`` knows the last look."""
    used = status.resources
    cores, worker_cores, work = trace.update(
        status.uptime_s, used.cpu_s, used.workers_cpu_s, used.evaluations
    )
    history_cores, history_lag_ms = trace.remember(cores + worker_cores, used.loop_lag_ms)
    return ResourceFacts(
        cores=cores,
        worker_cores=worker_cores,
        history_cores=history_cores,
        loop_lag_ms=used.loop_lag_ms,
        history_lag_ms=history_lag_ms,
        resident_bytes=status.resident_bytes,
        database_bytes=status.database_bytes,
        disk_free_bytes=used.disk_free_bytes,
        workers=used.workers,
        work=work,
        queues=tuple(status.queues.items()),
    )


def make_followed_facts(
    transaction: TransactionAnswer, vertices: Sequence[Vertex], steps: tuple[tuple[VertexState, int], ...]
) -> FollowedFacts:
    """A transaction that is looked at more closely."""
    states = {vertex.id: vertex.state for vertex in vertices}
    parents = [parent.hex() for parent in transaction.parents]
    fee = "" if transaction.fee is None else f", fee {format_count(int(transaction.fee))} grains"
    about = _describe_operation(transaction.operation)
    return FollowedFacts(
        id=transaction.id.hex(),
        state=VertexState(transaction.status.value),
        parents=tuple((parent, states.get(parent)) for parent in parents),
        checkpoint=transaction.checkpoint,
        reason=transaction.reason,
        about=f"{about}, of {transaction.issuer}{fee}",
        steps=steps,
    )


def _describe_operation(operation: OperationAnswer) -> str:
    match operation:
        case TransferAnswer(recipient=recipient, amount=amount):
            return f"{format_amount(int(amount))} to {recipient}"
        case MarketCallAnswer(text=text):
            return text
        case StakingAnswer(name=name):
            return name
        case _:
            assert_never(operation)


def make_sighting(transaction: TransactionAnswer) -> Sighting:
    """A transaction for the picture."""
    return Sighting(
        id=transaction.id.hex(),
        parents=tuple(parent.hex() for parent in transaction.parents),
        state=VertexState(transaction.status.value),
        checkpoint=transaction.checkpoint,
        reason=transaction.reason,
    )


def get_pulses(transactions: Sequence[TransactionAnswer], limit: int) -> tuple[int, ...]:
    """The results that the latest transactions carried, oldest first."""
    results = [int(result) for transaction in transactions for result in transaction.work.results]
    return tuple(results[-limit:])
