"""Fast answers between nodes: honest ones, and each way in which a peer can fail or lie."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import pytest
from anyio.abc import TaskGroup
from msgspec.structs import replace

from aivm.backends.program_protocol import OracleBackend
from aivm.oracle.graph.run import run_program
from aivm.program.binding import BoundProgram, Tensor
from aivm.verification.graph import GraphProgram
from aivm.verification.trace import Context
from poi.countersigning import Sealed
from poi.receipts.check import Agreement, Facts, Materials, verify_receipt
from poi.receipts.record import decode_receipt
from tangle.core.errors import InvalidSignature, TangleError
from tangle.core.hashing import TRANSACTION
from tangle.core.types import Digest, Shard, TransactionId
from tangle.net.addresses import Address
from tangle.net.errors import RequestRefused
from tangle.net.ledger_messages import ShardStatus
from tangle.net.messages import Hello
from tangle.net.peers import POINTS_MAX
from tangle.net.replica_messages import AskReplica, ReplicaSealed, ReplicaShown, ShowReplica
from tangle.node.blobs import BlobRoom, make_idle_room
from tangle.node.peer import Peer
from tangle.node.peering import Peering, PeeringConfig
from tangle.node.replicas.errors import (
    NotOffered,
    ReplicasDisagree,
    ReplicasSilent,
    ReplicasWithheld,
    Unpaid,
    WrongInputs,
)
from tangle.node.replicas.orders import bind_inputs
from tangle.node.replicas.panel import GRACE_S, HEDGE_S
from tangle.node.replicas.room import ANSWERS_MAX, ReplicaRoom
from tangle.node.replicas.views import FastAnswer
from tangle.node.replicas.worker import ReplicaWorker
from tangle.node.sandbox.limits import TaskLimits
from tangle.node.sandbox.outcomes import Completed, Outcome
from tangle.node.sandbox.runner import InlineRunner
from tangle.node.sandbox.wire import Kind
from tangle.node.views import Overloaded, SubmitOutcome, TransactionStatus
from tests.net.builders import CHAIN
from tests.node.meeting import PORT, Listening
from tests.node.replicas.builders import BOUND, DATA, Paying, Shelf, make_call, make_order, make_rows
from tests.node.twins import LoopClock, MemoryNetwork, SeededRandomness, make_key
from tests.node.world import wait_until

RIGHT: Final = run_program(BOUND, bind_inputs(make_order(), BOUND))[0].tobytes()


class Validating(Listening):
    """What a validator says of itself."""

    def make_hello(self) -> Hello:
        return Hello(1, (ShardStatus(Shard(0), 0, 0, 0),), PORT, b"test/0", True)


class Bending:
    """A sandbox that takes its time, and may give something else."""

    def __init__(self) -> None:
        self.inner = InlineRunner(OracleBackend())
        self.pause_s = 0.01
        self.bend: Callable[[Tensor], Tensor] = lambda tensor: tensor

    async def run(
        self,
        bound: BoundProgram,
        inputs: Sequence[Tensor],
        *,
        kind: Kind = Kind.OUTPUTS,
        limits: TaskLimits | None = None,
    ) -> Outcome:
        await anyio.sleep(self.pause_s)
        outcome = await self.inner.run(bound, inputs, kind=kind, limits=limits)
        assert isinstance(outcome, Completed)
        *others, last = outcome.tensors
        return replace(outcome, tensors=(*others, self.bend(last)))


class Gateway:
    """The way of transactions into a node, which writes them down."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.fault: TangleError | None = None
        self.pause_s = 0.02

    async def submit(self, items: tuple[bytes, ...]) -> tuple[SubmitOutcome, ...]:
        await anyio.sleep(self.pause_s)
        self.items.extend(items)
        identity = TransactionId(bytes(32))
        return (SubmitOutcome(identity, True, TransactionStatus.ATTACHED, self.fault),)

    def take(self, items: tuple[bytes, ...], _: Peer, *, is_requested: bool) -> None:
        assert not is_requested
        self.items.extend(items)


class Node:
    """A validator with all that fast answers need; the ledger is only pretended."""

    def __init__(self, network: MemoryNetwork, number: int, *, is_validator: bool = True) -> None:
        self.host = f"10.0.0.{number}"
        self.key = make_key(f"validator {number}")
        self.network = network
        self.is_validator = is_validator
        self.runner = Bending()
        self.payments = Paying()
        self.programs = Shelf()
        self.gateway = Gateway()
        self.peering: Peering
        self.room: ReplicaRoom
        self.blobs: BlobRoom

    async def start(self, peers: tuple[str, ...], validators: frozenset[Any], tasks: TaskGroup) -> None:
        self.peering = Peering(
            network=self.network.at(self.host),
            config=PeeringConfig(make_address(self.host), tuple(map(make_address, peers)), 64, 0),
            chain=CHAIN,
            shard=Shard(0),
            key=make_key(self.host),
            randomness=SeededRandomness(self.host),
            hooks=Validating() if self.is_validator else Listening(PORT),
            clock=LoopClock(anyio.current_time()),
        )
        await tasks.start(self.peering.run)
        self.blobs = make_idle_room(self.peering, LoopClock(anyio.current_time()))
        worker = ReplicaWorker(
            key=self.key,
            chain=CHAIN,
            runner=self.runner,
            programs=self.programs,
            payments=self.payments,
            randomness=SeededRandomness(f"salt {self.host}"),
        )
        self.room = ReplicaRoom(
            chain=CHAIN,
            identity=make_key(self.host).public_key,
            get_validators=lambda: validators,
            neighbours=self.peering,
            blobs=self.blobs,
            door=self.gateway,
            programs=self.programs,
            payments=self.payments,
            worker=worker if self.is_validator else None,
        )
        self.peering.replicas = self.room
        await tasks.start(self.room.run)


def make_address(host: str) -> Address:
    return Address(host.encode(), PORT)


@asynccontextmanager
async def nodes(count: int, *, observers: int = 0) -> AsyncIterator[list[Node]]:
    """Nodes that are all connected; the last ones are no validators."""
    network = MemoryNetwork()
    members = [Node(network, number + 1, is_validator=number < count) for number in range(count + observers)]
    validators = frozenset(member.key.public_key for member in members[:count])
    async with anyio.create_task_group() as tasks:
        for number, member in enumerate(members):
            await member.start(tuple(each.host for each in members[:number]), validators, tasks)
        await wait_until(
            lambda: all(
                len(member.peering.get_peers()) == len(members) - 1
                and all(peer.hello is not None for peer in member.peering.get_peers())
                for member in members
            )
        )
        yield members
        tasks.cancel_scope.cancel()


async def ask(node: Node, sequence: int = 0, data: bytes = DATA) -> FastAnswer:
    return await node.room.answer(make_order(sequence, data).transaction.encoded, (data,))


def verify(answer: FastAnswer, members: list[Node]) -> Any:
    receipt = decode_receipt(answer.receipt)
    facts = Facts(chain=CHAIN, committee=frozenset(member.key.public_key for member in members))
    order = make_order()
    program = GraphProgram(BOUND, order.task.rows)
    context = Context(answer.job, receipt.commitment.context.worker, 0)
    materials = Materials(program, context, bind_inputs(order, BOUND), facts=facts)
    return verify_receipt(answer.receipt, materials)


def get_points(node: Node, other: Node) -> int:
    key = make_key(other.host).public_key
    found = [peer for peer in node.peering.get_peers() if peer.public_key == key]
    return node.peering.get_score(found[0]) if found else 0


async def test_an_answer_is_replicated_signed_and_verified_offline() -> None:
    async with nodes(4) as members:
        answer = await ask(members[0])
        assert answer.outputs == (RIGHT,)
        assert answer.job == make_order().job
        assert len(answer.assigned) == 3
        report = verify(answer, members)
        assert report.level == answer.level == 4
        assert report.error_bound == Agreement(len(answer.agreeing), 3)
        assert answer.times.sealed_ms <= answer.times.shown_ms <= answer.times.total_ms < 100
        assert members[0].blobs.store.has(await members[0].blobs.put(DATA, is_pinned=False))


async def test_everybody_asked_takes_the_payment_in() -> None:
    async with nodes(4) as members:
        await ask(members[0])
        encoded = make_order().transaction.encoded
        assert sum(member.gateway.items == [encoded] for member in members) == 3


async def test_a_node_that_is_no_validator_asks_three_others() -> None:
    async with nodes(3, observers=1) as members:
        answer = await ask(members[3])
        assert set(answer.assigned) == {member.key.public_key for member in members[:3]}
        assert verify(answer, members[:3]).level == 4


async def test_the_same_transaction_again_gets_the_same_answer() -> None:
    async with nodes(3) as members:
        first = await ask(members[0])
        assert (await ask(members[0])).receipt == first.receipt
        assert [member.room.worker.runs_done for member in members if member.room.worker] == [1, 1, 1]


@pytest.mark.parametrize("liar", [0, 1])
async def test_a_wrong_result_is_outvoted(liar: int) -> None:
    async with nodes(3) as members:
        members[liar].runner.bend = lambda tensor: tensor ^ 1
        answer = await ask(members[0])
        assert answer.outputs == (RIGHT,)
        assert members[liar].key.public_key not in answer.agreeing
        assert verify(answer, members).level == 4


async def test_without_a_majority_there_is_no_answer() -> None:
    async with nodes(3) as members:
        for number in (1, 2):
            members[number].runner.bend = lambda tensor, number=number: tensor ^ number  # type: ignore[misc]  # a default, which mypy cannot infer
        with pytest.raises(ReplicasDisagree):
            await ask(members[0])
        assert members[0].gateway.items, "the job goes on"


async def test_a_silent_peer_costs_a_moment() -> None:
    async with nodes(4) as members:
        for member in members[2:]:
            member.runner.pause_s = 1_000
        answer = await ask(members[0])
        assert answer.times.total_ms < (HEDGE_S + GRACE_S) * 1_000 + 100
        assert set(answer.assigned) == {member.key.public_key for member in members[:2]}


async def test_when_too_few_answer_the_reasons_are_told() -> None:
    async with nodes(3) as members:
        for member in members[1:]:
            member.payments.fault = Unpaid("not here")
        with pytest.raises(ReplicasSilent) as caught:
            await ask(members[0])
        assert caught.value.reasons == ("replica-unpaid",)
        for member in members[1:]:
            member.payments.fault = None
        assert (await ask(members[0])).outputs == (RIGHT,)  # the same transaction, later


async def test_what_is_sealed_and_not_shown_is_not_asked_for_again() -> None:
    async with nodes(3) as members:
        for member in members[1:]:
            member.payments.late_fault = Unpaid("spent")
        with pytest.raises(ReplicasWithheld):
            await ask(members[0])
        for member in members[1:]:
            member.payments.late_fault = None
        with pytest.raises(ReplicasWithheld):
            await ask(members[0])
        assert [member.room.worker.runs_done for member in members if member.room.worker] == [1, 1, 1]


async def test_a_transaction_that_is_refused_ends_it() -> None:
    async with nodes(3) as members:
        members[0].gateway.fault = InvalidSignature(TRANSACTION, bytes(32))
        with pytest.raises(InvalidSignature):
            await ask(members[0])


async def test_wrong_inputs_are_refused_before_anything_is_paid() -> None:
    async with nodes(3) as members:
        with pytest.raises(WrongInputs):
            await members[0].room.answer(make_order().transaction.encoded, (make_rows(1),))
        members[0].payments.fault = Unpaid("poor")
        with pytest.raises(Unpaid):
            await ask(members[0])
        assert not any(member.gateway.items for member in members)


async def test_only_so_many_answers_are_made_at_a_time() -> None:
    async with nodes(3) as members:
        for member in members:
            member.runner.pause_s = 5
        async with anyio.create_task_group() as tasks:
            for sequence in range(ANSWERS_MAX):
                tasks.start_soon(ask, members[0], sequence)
            await anyio.sleep(0.1)
            with pytest.raises(Overloaded):
                await ask(members[0], ANSWERS_MAX)


async def test_a_room_that_does_not_run_offers_nothing() -> None:
    async with nodes(2, observers=1) as members:
        members[0].room._tasks = None
        with pytest.raises(NotOffered):
            await ask(members[0])
        for target in (members[0], members[2]):
            code = await refuse(members[1], target, AskReplica(0, make_call().encoded, (DATA,)))
            assert code == b"replica-not-offered"


async def refuse(node: Node, target: Node, request: Any) -> bytes:
    """Ask directly, and be refused."""
    key = make_key(target.host).public_key
    (peer,) = [each for each in node.peering.get_peers() if each.public_key == key]
    with pytest.raises(RequestRefused) as caught:
        await peer.session.request(request)
    reason: bytes = caught.value.reason
    return reason


async def test_peers_refuse_what_is_wrong_by_its_code() -> None:
    async with nodes(2) as members:
        good = make_order().transaction.encoded
        for request, code in (
            (AskReplica(0, b"\x80", (DATA,)), b"encoding-malformed"),
            (AskReplica(0, good, (make_rows(1),)), b"replica-inputs"),
            (AskReplica(0, good, (DATA, DATA)), b"replica-inputs"),
            (ShowReplica(0, Digest(bytes(32)), make_seals()), b"replica-unknown"),
        ):
            assert await refuse(members[0], members[1], request) == code
        members[1].payments.fault = Unpaid("poor")
        assert await refuse(members[0], members[1], AskReplica(0, good, (DATA,))) == b"replica-unpaid"


def make_seals() -> tuple[Sealed, ...]:
    return (Sealed(make_key("nobody").public_key, Digest(bytes(32))),)


Bend = Callable[[ReplicaSealed | ReplicaShown], Any]


def flip(data: bytes) -> Any:
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize(
    ("name", "bend"),
    [
        ("seal", lambda answer: replace(answer, seal=flip(answer.seal))),
        ("seal", lambda answer: replace(answer, signature=flip(answer.signature))),
        ("seal", lambda answer: replace(answer, worker=make_key("validator 1").public_key)),
        ("seal", lambda answer: replace(answer, worker=make_key("nobody").public_key)),
        ("show", lambda answer: replace(answer, salt=flip(answer.salt))),
        ("show", lambda answer: replace(answer, signature=flip(answer.signature))),
        ("show", lambda answer: replace(answer, outputs=(flip(answer.outputs[0]),))),
        ("show", lambda answer: replace(answer, outputs=answer.outputs * 2)),
        ("show", lambda answer: replace(answer, openings=())),
        ("show", lambda answer: replace(answer, commitment=replace(answer.commitment, rows=9))),
    ],
    ids=[
        "seal",
        "seal signed",
        "worker",
        "stranger",
        "salt",
        "signed",
        "output",
        "many",
        "openings",
        "claim",
    ],
)
async def test_a_liar_is_blamed_and_the_others_answer(name: str, bend: Bend) -> None:
    async with nodes(4) as members:
        liar = members[1]
        worker = liar.room.worker
        assert worker is not None
        honest = getattr(worker, name)

        async def lie(*arguments: Any) -> Any:
            return bend(await honest(*arguments))

        setattr(worker, name, lie)
        for sequence in range(8):  # it is not asked every time
            answer = await ask(members[0], sequence)
            assert answer.outputs == (RIGHT,)
            assert liar.key.public_key not in answer.agreeing
        assert get_points(members[0], liar) < POINTS_MAX
        assert all(get_points(members[0], other) == POINTS_MAX for other in members[2:])
