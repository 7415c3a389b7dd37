"""Running a job for whoever asks: check, run, seal; and later show.

One run for each job, for one asker: an account has each number once, so it gets one answer for it. Runs are
remembered for a while, so that neither a repeated request nor another transaction with the same number is
worked for again.
"""

from collections import OrderedDict
from typing import Final, Protocol

import anyio
from msgspec import Struct

from aivm.program.binding import BoundProgram
from aivm.verification.graph import GraphProgram
from aivm.verification.trace import Context, Trace
from poi.countersigning import Sealed, compute_result_digest, sign_seal, sign_shown, verify_seals
from poi.market.records import ProgramEntry
from poi.replication import compute_seal
from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Digest, PublicKey
from tangle.net.replica_messages import ReplicaSealed, ReplicaShown
from tangle.node.randomness import Randomness
from tangle.node.replicas.errors import ReplicaFailed, Taken, UnknownRun, WrongSeals
from tangle.node.replicas.orders import Order, bind_inputs
from tangle.node.sandbox.limits import MIB, TaskLimits
from tangle.node.sandbox.outcomes import Completed
from tangle.node.sandbox.runner import ProgramRunner
from tangle.node.sandbox.wire import Kind
from tangle.node.views import Overloaded

EPOCH: Final = 0
"""The one committee epoch that runs today."""

RUNS_MAX: Final = 16
"""Jobs run at a time: with light models less than a second of work in the queue of one worker process."""

RUNS_PER_ASKER_MAX: Final = 8
"""Those of one asker, so that one node does not shut out the others."""

KEPT_MAX: Final = 1_024
"""Runs remembered, at most some 6 MiB each and mostly a few KiB; the oldest goes."""

KEPT_BYTES_MAX: Final = 256 * MIB
"""Traces and outputs remembered altogether."""

KEPT_S: Final = 60.0
"""How long a run is remembered: its transaction is ordered long before, and then its number is used."""

RETRY_AFTER_S: Final = 0.5
"""When to ask again where there are too many."""

LIMITS: Final = TaskLimits(prepare_s=30.0, prepare_cpu_s=60, run_s=5.0, run_cpu_s=10, output_bytes=16 * MIB)
"""What one run may take in the sandbox: the first of a program may have to build kernels."""


class Programs(Protocol):
    """Programs with their constants, by what the ledger says of them."""

    async def get(self, entry: ProgramEntry) -> BoundProgram:
        """:raises ProgramAbsent: it is not here yet, and being fetched.
        :raises TangleError: what is here is no such program.
        """


class Payments(Protocol):
    """What this node knows of money."""

    def examine(self, order: Order) -> ProgramEntry:
        """Whether the ledger would open the job now.

        :raises TangleError: it would not, or the transaction is refused; the subclasses say why.
        """

    async def settle(self, order: Order) -> None:
        """Wait until the transaction was taken in here with everything before it.

        :raises Unpaid: it was not, or the money goes elsewhere.
        """


class _Run:
    def __init__(self, order: Order, asker: bytes, begun_s: float) -> None:
        self.order = order
        self.asker = asker
        self.begun_s = begun_s
        self.done = anyio.Event()
        self.result: _Result | None = None
        self.failure: TangleError | None = None
        self.seals: tuple[Sealed, ...] = ()
        """What the result was shown with."""


class _Result(Struct, frozen=True, eq=False):
    trace: Trace
    outputs: tuple[bytes, ...]
    salt: Digest
    sealed: Sealed
    size: int


class ReplicaWorker:
    """Runs jobs under one validator's key."""

    def __init__(
        self,
        *,
        key: SigningKey,
        chain: ChainId,
        runner: ProgramRunner,
        programs: Programs,
        payments: Payments,
        randomness: Randomness,
    ) -> None:
        """:param key: the validator's, which signs seals and results."""
        self.runs_done = 0
        self._key = key
        self._chain = chain
        self._runner = runner
        self._programs = programs
        self._payments = payments
        self._randomness = randomness
        self._runs: OrderedDict[Digest, _Run] = OrderedDict()
        self._under_way: list[bytes] = []
        self._kept_bytes = 0

    @property
    def public_key(self) -> PublicKey:
        """The validator's."""
        return self._key.public_key

    async def seal(self, order: Order, asker: bytes) -> ReplicaSealed:
        """Run a job and seal the result.

        :param asker: who will be shown it.
        :raises Taken: somebody else asked for it, or for another job of that name.
        :raises Overloaded: too many are run already.
        :raises TangleError: it is not paid for, the program is absent or fails, inputs are wrong, ...
        """
        self._forget()
        run = self._runs.get(order.job)
        if run is None:
            run = await self._start(order, asker)
        elif run.asker != asker or run.order.transaction.id != order.transaction.id:
            raise Taken(order.job)
        else:
            await run.done.wait()
        if run.failure is not None:
            raise run.failure
        assert run.result is not None, "a run ends with a result or a failure"
        sealed = run.result.sealed
        signature = sign_seal(self._key, self._chain, order.job, sealed.seal)
        return ReplicaSealed(0, sealed.worker, sealed.seal, signature)

    async def show(self, job: Digest, seals: tuple[Sealed, ...], asker: bytes) -> ReplicaShown:
        """Show a sealed result, signed together with everybody's seals.

        :raises UnknownRun: nothing of that name is sealed. :raises Taken: for somebody else.
        :raises WrongSeals: the own seal is not among them, or it was shown with others.
        :raises InvalidReplication: seals are not in order.
        :raises Unpaid: the transaction was refused meanwhile, or the money is gone.
        """
        run = self._runs.get(job)
        if run is None or run.result is None:
            raise UnknownRun(job)
        if run.asker != asker:
            raise Taken(job)
        verify_seals(seals)
        result = run.result
        if result.sealed not in seals:
            raise WrongSeals("the seal of this worker is not among them")
        if run.seals and run.seals != seals:
            raise WrongSeals("it was shown with other seals before")
        run.seals = seals  # before anything is awaited: for one list only
        await self._payments.settle(run.order)
        commitment = result.trace.commitment
        signature = sign_shown(self._key, self._chain, seals, commitment, result.salt)
        openings = result.trace.open_outputs()
        return ReplicaShown(0, commitment, result.salt, signature, openings, result.outputs)

    async def _start(self, order: Order, asker: bytes) -> _Run:
        if len(self._under_way) >= RUNS_MAX or self._under_way.count(asker) >= RUNS_PER_ASKER_MAX:
            raise Overloaded("replicas", RETRY_AFTER_S)
        entry = self._payments.examine(order)
        run = self._runs[order.job] = _Run(order, asker, anyio.current_time())
        self._under_way.append(asker)
        try:
            run.result = await self._compute(order, entry)
            self._kept_bytes += run.result.size
            self.runs_done += 1
        except TangleError as error:
            run.failure = error
        finally:
            self._under_way.remove(asker)
            if run.result is None:
                del self._runs[order.job]
                run.failure = run.failure or ReplicaFailed("it was stopped")
            run.done.set()
        return run

    async def _compute(self, order: Order, entry: ProgramEntry) -> _Result:
        bound = await self._programs.get(entry)
        inputs = bind_inputs(order, bound)
        outcome = await self._runner.run(bound, inputs, kind=Kind.TRACE, limits=LIMITS)
        if not isinstance(outcome, Completed):
            raise ReplicaFailed(outcome.describe())
        program = GraphProgram(bound, order.task.rows)
        trace = Trace(program, outcome.tensors, Context(order.job, self.public_key, EPOCH))
        outputs = tuple(outcome.tensors[number].tobytes() for number in program.outputs)
        salt = Digest(self._randomness.get_bytes(32))
        digest = compute_result_digest(trace.commitment)
        sealed = Sealed(self.public_key, compute_seal(order.job, self.public_key, digest, salt))
        constants = sum(each.nbytes for each in bound.initializers)
        size = sum(tensor.nbytes for tensor in outcome.tensors) - constants
        return _Result(trace, outputs, salt, sealed, size)

    def _forget(self) -> None:
        now_s = anyio.current_time()
        for job, run in list(self._runs.items()):
            is_old = now_s - run.begun_s > KEPT_S
            is_much = len(self._runs) >= KEPT_MAX or self._kept_bytes > KEPT_BYTES_MAX
            if not (is_old or is_much):
                return
            if run.result is not None:
                self._kept_bytes -= run.result.size
                del self._runs[job]
