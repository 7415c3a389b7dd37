"""Networks whose nodes work for the market: validators in virtual time, customers, and whoever cheats.

``async with bazaar_of(4) as bazaar`` starts nodes with rooms for blobs and jobs. Who cheats is a twin of the
honest parts, put in where a node opens its room.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio
import numpy as np
from anyio.abc import TaskGroup, TaskStatus
from msgspec.structs import replace

from aivm.backends.program_protocol import OracleBackend
from aivm.program.binding import BoundProgram, Tensor, bind_program
from aivm.program.building import ProgramBuilder, make_input
from aivm.program.operators import Clip, Matmul, Mode, Requantize
from aivm.program.package import encode_package
from aivm.program.types import DType
from aivm.verification.graph import GraphProgram
from aivm.verification.trace import Context, Trace
from aivm.verification.traced import run_traced
from poi.market.jobs import compute_job_name
from poi.market.operations import (
    OpenJob,
    Operation,
    RegisterProgram,
    encode_operation,
)
from poi.market.outcomes import Event
from poi.market.records import Capacity, Inference, Job, ProgramEntry
from tangle.core.transactions import MarketCall, Transaction
from tangle.core.types import GRAINS_PER_TOKEN, Digest, Grains, Milliseconds, PublicKey
from tangle.node.blobs import BlobRoom, open_blob_room
from tangle.node.config import NodeConfig
from tangle.node.jobs.bench import InlineBench
from tangle.node.jobs.deeds import Crew
from tangle.node.jobs.opening import JobsParts, make_crew, make_jobs_room
from tangle.node.jobs.room import JobsRoom
from tangle.node.jobs.settings import JobsConfig
from tangle.node.node import Node
from tangle.node.sandbox.runner import InlineRunner
from tangle.node.service import Service
from tangle.store.blob_files import MemoryBlobFiles
from tests.node.wallets import Wallet, wait_final
from tests.node.world import Member, World, network_of, wait_until

QUOTA: Final = 64_000_000
PURSE: Final = 200 * GRAINS_PER_TOKEN
"""What every validator gets to begin with."""

CONFIG: Final = JobsConfig(worker=True, bond=50 * GRAINS_PER_TOKEN, speed=1_000)

MakeCrew = Callable[[Node, JobsParts], Crew]
"""Who does the work in a node."""


def make_program(width: int = 300, seed: int = 7) -> BoundProgram:
    """A layer of a network: a product with weights that lie outside the program, scaled and cut."""
    build = ProgramBuilder()
    row = build.add_input(make_input(DType.INT8, width))
    weights = np.random.default_rng(seed).integers(-127, 128, (width, 64)).astype(np.int8)
    sums = build.add(Matmul(0, 0), row, build.add_initializer(weights))
    scaled = build.add(Requantize(Mode.RNE64, DType.INT8, 0, (2**30 + 5,), (43,), 0, -3), sums)
    plan = build.build(build.add(Clip(-100, 100), scaled))
    return bind_program(plan, build.contents)


def make_rows(bound: BoundProgram, rows: int, seed: int = 1) -> tuple[Tensor, ...]:
    (declared,) = bound.plan.input_types
    shape = (rows, *declared.shape)
    return (np.random.default_rng(seed).integers(-127, 128, shape).astype(np.int8),)


class Shop:
    """One node's rooms."""

    def __init__(self, member: Member, blobs: BlobRoom, room: JobsRoom, scope: anyio.CancelScope) -> None:
        self.member = member
        self.scope = scope
        self.blobs = blobs
        self.room = room

    @property
    def account(self) -> PublicKey:
        return self.room.account

    def close(self) -> None:
        """End both rooms where they happen to be."""
        self.scope.cancel()


class Bazaar:
    """A world with a market."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shops: list[Shop] = []
        self.customer = Wallet("alice")
        self._opened = 0

    @property
    def node(self) -> Node:
        return self.world.members[0].node

    @property
    def service(self) -> Service:
        return self.world.services[0]

    @property
    def market_jobs(self) -> Mapping[Digest, Job]:
        return {job.id: job for job in self.node.executor.machine.market.make_state().jobs}

    @property
    def capacities(self) -> Mapping[PublicKey, Capacity]:
        state = self.node.executor.machine.market.make_state()
        return {capacity.worker: capacity for capacity in state.capacities}

    def get_balance(self, account: PublicKey) -> int:
        return self.service.get_account(account).balance

    def list_events(self, subject: Digest) -> list[Event]:
        rows = self.node.archive.market.list_job_events(subject, 0, 1_000)
        return [row.event for row in rows]

    def list_earnings(self, account: PublicKey) -> list[tuple[int, int]]:
        """What the market gave an account, by purpose, other than by its own operations."""
        rows = self.node.archive.get_earnings(account, None, 1_000)
        return [(row.record.purpose, row.record.amount) for row in rows if row.record.purpose]

    def get_shop(self, account: PublicKey) -> Shop:
        return next(shop for shop in self.shops if shop.account == account)

    async def open_shop(self, member: Member, tasks: TaskGroup, crew_of: MakeCrew = make_crew) -> Shop:
        """Rooms for blobs and jobs of a running node."""
        node, clock = member.node, self.world.clock
        blobs = await open_blob_room(MemoryBlobFiles(), node.peering, clock, quota_bytes=QUOTA)
        member.service.blobs = blobs
        node.depot.open(blobs)
        parts = JobsParts(member.service, blobs, InlineRunner(OracleBackend()), InlineBench())
        room = make_jobs_room(node, parts, crew_of(node, parts))
        shop = Shop(member, blobs, room, anyio.CancelScope())
        self.shops.append(shop)
        node.jobs = room
        await tasks.start(self._run_shop, shop)
        return shop

    async def _run_shop(self, shop: Shop, *, task_status: TaskStatus[None]) -> None:
        with shop.scope:
            async with anyio.create_task_group() as tasks:
                await tasks.start(shop.blobs.run)
                await tasks.start(shop.room.run)
                task_status.started()

    async def call(self, operation: Operation, wallet: Wallet | None = None) -> Transaction:
        """Have the market do something, and see it final."""
        sent = await (wallet or self.customer).send(
            self.service, bend=lambda body: replace(body, operation=MarketCall(encode_operation(operation)))
        )
        view = await wait_final(self.service, sent.id)
        assert view.reason is None, view.reason
        return sent

    async def fund_validators(self) -> None:
        """Every validator gets its purse."""
        sent = [
            await self.customer.send(self.service, recipient=shop.account, amount=PURSE)
            for shop in self.shops
        ]
        await wait_final(self.service, sent[-1].id)

    async def register(self, bound: BoundProgram) -> ProgramEntry:
        """A program in the market, its package in the first node; confirmed by a quorum."""
        blob = await self.shops[0].blobs.put(encode_package(bound), is_pinned=False)
        cost, program = bound.plan.cost, bound.plan.program_id
        await self.call(RegisterProgram(program, cost.macs, cost.steps, cost.bytes_moved, blob))
        market = self.node.executor.machine.market

        def is_confirmed() -> bool:
            entry = market.get_program(program)
            return entry is not None and bool(entry.confirmed)

        await wait_until(is_confirmed, timeout_s=20)
        found = market.get_program(program)
        assert found is not None
        return found

    async def make_task(
        self, bound: BoundProgram, inputs: tuple[Tensor, ...], level: int = 3, *, is_kept: bool = True
    ) -> Inference:
        """A task over inputs that the first node has, or nobody."""
        program = GraphProgram(bound, len(inputs[0]))
        trace = Trace(
            program, run_traced(program, inputs), Context(Digest(bytes(32)), self.customer.address, 0)
        )
        for tensor in inputs if is_kept else ():
            await self.shops[0].blobs.put(tensor.tobytes(), is_pinned=False)
        roots = tuple(trace.trees[number].root for number in program.inputs)
        return Inference(bound.plan.program_id, trace.commitment.inputs, program.rows, level, roots)

    async def open_job(
        self, task: Inference, *, escrow: int = 10**9, result_ms: int = 20_000, deadline_ms: int = 600_000
    ) -> Digest:
        """A job of the customer; its name."""
        now_ms = self.node.executor.machine.state.timestamp_ms
        operation = OpenJob(
            task, Grains(10**6), Grains(escrow), Milliseconds(now_ms + deadline_ms), Milliseconds(result_ms)
        )
        sent = await self.call(operation)
        return compute_job_name(self.customer.address, sent.body.sequence)

    async def wait_event(
        self, subject: Digest, is_wanted: Callable[[Event], bool], timeout_s: float = 120.0
    ) -> Event:
        """Until something has happened to a job or program."""
        await wait_until(
            lambda: any(map(is_wanted, self.list_events(subject))), timeout_s=timeout_s, every_s=0.1
        )
        return next(event for event in self.list_events(subject) if is_wanted(event))

    def check_books(self) -> None:
        """What the market holds is what the ledger says is in escrow, on every node, and nothing was lost."""
        for member in self.world.members:
            machine = member.node.executor.machine
            supply = machine.state.supply
            assert supply.escrow == machine.market.held
            assert (
                supply.genesis + supply.emitted + supply.inflow
                == supply.burned + supply.balances + supply.stakes + supply.escrow + supply.fund
            )


def slow_down(config: NodeConfig) -> NodeConfig:
    """Fewer rounds of the committee: windows and clocks of the market are long."""
    return replace(config, min_round_delay_ms=50, idle_round_delay_ms=600, leader_timeout_ms=300)


@asynccontextmanager
async def bazaar_of(
    count: int,
    *,
    crews: Mapping[int, MakeCrew] | None = None,
    settings: Callable[[int], JobsConfig] = lambda _: CONFIG,
) -> AsyncIterator[Bazaar]:
    """A network of validators with money, ready to work.

    :param crews: by node, where it is not the honest one. :param settings: of each node.
    """
    async with network_of(count, config=slow_down) as world, anyio.create_task_group() as tasks:
        bazaar = Bazaar(world)
        for index, member in enumerate(world.members):
            config: NodeConfig = replace(member.node.parts.config, jobs=settings(index))
            member.node.parts = replace(member.node.parts, config=config)
            await bazaar.open_shop(member, tasks, (crews or {}).get(index, make_crew))
        await bazaar.fund_validators()
        wanted = sum(settings(index).worker for index in range(count))
        await wait_until(lambda: len(bazaar.capacities) == wanted, timeout_s=30)
        yield bazaar
        tasks.cancel_scope.cancel()
