"""From the node's views of itself, its peers, the committee and events to the API's answers."""

import msgspec

from tangle.api.accounts import AccountCodec
from tangle.api.schemas.network import (
    CommitteeAnswer,
    EventAnswer,
    LatencyAnswer,
    PeerAnswer,
    ReadinessCheckAnswer,
    ResourcesAnswer,
    StatusAnswer,
    ValidatorAnswer,
)
from tangle.api.wire import EventId, HexBytes, HexDigest, Quantity
from tangle.node.views import (
    CommitteeView,
    Event,
    PeerView,
    ReadinessCheck,
    ResourcesView,
    StatusView,
    ValidatorView,
)


def make_peer_answer(view: PeerView) -> PeerAnswer:
    """The answer's form of a peer."""
    return PeerAnswer(
        public_key=HexDigest(view.public_key),
        address=view.address,
        is_outbound=view.is_outbound,
        is_validator=view.is_validator,
        agent=view.agent,
        round_trip_ms=view.round_trip_ms,
        score=view.score,
        checkpoint=Quantity(view.checkpoint),
        bytes_in=Quantity(view.bytes_in),
        bytes_out=Quantity(view.bytes_out),
        connected_s=view.connected_s,
    )


def make_validator_answer(view: ValidatorView) -> ValidatorAnswer:
    """The answer's form of a member of the committee."""
    return ValidatorAnswer(
        index=view.index,
        public_key=HexDigest(view.public_key),
        weight=view.weight,
        round=Quantity(view.round),
        attested=Quantity(view.attested),
        votes=view.votes,
        is_self=view.is_self,
        is_leader=view.is_leader,
    )


def make_committee_answer(view: CommitteeView) -> CommitteeAnswer:
    """The answer's form of the committee."""
    return CommitteeAnswer(
        shard=view.shard,
        epoch=Quantity(view.epoch),
        round=Quantity(view.round),
        commit=Quantity(view.commit),
        quorum=view.quorum,
        total_weight=view.total_weight,
        validators=tuple(map(make_validator_answer, view.validators)),
        equivocations=view.equivocations,
    )


def make_status_answer(view: StatusView) -> StatusAnswer:
    """The answer's form of the one screen."""
    finality = view.finality
    return StatusAnswer(
        name=view.name,
        version=view.version,
        network=view.network,
        chain=HexBytes(view.chain),
        role=view.role,
        node_key=HexDigest(view.node_key),
        uptime_s=view.uptime_s,
        is_ready=view.is_ready,
        checkpoint_executed=Quantity(view.checkpoint_executed),
        checkpoint_certified=Quantity(view.checkpoint_certified),
        checkpoint_age_ms=Quantity(view.checkpoint_age_ms),
        round=Quantity(view.round),
        peers=view.peers,
        tips=view.tips,
        pending=view.pending,
        waiting=view.waiting,
        ordered_total=Quantity(view.ordered_total),
        rate_in=view.rate_in,
        rate_final=view.rate_final,
        finality=LatencyAnswer(finality.p50_ms, finality.p95_ms, finality.p99_ms, finality.samples),
        price=Quantity(view.price),
        difficulty=view.difficulty,
        model_name=view.model_name,
        generation=Quantity(view.generation),
        score=view.score,
        holdout_rows=view.holdout_rows,
        device=view.device,
        resident_bytes=Quantity(view.resident_bytes),
        database_bytes=Quantity(view.database_bytes),
        queues=view.queues,
        resources=_make_resources_answer(view.resources),
    )


def _make_resources_answer(view: ResourcesView) -> ResourcesAnswer:
    return ResourcesAnswer(
        cpu_s=view.cpu_s,
        workers_cpu_s=view.workers_cpu_s,
        loop_lag_ms=view.loop_lag_ms,
        disk_free_bytes=Quantity(view.disk_free_bytes),
        workers=view.workers,
        evaluations={device: Quantity(count) for device, count in view.evaluations.items()},
    )


def make_check_answer(check: ReadinessCheck) -> ReadinessCheckAnswer:
    """The answer's form of a readiness condition."""
    return ReadinessCheckAnswer(check.name, check.is_met, check.detail)


def make_event_answer(event: Event, accounts: AccountCodec) -> EventAnswer:
    """The answer's form of an event."""
    return EventAnswer(
        id=EventId(event.id),
        topic=event.topic,
        shard=event.shard,
        timestamp_ms=Quantity(event.timestamp_ms),
        accounts=tuple(map(accounts.encode, event.accounts)),
        body=msgspec.json.decode(event.body, type=dict),
    )
