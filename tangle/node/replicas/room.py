"""The room for fast answers: runs jobs for peers that ask, and has peers run those of its own customers."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, assert_never

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus
from msgspec.structs import replace

from tangle.core.errors import TangleError
from tangle.core.hashing import ANSWER, compute_hash
from tangle.core.types import ChainId, PublicKey, TransactionId
from tangle.net.errors import SessionClosed
from tangle.net.messages import Refused, Response, prepare_message
from tangle.net.replica_messages import AskReplica, ReplicaRequest, ShowReplica
from tangle.node.blob_fetch import Neighbours
from tangle.node.blobs import BlobRoom
from tangle.node.peer import Peer
from tangle.node.replicas.consulting import Consultation, OwnMember, PeerMember, Setting
from tangle.node.replicas.errors import NotOffered, ReplicasDisagree, ReplicasWithheld
from tangle.node.replicas.orders import bind_inputs, read_order
from tangle.node.replicas.views import FastAnswer
from tangle.node.replicas.worker import RUNS_PER_ASKER_MAX, Payments, Programs, ReplicaWorker
from tangle.node.views import Overloaded, SubmitOutcome

ANSWERS_MAX: Final = RUNS_PER_ASKER_MAX
"""Answers being made for customers of this node: as many as a validator runs for one asker."""

ANSWERS_KEPT: Final = 256
"""Answers remembered: a customer whose connection broke asks again with the same transaction."""

REQUESTS_MAX: Final = 64
"""Requests of peers being answered at a time; a run may be waited for by whoever asked twice."""

RETRY_AFTER_S: Final = 0.5
"""When to ask again where there are too many."""

FINAL: Final = (ReplicasDisagree, ReplicasWithheld)
"""Failures after which the same transaction cannot get an answer: results are shown for one list of seals."""

log = structlog.get_logger("replicas")


class Door(Protocol):
    """The way of a transaction into this node."""

    async def submit(self, items: tuple[bytes, ...]) -> tuple[SubmitOutcome, ...]:
        """Take a customer's transaction in; returns once it is durable, or refused."""

    def take(self, items: tuple[bytes, ...], source: Peer, *, is_requested: bool) -> None:
        """Take a peer's in, without waiting."""


class ReplicaRoom:
    """Everything about fast answers. It hangs itself into the sessions, and runs in a task of its own."""

    def __init__(
        self,
        *,
        chain: ChainId,
        identity: PublicKey,
        get_validators: Callable[[], frozenset[PublicKey]],
        neighbours: Neighbours,
        blobs: BlobRoom,
        door: Door,
        programs: Programs,
        payments: Payments,
        worker: ReplicaWorker | None,
    ) -> None:
        """:param identity: this node's, under which peers know it as an asker.
        :param worker: runs jobs under the validator's key; none where this node is no validator.
        """
        self.answered = 0
        self.failed = 0
        self.worker = worker
        self._identity = identity
        self._setting = Setting(chain, get_validators)
        self._neighbours = neighbours
        self._blobs = blobs
        self._door = door
        self._programs = programs
        self._payments = payments
        self._answers: OrderedDict[TransactionId, _Pending] = OrderedDict()
        self._under_way = 0
        self._requests = 0
        self._tasks: TaskGroup | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                self._tasks = None

    # ── for peers ───────────────────────────────────────────────────────────────────────────────────────────

    def on_request(self, request: ReplicaRequest, peer: Peer) -> None:
        """A peer asks: answer in a task, or refuse at once."""
        if self.worker is None or self._tasks is None:
            peer.send(prepare_message(Refused(request.request, NotOffered.code.encode())))
        elif self._requests >= REQUESTS_MAX:
            peer.send(prepare_message(Refused(request.request, Overloaded.code.encode())))
        else:
            self._requests += 1
            self._tasks.start_soon(self._serve, request, peer, self.worker)

    async def _serve(self, request: ReplicaRequest, peer: Peer, worker: ReplicaWorker) -> None:
        try:
            response: Response
            try:
                response = await self._make_response(request, peer, worker)
            except TangleError as error:
                log.info("replica-refused", peer=peer.name, code=error.code, reason=str(error))
                response = Refused(0, error.code.encode())
            with suppress(SessionClosed):
                await peer.session.send(replace(response, request=request.request))
        finally:
            self._requests -= 1

    async def _make_response(self, request: ReplicaRequest, peer: Peer, worker: ReplicaWorker) -> Response:
        match request:
            case AskReplica(transaction=encoded, inputs=inputs):
                order = read_order(encoded, inputs)
                # Whoever asks cannot keep the payment back: from here on this node has it too.
                self._payments.examine(order)
                self._door.take((encoded,), peer, is_requested=False)
                return await worker.seal(order, peer.public_key)
            case ShowReplica(job=job, seals=seals):
                return await worker.show(job, seals, peer.public_key)
            case _:
                assert_never(request)

    # ── for customers ───────────────────────────────────────────────────────────────────────────────────────

    async def answer(self, encoded: bytes, inputs: tuple[bytes, ...]) -> FastAnswer:
        """Have a job run by a few validators, and its transaction taken in.

        The same transaction again gets the same answer.

        :raises Overloaded: too many answers are being made.
        :raises NotOffered: this node does not take part.
        :raises ReplicasSilent: too few validators have a result now; the transaction was taken in.
        :raises ReplicasWithheld, ReplicasDisagree: there will be none before the ledger settles the job.
        :raises TangleError: the job, the inputs, or the transaction are refused.
        """
        if self._tasks is None:
            raise NotOffered
        order = read_order(encoded, inputs)
        pending = self._answers.get(order.transaction.id)
        if pending is None:
            if self._under_way >= ANSWERS_MAX:
                raise Overloaded("answers", RETRY_AFTER_S)
            pending = self._answers[order.transaction.id] = _Pending()
            # In a task of its own: a customer that leaves has paid all the same, and may come back.
            self._under_way += 1
            self._tasks.start_soon(self._answer, encoded, inputs, pending)
        await pending.done.wait()
        if pending.failure is not None:
            raise pending.failure
        assert pending.answer is not None, "an attempt ends with an answer or a failure"
        return pending.answer

    async def _answer(self, encoded: bytes, inputs: tuple[bytes, ...], pending: "_Pending") -> None:
        identity = read_order(encoded, inputs).transaction.id
        try:
            pending.answer = await self._make_answer(encoded, inputs)
            self.answered += 1
        except TangleError as error:
            self.failed += 1
            log.info("answer-failed", id=identity.hex()[:16], code=error.code)
            pending.failure = error
            if not isinstance(error, FINAL):
                del self._answers[identity]
        finally:
            self._under_way -= 1
            if pending.answer is None and pending.failure is None:
                pending.failure = NotOffered()
            pending.done.set()
        if len(self._answers) > ANSWERS_KEPT:
            oldest = next(iter(self._answers))
            if self._answers[oldest].done.is_set():
                del self._answers[oldest]

    async def _make_answer(self, encoded: bytes, inputs: tuple[bytes, ...]) -> FastAnswer:
        begun_s = anyio.current_time()
        order = read_order(encoded, inputs)
        bound = await self._programs.get(self._payments.examine(order))
        consultation = Consultation(order, bound, bind_inputs(order, bound), self._setting)
        admission = _Admission()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._admit, encoded, inputs, admission, tasks.cancel_scope)
            tasks.start_soon(consultation.run, self._list_members(consultation))
        if admission.failure is not None:
            raise admission.failure
        return consultation.make_answer(begun_s)

    async def _admit(
        self,
        encoded: bytes,
        inputs: tuple[bytes, ...],
        admission: "_Admission",
        scope: anyio.CancelScope,
    ) -> None:
        try:
            for data in inputs:  # the worker that the ledger assigns will fetch them
                await self._blobs.put(data, is_pinned=False)
            (outcome,) = await self._door.submit((encoded,))
            if outcome.error is not None:
                raise outcome.error
        except TangleError as error:
            admission.failure = error
            scope.cancel()

    def _list_members(self, consultation: Consultation) -> list[OwnMember | PeerMember]:
        """The own worker first, then validators among the peers, in an order that differs from job to job."""
        job = consultation.order.job
        peers = [peer for peer in self._neighbours.get_peers() if peer.hello and peer.hello.is_validator]
        peers.sort(key=lambda peer: compute_hash(ANSWER, job + peer.public_key))
        members: list[OwnMember | PeerMember] = []
        if self.worker is not None and self._tasks is not None:
            members.append(OwnMember(self.worker, self._identity, self._tasks))
        return members + [PeerMember(peer, self._neighbours.blame) for peer in peers]


class _Pending:
    def __init__(self) -> None:
        self.done = anyio.Event()
        self.answer: FastAnswer | None = None
        self.failure: TangleError | None = None


class _Admission:
    def __init__(self) -> None:
        self.failure: TangleError | None = None
