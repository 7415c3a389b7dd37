"""One simulation from options to report: run, break, mend, and see that everything comes to its end."""

import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import anyio
from anyio.abc import TaskGroup
from msgspec import Struct

from simnet.checkers import Checker, FinalRun
from simnet.event_log import EventLog, Sink
from simnet.fail_points import FailPoint
from simnet.options import SimulationOptions, check_options
from simnet.scheduling import PASSES_MAX, run_in_virtual_time, watch_time
from simnet.shard_run import SETTLED, ShardFigures, ShardRun, compute_rank
from simnet.trouble import Trouble
from simnet.verdicts import Finding, Invariant, NoProgress, Pass, Verdict, Violated
from simnet.world import Member, World
from tangle.store.store import WriteBatch

LIVENESS_BOUND_S: Final = 60.0
"""Virtual seconds in which everything must come to its end once faults and load have ended: the longest pause
between two attempts to reach a peer (15 s), a ping that finds a dead line (35 s), and some rounds."""

LOOK_S: Final = 0.25
"""How often the end is looked for, and queues are measured."""


class Report(Struct, frozen=True):
    """What came of a simulation."""

    options: SimulationOptions
    verdict: Verdict
    digest: str
    """Hash of the event log: equal for equal runs."""

    events: int
    """Lines of the event log."""

    virtual_s: float
    """When it ended."""

    recovery_s: float | None
    """From the end of the faults to the end of everything, none where it did not come."""

    checkpoints: int
    accepted: int
    """Transactions that nodes said are durable."""

    refused: int
    """Attempts that were not accepted."""

    ordered: int
    conflicts: int
    """Ordered transactions that did nothing."""

    finality_p50_ms: float | None
    """From sending to finality at the node that accepted it."""

    finality_p95_ms: float | None
    order_p50_ms: float | None
    """From sending to the effect on the disk of the node that accepted it."""

    order_p95_ms: float | None
    block_p50_ms: float | None
    """From an own block on its author's disk to the executed commit there that orders it."""

    block_p95_ms: float | None
    starts: int
    """Of all nodes together."""

    packets: int
    bytes: int
    faults: dict[str, int]
    """How often each was carried out, and how often a node was killed at each fail point."""

    tampering: dict[str, int]
    """How often somebody on a path did each of his tricks."""

    torn: dict[str, int]
    """How often a crash in the middle of a write left what of it."""

    fail_points: dict[str, int]
    """How often a node came by each."""

    adversaries: dict[str, int]
    """How often each strategy did what no honest node does."""

    market: dict[str, int]
    """What happened in the market, by the name of the event."""

    stakes: dict[str, int]
    """What happened to stakes and committees, by the name of the event; ``Changed`` are elections after which
    others went on."""

    caught: int
    """Adversaries of whose equivocation honest nodes keep evidence."""

    generation: int
    """Of the model, in the latest checkpoint; of the shards' models the lowest."""

    credited: int
    """Receipts that crossed from one shard to another."""

    crossing_p50_ms: float | None
    """From a receipt on a disk of its source to its credit on a disk of its target."""

    crossing_p95_ms: float | None
    shards: tuple[ShardFigures, ...]
    """What came of each; the figures above are of all shards together."""


class Simulation:
    """A run and what is known of it."""

    def __init__(
        self,
        options: SimulationOptions,
        sink: Sink | None = None,
        on_time: Callable[[float], None] = lambda _: None,
    ) -> None:
        """:param sink: takes each line of the event log.
        :param on_time: told the virtual time, ``LOOK_S`` apart.
        """
        self._on_time = on_time
        self.log = EventLog(sink)
        self.options = options
        self.finding: Finding | None = None
        self.recovery_s: float | None = None
        self._found = anyio.Event()
        self.world = World(options, self.log, self.report, self._on_final, self._on_durable)
        self.shards = [ShardRun(self.world, shard, self.report) for shard in range(options.shards)]
        self._faults: dict[str, int] = {}

    def report(self, finding: Finding) -> None:
        """A checker found something; the first finding ends the run."""
        self.log.write("-", "finding", finding=finding)
        if self.finding is None:
            self.finding = finding
            self._found.set()

    async def run(self, prepare: Callable[[World], None] = lambda _: None) -> Report:
        """Live through the whole plan.

        :param prepare: called before the first node starts; a planted bug is put in here.
        """
        verdict: Verdict = Pass()
        try:
            with self.log.take_node_logs():
                async with anyio.create_task_group() as tasks:
                    prepare(self.world)
                    watch_time(self._report_still)
                    tasks.start_soon(self._stop_at_finding, tasks.cancel_scope)
                    tasks.start_soon(self.world.timeline.run)
                    verdict = await self._live(tasks)
                    self.world.is_over = True
                    tasks.cancel_scope.cancel()
        except* Exception as group:  # whatever a node does to its callers is a finding, not an end
            self._report_fault(group)
        return self._make_report(self.finding or verdict)

    async def _stop_at_finding(self, scope: anyio.CancelScope) -> None:
        await self._found.wait()
        scope.cancel()

    async def _live(self, tasks: TaskGroup) -> Verdict:
        trouble = Trouble(self.world, tasks)
        self._faults = trouble.counts
        tasks.start_soon(self._measure)
        for member in self.world.members:
            member.start(tasks)
        async with anyio.create_task_group() as troubling:
            troubling.start_soon(trouble.run)
            with anyio.CancelScope(deadline=self.options.time_s):
                async with anyio.create_task_group() as loading:
                    for shard in self.shards:
                        loading.start_soon(shard.load.run)
        self.log.write("-", "calm")
        begun_s = anyio.current_time()
        with anyio.move_on_after(LIVENESS_BOUND_S):
            await self._wait_settled()
            self.recovery_s = anyio.current_time() - begun_s
            return Pass()
        return NoProgress(LIVENESS_BOUND_S, self._describe_unsettled())

    async def _measure(self) -> None:
        while True:
            await anyio.sleep(LOOK_S)
            self.world.check_queues()
            self._check_sessions()
            for shard in self.shards:
                shard.look(anyio.current_time())
            self._on_time(anyio.current_time())

    def _check_sessions(self) -> None:
        breach = self.world.network.tamperer.find_breach()
        if breach is not None:
            self.report(Violated(Invariant.SESSIONS, breach.target, breach.detail))

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _wait_settled(self) -> None:
        """Return when every node makes a new transfer final, and all knows what became of the old ones."""
        members = self.world.honest
        await _wait_until(lambda: all(member.node is not None for member in members))
        async with anyio.create_task_group() as probing:
            for member in members:
                probing.start_soon(self._probe, member)
        await _wait_until(lambda: all(shard.is_settled for shard in self.shards))
        await _wait_until(lambda: self.world.receipts.is_settled)

    async def _probe(self, member: Member) -> None:
        shard = self.shards[member.shard]
        accepted = await shard.load.probe(member)
        await _wait_until(lambda: shard.get_status(accepted) in SETTLED)

    def _describe_unsettled(self) -> str:
        down = [member.name for member in self.world.honest if member.node is None]
        if down:
            return f"{', '.join(down)} did not come up"
        if len(self.shards) == 1:
            return self.shards[0].describe_unsettled()
        unsettled = [shard for shard in self.shards if not shard.is_settled]
        if not unsettled:
            return self.world.receipts.describe()
        return "; ".join(f"shard {shard.shard}: {shard.describe_unsettled()}" for shard in unsettled)

    # ── figures ─────────────────────────────────────────────────────────────────────────────────────────────

    def _on_final(self, run: FinalRun) -> None:
        self.shards[run.shard].on_final(run, anyio.current_time())

    def _on_durable(self, member: Member, batch: WriteBatch) -> None:
        self.shards[member.shard].on_durable(member, batch, anyio.current_time())

    def _report_fault(self, group: BaseException) -> None:
        leaf = group
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        place = traceback.extract_tb(leaf.__traceback__)[-1]
        detail = f"{type(leaf).__name__} at {place.name}:{place.lineno}: {leaf}"
        self.report(Violated(Invariant.NODE_SOUND, "-", detail))

    def _report_still(self) -> None:
        detail = (
            f"{PASSES_MAX} passes of the event loop at {anyio.current_time():.6f} s: a task runs in circles"
        )
        self.report(Violated(Invariant.NODE_SOUND, "-", detail))

    def _make_report(self, verdict: Verdict) -> Report:
        world, watches = self.world, [shard.stopwatch for shard in self.shards]
        figures = tuple(shard.make_figures() for shard in self.shards)
        final_ms = [each for watch in watches for each in watch.final_ms]
        ordered_ms = [each for watch in watches for each in watch.ordered_ms]
        blocks_ms = [each for watch in watches for each in watch.blocks_ms]
        return Report(
            options=self.options,
            verdict=verdict,
            digest=self.log.compute_digest().hex(),
            events=self.log.count,
            virtual_s=anyio.current_time(),
            recovery_s=self.recovery_s,
            checkpoints=sum(each.checkpoints for each in figures),
            accepted=sum(each.accepted for each in figures),
            refused=sum(each.refused for each in figures),
            ordered=sum(each.ordered for each in figures),
            conflicts=sum(each.conflicts for each in figures),
            finality_p50_ms=compute_rank(final_ms, 0.5),
            finality_p95_ms=compute_rank(final_ms, 0.95),
            order_p50_ms=compute_rank(ordered_ms, 0.5),
            order_p95_ms=compute_rank(ordered_ms, 0.95),
            block_p50_ms=compute_rank(blocks_ms, 0.5),
            block_p95_ms=compute_rank(blocks_ms, 0.95),
            starts=sum(member.starts for member in world.members),
            packets=world.network.packets,
            bytes=world.network.bytes,
            faults=dict(sorted(self._faults.items())),
            tampering=dict(sorted(world.network.tamperer.counts.items())),
            torn=dict(sorted(sum((member.torn for member in world.members), Counter[str]()).items())),
            fail_points={point.value: world.fail_points.reached[point] for point in FailPoint},
            adversaries=_count_actions(world.members),
            market=dict(
                sorted(sum((checker.market_events for checker in world.checkers), Counter[str]()).items())
            ),
            stakes=dict(
                sorted(sum((checker.stake_events for checker in world.checkers), Counter[str]()).items())
            ),
            caught=len(set[int]().union(*(checker.caught for checker in world.checkers))),
            generation=min(each.generation for each in figures),
            credited=world.receipts.credited,
            crossing_p50_ms=compute_rank(world.receipts.crossing_ms, 0.5),
            crossing_p95_ms=compute_rank(world.receipts.crossing_ms, 0.95),
            shards=figures,
        )


def run_simulation(
    options: SimulationOptions,
    *,
    sink: Sink | None = None,
    prepare: Callable[[World], None] = lambda _: None,
    on_time: Callable[[float], None] = lambda _: None,
    on_end: Callable[["Simulation", Report], None] = lambda _simulation, _report: None,
) -> Report:
    """Run one simulation in virtual time.

    :param sink: takes each line of the event log.
    :param on_end: given the ended simulation, whose disks are still there, and its report.
    :param on_time: told the virtual time again and again; it has no say in what happens.
    :param prepare: called with the world before the first node starts; tests plant bugs with it.
    :raises ImpossiblePlan: the options cannot be.
    :raises SwitchMissing: the event loop cannot be made to repeat.
    """
    check_options(options)

    async def main() -> Report:
        simulation = Simulation(options, sink, on_time)
        report = await simulation.run(prepare)
        on_end(simulation, report)
        return report

    return run_in_virtual_time(main, options.seed)


def _count_events(checkers: Sequence[Checker]) -> dict[str, int]:
    return dict(sorted(sum((checker.market_events for checker in checkers), Counter[str]()).items()))


def _count_actions(members: Sequence[Member]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for member in members:
        if member.bender is not None:
            name = member.bender.strategy.value
            counts[name] = counts.get(name, 0) + member.bender.actions
    return counts


async def _wait_until(is_met: Callable[[], bool]) -> None:
    while not is_met():  # noqa: ASYNC110  # any condition, in virtual time, and nobody announces most of them
        await anyio.sleep(LOOK_S)
