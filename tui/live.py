"""The source that watches a running node through its API.

Once a tick it asks for everything a snapshot needs; beside that it follows the node's event log. Whatever
fails, it says so with an ``Outage`` and tries again: the dashboard recovers by itself when the node does.
"""

from collections import deque

import anyio
from msgspec.structs import replace

from tangle.api.schemas.models import ModelAnswer
from tangle.api.schemas.network import CommitteeAnswer, EventAnswer, StatusAnswer
from tangle.api.schemas.validators import ElectionAnswer
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem, EventsLost, NodeUnreachable, UnexpectedAnswer
from tangle.client.transport import ClientConfig
from tangle.core.errors import TangleError
from tangle.node.clock import Clock, SystemClock
from tui.changes import describe_event, find_changes
from tui.facts import (
    get_pulses,
    make_committee_facts,
    make_dag_facts,
    make_followed_facts,
    make_market_facts,
    make_model_facts,
    make_node_facts,
    make_peer_facts,
    make_resource_facts,
    make_sighting,
)
from tui.portraits import compute_portraits
from tui.snapshot import (
    LOG_ENTRIES,
    PULSES,
    RECENT_JOBS,
    Check,
    CommitteeFacts,
    CurvePoint,
    FollowedFacts,
    LogEntry,
    MarketFacts,
    ModelFacts,
    Outage,
    Portrait,
    Snapshot,
    Vertex,
    VertexState,
)
from tui.sources import Publish
from tui.trace import CurveTrace, DagTrace, FollowTrace, RateTrace, ResourceTrace

TICK_S = 1.0
"""Between two looks: as often as a person can follow."""

RETRY_MAX_S = 5.0
"""Longest pause between attempts while the node is away: a node that is back is seen at once."""

RECENT_TRANSACTIONS = 300
"""Transactions asked for each tick: the widest picture, and a busy second besides."""

TOPICS = ("checkpoint", "model", "peer", "committee", "log")
"""Events followed. Single transactions would be thousands of lines a second; the picture shows them."""

PATIENCE = ClientConfig(connect_timeout_s=2.0, answer_timeout_s=5.0, attempts_max=1)
"""No retries inside the client: the dashboard shows each failure and retries by itself."""


class _Memory:
    """What is remembered of one chain; another chain begins afresh."""

    def __init__(self, chain: bytes) -> None:
        self.chain = chain
        self.dag = DagTrace()
        self.curve = CurveTrace()
        self.rate_in = RateTrace()
        self.rate_final = RateTrace()
        self.resources = ResourceTrace()
        self.portraits: tuple[Portrait, ...] = ()
        self.portraits_digest = b""
        self.snapshot: Snapshot | None = None


class LiveSource:
    """Watches the node at ``url``."""

    def __init__(self, url: str, *, interval_s: float = TICK_S, clock: Clock | None = None) -> None:
        """Nothing is asked before ``run``.

        :param clock: stamps what this side notices; events carry the node's own time.
        """
        self.label = url
        self._interval_s = interval_s
        self._clock = SystemClock() if clock is None else clock
        self._memory = _Memory(b"")
        self._log: deque[LogEntry] = deque(maxlen=LOG_ENTRIES)
        self._log_id = 0
        self._event_id: int | None = None
        self._holdout_rows = 0
        self._follow = FollowTrace()

    def follow(self, identity: str | None) -> None:
        """Look at this transaction more closely from the next tick on, or at none."""
        self._follow.follow(identity)

    async def run(self, publish: Publish) -> None:
        """Publish a tick each interval, until cancelled."""
        async with TangleClient(self.label, config=PATIENCE) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow_events, client)
            attempt = 0
            while True:
                try:
                    snapshot = await self._look(client)
                    if attempt:
                        self._write("log", f"the node answers again, after {attempt} failed attempts")
                        snapshot = replace(snapshot, log=tuple(self._log))
                    attempt = 0
                    publish(snapshot)
                except (NodeUnreachable, UnexpectedAnswer, ApiProblem) as error:
                    attempt += 1
                    if attempt == 1:
                        self._write("log", f"no answer: {_get_reason(error)}")
                    pause_s = min(self._interval_s * attempt, RETRY_MAX_S)
                    publish(Outage(reason=_get_reason(error), attempt=attempt, retry_s=pause_s))
                    await anyio.sleep(pause_s)
                else:
                    await anyio.sleep(self._interval_s)

    async def _look(self, client: TangleClient) -> Snapshot:
        """Ask for everything once."""
        status = await client.get_status()
        if bytes(status.chain) != self._memory.chain:
            self._memory = _Memory(bytes(status.chain))
        memory = self._memory
        recent = await client.get_recent(RECENT_TRANSACTIONS)
        models = await client.get_models()
        model = None if not models else await self._look_at_model(client, models[0], status.device)
        if model is not None:
            model = replace(model, pulses=get_pulses(recent, PULSES))
        committee = await _look_at_committee(client)
        vertices = memory.dag.update(map(make_sighting, recent))
        snapshot = Snapshot(
            node=make_node_facts(status, await _get_checks(client, status)),
            dag=make_dag_facts(
                status,
                memory.rate_in.update(status.rate_in),
                memory.rate_final.update(status.rate_final),
                vertices,
            ),
            model=model,
            committee=committee,
            peers=tuple(map(make_peer_facts, await client.get_peers())),
            log=(),
            market=await _get_market(client),
            resources=make_resource_facts(status, memory.resources),
            followed=await self._look_closer(client, vertices),
        )
        if memory.snapshot is not None:
            for topic, text in find_changes(memory.snapshot, snapshot):
                self._write(topic, text)
        memory.snapshot = snapshot
        return replace(snapshot, log=tuple(self._log))

    async def _look_closer(self, client: TangleClient, vertices: tuple[Vertex, ...]) -> FollowedFacts | None:
        """The transaction that is followed, wherever it is."""
        identity = self._follow.identity
        if identity is None:
            return None
        try:
            answer = await client.get_transaction(bytes.fromhex(identity))
        except ApiProblem as problem:
            if problem.code != "not-found":
                raise
            return FollowedFacts(identity, None)
        state = VertexState(answer.status.value)
        return make_followed_facts(answer, vertices, self._follow.update(state, self._clock.now_ms()))

    async def _look_at_model(self, client: TangleClient, model: ModelAnswer, device: str) -> ModelFacts:
        """The model, what of its curve is new, and its portraits when its weights are new."""
        memory, self._holdout_rows = self._memory, model.holdout_rows
        while True:
            piece = (await client.get_model(model.job, first=memory.curve.next_generation)).curve
            curve = memory.curve.update(CurvePoint(int(item.generation), item.score) for item in piece)
            if not piece or memory.curve.next_generation > model.current.generation:
                break
        digest = bytes(model.current.weights_digest)
        if digest != memory.portraits_digest:
            weights = await client.get_weights(model.job)
            memory.portraits = compute_portraits(weights, model.layer_sizes)
            memory.portraits_digest = digest
        return make_model_facts(model, device, curve, (), memory.portraits)

    async def _follow_events(self, client: TangleClient) -> None:
        """Write the node's events into the log; begin again whenever the stream breaks."""
        while True:
            try:
                async for event in client.events(self._event_id, topics=TOPICS):
                    self._take_event(event)
            except EventsLost:
                self._event_id = None
            except TangleError:
                pass  # the ticks beside this tell the user that the node is away
            await anyio.sleep(self._interval_s)

    def _take_event(self, event: EventAnswer) -> None:
        """Write one event."""
        self._event_id = event.id
        self._write(
            event.topic, describe_event(event.topic, event.body, self._holdout_rows), event.timestamp_ms
        )

    def _write(self, topic: str, text: str, timestamp_ms: int | None = None) -> None:
        """Append a line, stamped now for none; ids are this dashboard's own."""
        self._log_id += 1
        timestamp_ms = self._clock.now_ms() if timestamp_ms is None else timestamp_ms
        self._log.append(LogEntry(id=self._log_id, timestamp_ms=timestamp_ms, topic=topic, text=text))


async def _look_at_committee(client: TangleClient) -> CommitteeFacts | None:
    """The committee and its stakes; none when the node knows no committee."""
    committee = await _get_committee(client)
    return None if committee is None else make_committee_facts(committee, await _get_election(client))


async def _get_election(client: TangleClient) -> ElectionAnswer | None:
    """Stakes and candidates; none when the node is too old to tell."""
    try:
        return await client.get_validators()
    except ApiProblem as problem:
        if problem.code in {"not-found", "route-unknown"}:
            return None
        raise


async def _get_committee(client: TangleClient) -> CommitteeAnswer | None:
    """The committee of the first shard; none when the node does not know it."""
    try:
        return await client.get_committee()
    except ApiProblem as problem:
        if problem.code == "not-found":
            return None
        raise


async def _get_market(client: TangleClient) -> MarketFacts | None:
    """The market; none when the node knows none."""
    try:
        market = await client.get_market()
        return make_market_facts(market, (await client.get_jobs_page(limit=RECENT_JOBS)).data)
    except ApiProblem as problem:
        if problem.code == "route-unknown":
            return None
        raise


async def _get_checks(client: TangleClient, status: StatusAnswer) -> tuple[Check, ...]:
    """The conditions of readiness that are not met; not asked for while all are."""
    if status.is_ready:
        return ()
    try:
        await client.get_readiness()
    except ApiProblem as problem:
        if problem.code != "not-ready":
            raise
        return tuple(Check(name=item.path, is_met=False, detail=item.message) for item in problem.errors)
    return ()


def _get_reason(error: TangleError) -> str:
    """A failure in a few words."""
    if isinstance(error, NodeUnreachable | UnexpectedAnswer):
        return "nobody listens there" if "Connect call failed" in error.reason else error.reason
    return str(error)
