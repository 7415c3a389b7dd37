"""One answer in the making: a shell around ``Panel`` that asks members, and checks what they show."""

from collections.abc import Callable, Sequence
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup
from msgspec import Struct

from aivm.program.binding import BoundProgram, Tensor
from aivm.program.record import compute_tensor_id
from aivm.program.types import TensorType
from aivm.verification.errors import WrongCommitment
from aivm.verification.graph import GraphProgram
from aivm.verification.trace import Context, verify_claim
from poi.countersigning import Sealed, compute_result_digest, verify_sealed, verify_shown
from poi.receipts.record import Countersigned, Receipt, SignedReplica, encode_receipt
from poi.replication import Agreed
from tangle.core.errors import TangleError
from tangle.core.types import ChainId, PublicKey
from tangle.net.errors import RequestRefused, RequestTimeout, SessionClosed
from tangle.net.replica_messages import AskReplica, ReplicaSealed, ReplicaShown, ShowReplica
from tangle.node.peer import Peer
from tangle.node.replicas.errors import ReplicasSilent, ReplicasWithheld, WrongSeals
from tangle.node.replicas.orders import Order
from tangle.node.replicas.panel import NEEDED, Panel
from tangle.node.replicas.views import AnswerTimes, FastAnswer
from tangle.node.replicas.worker import EPOCH, ReplicaWorker

ANSWER_S: Final = 30.0
"""Longest time for an answer: the first run of a program may build kernels on every validator."""

SHOW_S: Final = 5.0
"""Longest time for a result to be shown: it is there already."""

HONEST: Final = (RequestRefused, RequestTimeout, SessionClosed)
"""Why a peer may fail without having lied."""

RECEIPT_VERSION: Final = 1
"""Version of receipts."""


log = structlog.get_logger("replicas")


class Setting(Struct, frozen=True):
    """What all answers of a node have in common."""

    chain: ChainId
    """The chain that workers sign for."""

    get_validators: Callable[[], frozenset[PublicKey]]
    """Whose results count."""


class OwnMember:
    """The own worker of a node."""

    def __init__(self, worker: ReplicaWorker, asker: PublicKey, tasks: TaskGroup) -> None:
        """:param tasks: in which the run goes on although nobody waits any more: one that is cancelled
        takes the worker process with it, and all programs that it has ready.
        """
        self._worker = worker
        self._asker = asker
        self._tasks = tasks

    async def seal(self, order: Order) -> ReplicaSealed:
        """Run the job."""
        done = anyio.Event()
        found: list[ReplicaSealed | TangleError] = []

        async def run() -> None:
            try:
                found.append(await self._worker.seal(order, self._asker))
            except TangleError as error:
                found.append(error)
            finally:
                done.set()

        self._tasks.start_soon(run)
        await done.wait()
        if not found:
            raise SessionClosed(b"node-stopping")
        if isinstance(found[0], TangleError):
            raise found[0]
        return found[0]

    async def show(self, order: Order, seals: tuple[Sealed, ...]) -> ReplicaShown:
        """Show the result."""
        return await self._worker.show(order.job, seals, self._asker)

    @property
    def name(self) -> str:
        """For logs."""
        return "own"

    def blame(self, error: TangleError) -> None:
        """Nobody blames himself; a wrong result of this node shows as a dissent."""


class PeerMember:
    """A peer that says to be a validator."""

    def __init__(self, peer: Peer, blame: Callable[[Peer, TangleError], None]) -> None:
        self._peer = peer
        self._blame = blame

    async def seal(self, order: Order) -> ReplicaSealed:
        """Have it run the job."""
        message = AskReplica(0, order.transaction.encoded, order.inputs)
        return await self._peer.session.request(message, timeout_s=ANSWER_S)

    async def show(self, order: Order, seals: tuple[Sealed, ...]) -> ReplicaShown:
        """Have it show the result."""
        return await self._peer.session.request(ShowReplica(0, order.job, seals), timeout_s=SHOW_S)

    @property
    def name(self) -> str:
        """For logs."""
        return self._peer.name

    def blame(self, error: TangleError) -> None:
        """It lied."""
        self._blame(self._peer, error)


Member = OwnMember | PeerMember
"""Whoever can run a job."""


class Consultation:
    """One answer in the making."""

    def __init__(
        self, order: Order, bound: BoundProgram, inputs: tuple[Tensor, ...], setting: Setting
    ) -> None:
        self.order = order
        self._program = GraphProgram(bound, order.task.rows)
        self._inputs = inputs
        self._setting = setting
        self._stirred = anyio.Event()
        self._closed: dict[Member, Sealed] = {}
        self._shown: dict[PublicKey, ReplicaShown] = {}
        self._verdict: Agreed | None = None
        self._failure: TangleError | None = None
        self._sealed_s = 0.0
        self._agreed_s = 0.0

    async def run(self, members: Sequence[Member]) -> None:
        """Ask until enough members agree, or there is no hope; ``make_answer`` tells which."""
        panel: Panel[Member] = Panel(members, anyio.current_time())
        async with anyio.create_task_group() as tasks:
            with anyio.move_on_after(ANSWER_S):
                try:
                    await self._collect(panel, tasks)
                    await self._judge(panel, tasks)
                except TangleError as error:
                    self._failure = error
            if self._verdict is None and self._failure is None:
                fault = ReplicasWithheld if panel.is_closed else ReplicasSilent
                self._failure = fault(len(self._shown), NEEDED, panel.reasons)
            tasks.cancel_scope.cancel()

    def make_answer(self, begun_s: float) -> FastAnswer:
        """The answer, with its receipt.

        :raises TangleError: why there is none.
        """
        if self._failure is not None:
            raise self._failure
        assert self._verdict is not None, "it ran"
        order, plan = self.order, self._program.bound.plan
        chosen = self._shown[self._verdict.agreeing[0]]
        seals = tuple(self._closed.values())
        replicas = tuple(
            SignedReplica(shown.commitment, shown.salt, shown.signature)
            for _, shown in sorted(self._shown.items())
        )
        evidence = Countersigned(seals, NEEDED, replicas)
        receipt = Receipt(RECEIPT_VERSION, chosen.commitment, chosen.openings, evidence)
        return FastAnswer(
            job=order.job,
            transaction=order.transaction.id,
            program=order.task.program,
            rows=order.task.rows,
            types=plan.output_types,
            outputs=chosen.outputs,
            level=receipt.level,
            agreeing=self._verdict.agreeing,
            assigned=tuple(each.worker for each in seals),
            receipt=encode_receipt(receipt),
            times=AnswerTimes(
                sealed_ms=(self._sealed_s - begun_s) * 1_000,
                shown_ms=(self._agreed_s - begun_s) * 1_000,
                total_ms=(anyio.current_time() - begun_s) * 1_000,
            ),
        )

    async def _collect(self, panel: Panel[Member], tasks: TaskGroup) -> None:
        while True:
            now_s = anyio.current_time()
            for member in panel.take_asks(now_s):
                tasks.start_soon(self._seal, panel, member)
            closed = panel.close(now_s)
            if closed is not None:
                self._closed = closed
                self._sealed_s = now_s
                return
            await self._wait(panel.next_s)

    async def _judge(self, panel: Panel[Member], tasks: TaskGroup) -> None:
        seals = tuple(self._closed.values())
        for member in self._closed:
            tasks.start_soon(self._show, panel, member, seals)
        while True:
            self._verdict = panel.judge()
            if self._verdict is not None:
                self._agreed_s = anyio.current_time()
                return
            await self._wait(None)

    async def _wait(self, until_s: float | None) -> None:
        patience_s = float("inf") if until_s is None else max(0.0, until_s - anyio.current_time())
        with anyio.move_on_after(patience_s):
            await self._stirred.wait()
        self._stirred = anyio.Event()

    async def _seal(self, panel: Panel[Member], member: Member) -> None:
        try:
            answer = await member.seal(self.order)
            sealed = Sealed(answer.worker, answer.seal)
            if sealed.worker not in self._setting.get_validators():
                raise WrongSeals("its worker is no validator")
            verify_sealed(sealed, self._setting.chain, self.order.job, answer.signature)
        except TangleError as error:
            self._on_failure(panel, member, error)
        else:
            panel.on_sealed(member, sealed, anyio.current_time())
        self._stirred.set()

    async def _show(self, panel: Panel[Member], member: Member, seals: tuple[Sealed, ...]) -> None:
        worker = self._closed[member].worker
        try:
            shown = await member.show(self.order, seals)
            self._verify(shown, worker, seals)
        except TangleError as error:
            self._on_failure(panel, member, error)
        else:
            self._shown[worker] = shown
            panel.on_shown(member, compute_result_digest(shown.commitment))
        self._stirred.set()

    def _on_failure(self, panel: Panel[Member], member: Member, error: TangleError) -> None:
        code = error.code
        if isinstance(error, RequestRefused):
            code = error.reason.decode(errors="replace")
        elif not isinstance(error, HONEST):
            member.blame(error)
        log.info("replica-failed", member=member.name, code=code, job=self.order.job.hex()[:16])
        panel.on_failure(member, code)

    def _verify(self, shown: ReplicaShown, worker: PublicKey, seals: tuple[Sealed, ...]) -> None:
        """Whether a member shows what it sealed, about this job, with outputs that are those of its trace."""
        order, commitment = self.order, shown.commitment
        context = Context(order.job, worker, EPOCH)
        verify_claim(self._program, commitment, context, order.task.inputs, shown.openings)
        verify_shown(seals, commitment, shown.salt, self._setting.chain, shown.signature)
        types = [self._program.types[number] for number in self._program.outputs]
        if len(shown.outputs) != len(types):
            raise WrongCommitment("the output", f"{len(shown.outputs)} tensors were shown, not {len(types)}")
        for kind, data, stated in zip(types, shown.outputs, commitment.outputs, strict=True):
            _verify_output(kind, data, stated)


def _verify_output(kind: TensorType, data: bytes, stated: bytes) -> None:
    if len(data) != kind.size or compute_tensor_id(kind, data) != stated:
        raise WrongCommitment("the output", "what was shown is another")
