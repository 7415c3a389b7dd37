"""The wide view of a node: status, readiness, committee and peers, as operators see them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import anyio
from msgspec import Struct

from tangle.node.learning import LearningQueries
from tangle.node.node import Node
from tangle.node.process_watch import ProcessWatch
from tangle.node.views import (
    CommitteeView,
    PeerView,
    ReadinessCheck,
    ResourcesView,
    StatusView,
    ValidatorView,
)

VOTE_ROUNDS: Final = 64
"""Rounds shown in the vote bars."""

AGE_MAX_INTERVALS: Final = 10
"""A node is ready while its latest final checkpoint is younger than this many checkpoint intervals."""

_STATUS: Final = Path("/proc/self/status")


class About(Struct, frozen=True):
    """What a node is called."""

    name: str
    version: str


class ProcessFigures(Struct, frozen=True):
    """What several nodes of one process share, and where it is read."""

    watch: ProcessWatch
    workers: int
    """Processes that compute."""

    get_evaluations: Callable[[], Mapping[str, int]]
    """Evaluations so far, by device."""


class Panorama:
    """Reads a running node."""

    def __init__(self, node: Node, about: About, process: ProcessFigures | None = None) -> None:
        """:param process: what is known of the process; nothing for none, as in a simulation."""
        self._node = node
        self._about = about
        self._process = process or ProcessFigures(ProcessWatch(), 0, dict)
        self._learning = LearningQueries(node)
        self._started_s = node.parts.clock.monotonic_s()

    def get_status(self) -> StatusView:
        """One screen."""
        node = self._node
        now_s = anyio.current_time()
        held = node.subdag.get_statistics()
        state = node.executor.machine.state
        model = self._learning.get_models()[0]
        return StatusView(
            name=self._about.name,
            version=self._about.version,
            network=node.genesis.name.decode("ascii", "replace"),
            chain=node.chain,
            role="observer" if node.validator_key is None else "validator",
            node_key=node.parts.node_key.public_key,
            uptime_s=node.parts.clock.monotonic_s() - self._started_s,
            is_ready=all(check.is_met for check in self.get_readiness()),
            checkpoint_executed=node.finality.executed,
            checkpoint_certified=node.finality.certified,
            checkpoint_age_ms=self._compute_age_ms(),
            round=node.driver.core.highest_round,
            peers=len(node.peering.get_peers()),
            tips=held.tips,
            pending=held.unordered,
            waiting=held.waiting + node.intake.parked,
            ordered_total=state.ordered_total,
            rate_in=node.book.arrivals.compute_rate(now_s),
            rate_final=node.book.finals.compute_rate(now_s),
            finality=node.book.finality.compute_summary(now_s),
            price=state.price,
            difficulty=state.difficulty,
            model_name=model.name,
            generation=model.current.generation,
            score=model.current.score,
            holdout_rows=model.holdout_rows,
            device=node.parts.computer.device,
            resident_bytes=get_resident_bytes(),
            database_bytes=sum(node.parts.store.statistics().used_bytes.values()),
            queues=self.get_queues(),
            resources=self._get_resources(),
        )

    def _get_resources(self) -> ResourcesView:
        process = self._process
        usage = process.watch.read()
        return ResourcesView(
            cpu_s=usage.cpu_s,
            workers_cpu_s=usage.workers_cpu_s,
            loop_lag_ms=usage.loop_lag_ms,
            disk_free_bytes=self._node.disk.room.free_bytes,
            workers=process.workers,
            evaluations=dict(process.get_evaluations()),
        )

    def get_queues(self) -> dict[str, int]:
        """Length of each bounded queue."""
        node = self._node
        store = node.parts.store.statistics()
        return {
            "intake": node.intake.depth,
            "parked": node.intake.parked,
            "queued": node.intake.queued,
            "held": node.intake.gate.held,
            "apart": node.intake.gate.apart,
            "blocks": node.driver.inbox_depth,
            "commits": node.executor.depth,
            "fetch": node.fetcher.depth,
            "gossip": node.gossip.depth,
            "store": store.waiting_batches,
        }

    def get_readiness(self) -> tuple[ReadinessCheck, ...]:
        """Named conditions; the node is ready when all are met."""
        node = self._node
        committee = node.committee
        is_alone = len(committee) == 1 and node.validator_key is not None
        validators = sum(peer.is_validator for peer in node.peering.get_peers())
        reachable = validators + (node.validator_key is not None)
        needed = 1 if is_alone else 2 * len(committee) // 3 + 1
        age_ms = self._compute_age_ms()
        age_max_ms = AGE_MAX_INTERVALS * node.genesis.parameters.checkpoint_interval_ms
        is_taking_part = node.validator_key is None or node.driver.is_proposing
        return (
            ReadinessCheck("peers", reachable >= needed, f"{reachable} of {needed} validators reachable"),
            ReadinessCheck(
                "synced", node.catch_up.is_level, f"{node.catch_up.lag_rounds} rounds behind the committee"
            ),
            ReadinessCheck("committee", is_taking_part, self._describe_part(is_taking_part)),
            self._check_clock(),
            ReadinessCheck("disk", node.disk.has_room, node.disk.describe()),
            ReadinessCheck("checkpoint", age_ms <= age_max_ms, f"last final checkpoint is {age_ms} ms old"),
        )

    def _describe_part(self, is_taking_part: bool) -> str:
        if is_taking_part:
            return "taking part"
        is_leaving = self._node.driver.is_leaving
        return "left, as the operator wished, until the next start" if is_leaving else "not yet taking part"

    def _check_clock(self) -> ReadinessCheck:
        node = self._node
        watch, committee = node.driver.clock_watch, node.driver.setting.committee
        now_ms = node.parts.clock.now_ms()
        return ReadinessCheck("clock", watch.is_right(committee, now_ms), watch.describe(committee, now_ms))

    def get_committee(self) -> CommitteeView:
        """Rounds and votes."""
        node = self._node
        core, committee = node.driver.core, node.committee
        highest = core.highest_round
        rounds = range(max(1, highest - VOTE_ROUNDS + 1), highest + 1)
        present = [{block.reference.author for block in core.get_round(number)} for number in rounds]
        leaders = core.get_leaders(core.clock_round)
        own = node.driver.own_index
        last = core.last_commit
        validators = tuple(
            ValidatorView(
                index=index,
                public_key=validator.public_key,
                weight=validator.weight,
                round=max(
                    (number for number, seen in zip(rounds, present, strict=True) if index in seen), default=0
                ),
                attested=node.epochs.current.attester.get_attested(index),
                votes=tuple(index in seen for seen in present),
                is_self=index == own,
                is_leader=index in leaders,
            )
            for index, validator in enumerate(committee.validators)
        )
        return CommitteeView(
            shard=node.shard,
            epoch=committee.epoch,
            round=highest,
            commit=0 if last is None else last.index,
            quorum=committee.quorum,
            total_weight=committee.total_weight,
            validators=validators,
            equivocations=node.archive.committees.count_evidence(),
        )

    def get_peers(self) -> tuple[PeerView, ...]:
        """Connected peers."""
        now_s = anyio.current_time()
        views = []
        for peer in self._node.peering.get_peers():
            figures = peer.session.statistics()
            hello = peer.hello
            views.append(
                PeerView(
                    public_key=peer.public_key,
                    address=peer.address,
                    is_outbound=peer.is_outbound,
                    is_validator=hello is not None and hello.is_validator,
                    agent="" if hello is None else hello.agent.decode("utf-8", "replace"),
                    round_trip_ms=figures.round_trip_ms,
                    score=self._node.peering.get_score(peer),
                    checkpoint=peer.checkpoint,
                    bytes_in=figures.bytes_received,
                    bytes_out=figures.bytes_sent,
                    connected_s=now_s - figures.opened_at_s,
                )
            )
        return tuple(views)

    def _compute_age_ms(self) -> int:
        node = self._node
        checkpoint = node.archive.get_checkpoint(node.finality.certified)
        assert checkpoint is not None, "final checkpoints are on disk"
        return max(0, node.parts.clock.now_ms() - checkpoint.timestamp_ms)


def get_resident_bytes() -> int:
    """Memory of this process alone in bytes; 0 where the system does not tell.

    Pages of the database that the system keeps mapped are not counted: they are a cache that it takes back at
    will.
    """
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        name, _, figure = line.partition(":")
        if name == "RssAnon":
            return int(figure.split()[0]) * 1024
    return 0
