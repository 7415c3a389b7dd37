"""Carries out a plan of faults: kills and starts nodes, and makes the weather on every link."""

from collections.abc import Sequence
from copy import deepcopy
from itertools import product

import anyio
from anyio.abc import TaskGroup

from simnet.adversaries import BACKUP_AT_S, RESTORE_AT_S, Strategy
from simnet.fail_points import FailPoint
from simnet.faults import (
    BadWeather,
    Clog,
    Crash,
    CrashAt,
    Cut,
    Direction,
    Fault,
    HalfOpen,
    OldHandshake,
    Partition,
    SlowLinks,
    Tamper,
)
from simnet.network import BYTES_PER_S, Weather
from simnet.verdicts import Invariant, Violated
from simnet.world import Member, World


class Trouble:
    """Runs a plan in a world."""

    def __init__(self, world: World, tasks: TaskGroup) -> None:
        """:param tasks: where nodes live that are started again."""
        self.counts: dict[str, int] = {}
        self._world = world
        self._tasks = tasks
        self._active: list[Fault] = []
        self._killed: dict[FailPoint, tuple[int, ...]] = {}

    async def run(self) -> None:
        """Carry out the whole plan; afterwards everything is in order."""
        self._make_weather()
        async with anyio.create_task_group() as faults:
            for fault in self._world.options.faults:
                faults.start_soon(self._carry_out, fault)
            for adversary in self._world.options.adversaries:
                if adversary.strategy is Strategy.OLD_BACKUP:
                    for member in self._world.get_machine(adversary.node):
                        faults.start_soon(self._put_back, member)

    async def _put_back(self, member: Member) -> None:
        """Restore a disk and its guard from a backup; the rounds signed since are forgotten."""
        await anyio.sleep_until(BACKUP_AT_S)
        disk, guard = deepcopy(member.disk), member.guard.record
        await anyio.sleep_until(RESTORE_AT_S)
        await member.crash()
        member.restore(disk, guard)
        member.start(self._tasks)

    async def _carry_out(self, fault: Fault) -> None:
        await anyio.sleep_until(fault.at_s)
        name = type(fault).__name__
        self.counts[name] = self.counts.get(name, 0) + 1
        self._world.log.write("-", "fault", begins=fault)
        self._active.append(fault)
        await self._begin(fault)
        await anyio.sleep_until(fault.until_s)
        self._world.log.write("-", "fault", ends=name)
        self._active = [other for other in self._active if other is not fault]
        if isinstance(fault, Crash):
            await self._start_again(fault.nodes, is_disk_lost=fault.is_disk_lost)
        if isinstance(fault, CrashAt):
            self._world.fail_points.disarm(fault.point)
            await self._start_again(self._killed.pop(fault.point, ()), is_disk_lost=False)
        self._make_weather()

    async def _begin(self, fault: Fault) -> None:
        network, shards = self._world.network, self._world.shards
        match fault:
            case Crash(nodes=nodes):
                for node in nodes:
                    for member in self._world.get_machine(node):
                        await member.crash()
            case CrashAt():
                self._arm(fault)
            case Cut(first=first, second=second):
                for members in shards:
                    network.cut(members[first].host, members[second].host)
            case HalfOpen(first=first, second=second):
                for members in shards:
                    network.forget_halves(members[first].host, members[second].host)
            case OldHandshake(source=source, target=target):
                for members in shards:
                    self._tasks.start_soon(self._replay, members[source], members[target])
            case Partition() | SlowLinks() | BadWeather() | Clog() | Tamper():
                self._make_weather()

    async def _replay(self, source: Member, target: Member) -> None:
        breach = await self._world.network.replay_beginning(source.host, target.host)
        if breach is not None:
            self._world.report(Violated(Invariant.SESSIONS, target.name, breach.detail))

    def _arm(self, fault: CrashAt) -> None:
        def kill(node: int) -> None:
            self._world.log.write(f"node{node}", "fail-point", at=fault.point.value)
            self.counts[fault.point.value] = self.counts.get(fault.point.value, 0) + 1
            victims = range(self._world.options.members) if fault.is_everybody else (node,)
            self._killed[fault.point] = tuple(victims)
            for victim in victims:
                for member in self._world.get_machine(victim):
                    member.kill()

        self._world.fail_points.arm(fault.point, fault.nodes, kill)

    async def _start_again(self, nodes: Sequence[int], *, is_disk_lost: bool) -> None:
        for member in [each for node in nodes for each in self._world.get_machine(node)]:
            await member.crash()  # it may still be on its way out
            if is_disk_lost:
                member.lose_disk()
            member.start(self._tasks)

    def _make_weather(self) -> None:
        """Set every link to what all active faults together do to it."""
        options, network = self._world.options, self._world.network
        # Nodes of different shards do not talk to each other.
        pairs = [pair for members in self._world.shards for pair in product(members, repeat=2)]
        for source, target in pairs:
            weather = Weather(jitter_ms=options.jitter_ms, loss=options.loss)
            for fault in self._active:
                _worsen(weather, fault, source.index, target.index)
            network.weather[source.host, target.host] = weather
        network.let_go()


def _worsen(weather: Weather, fault: Fault, source: int, target: int) -> None:
    match fault:
        case Partition(nodes=nodes, direction=direction):
            goes_out, goes_in = source in nodes, target in nodes
            is_out = goes_out and not goes_in and direction is not Direction.INTO
            is_in = goes_in and not goes_out and direction is not Direction.OUT
            weather.is_barred |= is_out or is_in
        case SlowLinks(node=node, extra_ms=extra_ms, bytes_per_s=bytes_per_s):
            if node in (source, target):
                weather.extra_ms += extra_ms
                weather.bytes_per_s = min(weather.bytes_per_s, bytes_per_s, BYTES_PER_S)
        case BadWeather(loss=loss, jitter_ms=jitter_ms):
            weather.loss = max(weather.loss, loss)
            weather.jitter_ms = max(weather.jitter_ms, jitter_ms)
        case Clog():
            weather.is_barred |= (source, target) == (fault.source, fault.target)
        case Tamper():
            if (source, target) == (fault.source, fault.target):
                weather.tampering, weather.tampered = fault.how, fault.share
        case Crash() | CrashAt() | Cut() | HalfOpen() | OldHandshake():
            pass
