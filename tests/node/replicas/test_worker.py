"""Running a job for whoever asks: once, for one asker, shown for one list of seals."""

from collections.abc import Sequence
from typing import Any, Final

import anyio
import pytest
from msgspec.structs import replace

from aivm.backends.program_protocol import OracleBackend
from aivm.oracle.graph.run import run_program
from aivm.program.binding import BoundProgram, Tensor
from poi.countersigning import Sealed, verify_sealed, verify_shown
from poi.errors import InvalidReplication
from tangle.core.signing import SigningKey
from tangle.core.types import Digest
from tangle.node.replicas import worker as module
from tangle.node.replicas.errors import ProgramAbsent, ReplicaFailed, Taken, UnknownRun, Unpaid, WrongSeals
from tangle.node.replicas.orders import bind_inputs
from tangle.node.replicas.worker import KEPT_S, RUNS_MAX, RUNS_PER_ASKER_MAX, ReplicaWorker
from tangle.node.sandbox.limits import TaskLimits
from tangle.node.sandbox.outcomes import Crashed, Outcome
from tangle.node.sandbox.runner import InlineRunner
from tangle.node.sandbox.wire import Kind
from tangle.node.views import Overloaded
from tests.net.builders import CHAIN
from tests.node.replicas.builders import BOUND, Paying, Shelf, make_order, make_rows
from tests.node.twins import SeededRandomness, make_key

KEY: Final = make_key("validator")
ASKER: Final = make_key("asker").public_key
STRANGER: Final = make_key("stranger").public_key


class Gate:
    """A runner that lets a task through when the test says so, and counts."""

    def __init__(self) -> None:
        self.inner = InlineRunner(OracleBackend())
        self.opened = anyio.Event()
        self.begun = 0
        self.crashes = False

    async def run(
        self,
        bound: BoundProgram,
        inputs: Sequence[Tensor],
        *,
        kind: Kind = Kind.OUTPUTS,
        limits: TaskLimits | None = None,
    ) -> Outcome:
        self.begun += 1
        await self.opened.wait()
        return Crashed(11) if self.crashes else await self.inner.run(bound, inputs, kind=kind, limits=limits)


class Scene:
    def __init__(self, key: SigningKey = KEY, *, is_open: bool = True) -> None:
        self.gate = Gate()
        if is_open:
            self.gate.opened.set()
        self.payments = Paying()
        self.programs = Shelf()
        self.worker = ReplicaWorker(
            key=key,
            chain=CHAIN,
            runner=self.gate,
            programs=self.programs,
            payments=self.payments,
            randomness=SeededRandomness("salt"),
        )


async def test_a_result_is_sealed_and_then_shown() -> None:
    scene, order = Scene(), make_order()
    answer = await scene.worker.seal(order, ASKER)
    sealed = Sealed(answer.worker, answer.seal)
    verify_sealed(sealed, CHAIN, order.job, answer.signature)
    seals = tuple(sorted((sealed, Sealed(ASKER, Digest(bytes(32)))), key=lambda each: each.worker))
    shown = await scene.worker.show(order.job, seals, ASKER)
    verify_shown(seals, shown.commitment, shown.salt, CHAIN, shown.signature)
    (right,) = run_program(BOUND, bind_inputs(order, BOUND))
    assert shown.outputs == (right.tobytes(),)
    assert shown.commitment.context.task == order.job
    assert (await scene.worker.show(order.job, seals, ASKER)) == shown  # the same list again


async def test_the_same_order_is_run_once() -> None:
    scene, order = Scene(is_open=False), make_order()
    answers: list[Any] = []

    async def ask() -> None:
        answers.append(await scene.worker.seal(order, ASKER))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask)
        await anyio.sleep(1)
        scene.gate.opened.set()
    assert scene.gate.begun == 1
    assert len(answers) == 3
    assert len({answer.seal for answer in answers}) == 1


async def test_a_job_is_run_for_one_asker_and_one_transaction() -> None:
    scene, order = Scene(), make_order()
    answer = await scene.worker.seal(order, ASKER)
    with pytest.raises(Taken):
        await scene.worker.seal(order, STRANGER)
    with pytest.raises(Taken):  # the same number, so the same job, with other inputs
        await scene.worker.seal(make_order(data=make_rows(1)), ASKER)
    with pytest.raises(Taken):
        await scene.worker.show(order.job, (Sealed(answer.worker, answer.seal),), STRANGER)


async def test_it_is_shown_for_one_list_of_seals_only() -> None:
    scene, order = Scene(), make_order()
    answer = await scene.worker.seal(order, ASKER)
    own = Sealed(answer.worker, answer.seal)
    other = Sealed(STRANGER, Digest(bytes(32)))
    both = tuple(sorted((own, other), key=lambda each: each.worker))
    with pytest.raises(WrongSeals):
        await scene.worker.show(order.job, (other,), ASKER)
    with pytest.raises(WrongSeals):
        await scene.worker.show(order.job, (Sealed(own.worker, Digest(bytes(32))),), ASKER)
    with pytest.raises(InvalidReplication):
        await scene.worker.show(order.job, both[::-1], ASKER)
    await scene.worker.show(order.job, both, ASKER)
    # Now that the result is known, somebody makes a seal for it.
    changed = tuple(replace(each, seal=Digest(bytes([7]) * 32)) if each != own else each for each in both)
    with pytest.raises(WrongSeals):
        await scene.worker.show(order.job, changed, ASKER)


async def test_nothing_is_shown_for_money_that_went_elsewhere() -> None:
    scene, order = Scene(), make_order()
    answer = await scene.worker.seal(order, ASKER)
    scene.payments.late_fault = Unpaid("spent")
    with pytest.raises(Unpaid):
        await scene.worker.show(order.job, (Sealed(answer.worker, answer.seal),), ASKER)


async def test_what_was_never_sealed_is_unknown() -> None:
    with pytest.raises(UnknownRun):
        await Scene().worker.show(Digest(bytes(32)), (Sealed(ASKER, Digest(bytes(32))),), ASKER)


async def test_a_failed_run_is_told_and_may_be_tried_again() -> None:
    scene, order = Scene(), make_order()
    scene.gate.crashes = True
    with pytest.raises(ReplicaFailed, match="SIGSEGV"):
        await scene.worker.seal(order, ASKER)
    scene.gate.crashes = False
    scene.programs.fault = ProgramAbsent(order.task.program)
    with pytest.raises(ProgramAbsent):
        await scene.worker.seal(order, ASKER)
    scene.programs.fault = None
    scene.payments.fault = Unpaid("no")
    with pytest.raises(Unpaid):
        await scene.worker.seal(order, ASKER)
    assert scene.gate.begun == 1
    scene.payments.fault = None
    await scene.worker.seal(order, ASKER)


async def test_only_so_many_are_run_at_a_time() -> None:
    scene = Scene(is_open=False)
    askers = [make_key(f"asker {number}").public_key for number in range(RUNS_MAX)]
    async with anyio.create_task_group() as tasks:
        for number in range(RUNS_PER_ASKER_MAX):
            tasks.start_soon(scene.worker.seal, make_order(number), askers[0])
        await anyio.sleep(1)
        with pytest.raises(Overloaded):
            await scene.worker.seal(make_order(10), askers[0])
        for number in range(RUNS_MAX - RUNS_PER_ASKER_MAX):
            tasks.start_soon(scene.worker.seal, make_order(20 + number), askers[1 + number])
        await anyio.sleep(1)
        with pytest.raises(Overloaded):
            await scene.worker.seal(make_order(30), STRANGER)
        scene.gate.opened.set()
    assert scene.worker.runs_done == RUNS_MAX
    await scene.worker.seal(make_order(31), STRANGER)


async def test_runs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, order = Scene(), make_order()
    answer = await scene.worker.seal(order, ASKER)
    seals = (Sealed(answer.worker, answer.seal),)
    await anyio.sleep(KEPT_S + 1)
    await scene.worker.seal(make_order(1), ASKER)
    with pytest.raises(UnknownRun):
        await scene.worker.show(order.job, seals, ASKER)
    monkeypatch.setattr(module, "KEPT_BYTES_MAX", 1)
    for number in (2, 3):
        await scene.worker.seal(make_order(number), ASKER)
    with pytest.raises(UnknownRun):
        await scene.worker.show(make_order(2).job, seals, ASKER)
    assert scene.worker._kept_bytes == sum(
        run.result.size for run in scene.worker._runs.values() if run.result
    )
