"""The worker process: confines itself, opens a backend, then does one task after the other until it dies.

Started as ``python -m tangle.node.sandbox.worker SOCKET PARENT``. It says what it can say by itself: an error
with a name, a limit that it noticed. Everything else (a crash, an endless run, silence) is for the pool to
find out. What it answers is believed by nobody until it was checked.
"""

import errno
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final, assert_never, cast

import numpy as np

from aivm.backends.program_protocol import ProgramBackend
from aivm.program.binding import BoundProgram, Tensor, bind_program
from aivm.program.errors import InvalidInput
from aivm.program.planning import Plan, plan_program
from aivm.program.record import External, decode_program
from aivm.program.types import DTYPES, TensorType
from tangle.core.errors import TangleError
from tangle.core.types import Digest
from tangle.node.sandbox.confinement import Confinement, confine, expect_pressure, limit_processor_time
from tangle.node.sandbox.wire import (
    LENGTH_SIZE,
    ORDER_BYTES_MAX,
    Answered,
    Fault,
    Kind,
    Load,
    Order,
    Prepared,
    RanOut,
    Ready,
    Rejected,
    Report,
    Resource,
    Setup,
    Task,
    frame_report,
    make_text,
    read_order,
)

BETWEEN_TASKS_CPU_S: Final = 60
"""Processor time between two tasks, for reading the next one: a gigabyte of weights takes a second or two."""

OUT_OF_FILES: Final = (errno.EMFILE, errno.ENFILE, errno.EFBIG)
"""Errors of the system that mean too many, or too long, files."""

Engine = Callable[[str, Path], ProgramBackend]
"""Opens a backend: device and cache."""


class UnknownProgram(TangleError):
    """A task for a program that was not loaded into this worker."""

    code = "program-not-loaded"

    def __init__(self, program_id: Digest) -> None:
        self.program_id = program_id
        super().__init__(f"program {program_id.hex()} was not loaded into this worker")


class Desk:
    """What one worker knows: its backend and its programs."""

    def __init__(self, backend: ProgramBackend) -> None:
        self._backend = backend
        self._pending: Load | None = None
        self._bound: dict[Digest, BoundProgram] = {}

    def load(self, order: Load) -> None:
        """Keep a program for the task that follows, which is refused where the program is."""
        for program_id in order.forget:
            self._bound.pop(program_id, None)
        self._pending = order

    def prepare(self, task: Task) -> tuple[BoundProgram, tuple[Tensor, ...]]:
        """Load, check and compile what a task needs.

        :raises TangleError: program, weights or inputs are refused.
        """
        if self._pending is not None:
            order, self._pending = self._pending, None
            bound = _bind(order)
            self._bound[bound.plan.program_id] = bound
        if task.program_id not in self._bound:
            raise UnknownProgram(task.program_id)
        bound = self._bound[task.program_id]
        inputs = _make_inputs(bound.plan, task)
        self._backend.prepare(bound, task.rows, is_trace=task.kind is Kind.TRACE)
        return bound, inputs

    def compute(self, kind: Kind, bound: BoundProgram, inputs: tuple[Tensor, ...]) -> tuple[bytes, ...]:
        """Outputs, or for a trace what the nodes give."""
        if kind is Kind.OUTPUTS:
            tensors = self._backend.run(bound, inputs)
        else:
            first = len(bound.plan.program.inputs) + len(bound.plan.program.initializers)
            tensors = self._backend.trace(bound, inputs)[first:]
        return tuple(np.ascontiguousarray(tensor).tobytes() for tensor in tensors)


def main() -> None:
    """Serve the socket that was inherited until it is closed."""
    number, parent = map(int, sys.argv[1:])
    expect_pressure()
    with socket.socket(fileno=number) as channel:
        serve(channel, parent)


def serve(channel: socket.socket, parent: int) -> None:
    """Confine this process, then answer every task in turn."""
    setup = _receive(channel)
    if not isinstance(setup, Setup):
        return
    try:
        backend, held = _open(setup, parent)
    except Exception as error:  # whatever it is, the pool must hear of it
        _send(channel, _report_error(error))
        return
    name = make_text(f"{backend.name} {backend.device}")
    _send(channel, Ready(name, held.has_own_network, held.landlock))
    desk = Desk(backend)
    is_well = True
    while is_well:
        try:
            order = _receive(channel)
            if order is None:
                return
            is_well = _follow(channel, desk, order)
        except Exception as error:  # memory may run out anywhere; the pool must hear of it
            report = _report_error(error)
            _send(channel, report)
            is_well = isinstance(report, Rejected)


def _follow(channel: socket.socket, desk: Desk, order: Order) -> bool:
    match order:
        case Load():
            desk.load(order)
        case Task():
            limit_processor_time(order.prepare_cpu_s)
            bound, inputs = desk.prepare(order)
            _send(channel, Prepared())
            limit_processor_time(order.run_cpu_s)
            _send(channel, Answered(desk.compute(order.kind, bound, inputs)))
            limit_processor_time(BETWEEN_TASKS_CPU_S)
        case Setup():
            return False  # it comes once
        case _:
            assert_never(order)
    return True


def _open(setup: Setup, parent: int) -> tuple[ProgramBackend, Confinement]:
    module, _, function = setup.engine.decode().partition(":")
    cache = Path(setup.cache.decode())
    found = find_spec(module.partition(".")[0])
    places = [] if found is None else list(found.submodule_search_locations or ())
    held = confine(
        parent,
        cache,
        [Path(place) for place in places],
        memory_bytes=setup.memory_bytes,
        file_bytes=setup.file_bytes,
        open_files=setup.open_files,
    )
    engine = cast(Engine, getattr(import_module(module), function))
    return engine(setup.device.decode(), cache), held


def _bind(order: Load) -> BoundProgram:
    plan = plan_program(decode_program(order.program))
    names = [
        initializer.content.tensor_id
        for initializer in plan.program.initializers
        if isinstance(initializer.content, External)
    ]
    return bind_program(plan, dict(zip(names, order.contents, strict=False)))


def _make_inputs(plan: Plan, task: Task) -> tuple[Tensor, ...]:
    if len(task.inputs) != len(plan.input_types):
        raise InvalidInput("inputs", f"{len(task.inputs)} tensors, not {len(plan.input_types)}")
    return tuple(
        _make_input(f"inputs[{place}]", data, declared, task.rows)
        for place, (data, declared) in enumerate(zip(task.inputs, plan.input_types, strict=True))
    )


def _make_input(name: str, data: bytes, declared: TensorType, rows: int) -> Tensor:
    if len(data) != rows * declared.size:
        raise InvalidInput(name, f"{len(data)} bytes, not {rows} rows of {declared.size}")
    return np.frombuffer(data, DTYPES[declared.dtype]).reshape(rows, *declared.shape)


def _report_error(error: Exception) -> Report:
    match error:
        case TangleError():
            return Rejected(make_text(error.code), make_text(str(error)))
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return RanOut(Resource.MEMORY)
        case OSError(errno=number) if number in OUT_OF_FILES:
            return RanOut(Resource.FILES)
        case _:
            return Fault(make_text(f"{type(error).__name__}: {error}"))


def _send(channel: socket.socket, report: Report) -> None:
    channel.sendall(frame_report(report))


def _receive(channel: socket.socket) -> Order | None:
    head = _read(channel, LENGTH_SIZE)
    if len(head) < LENGTH_SIZE:
        return None
    length = int.from_bytes(head, "little")
    if length > ORDER_BYTES_MAX:
        return None
    data = _read(channel, length)
    return read_order(data) if len(data) == length else None


def _read(channel: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view = memoryview(data)
    done = 0
    while done < size:
        count = channel.recv_into(view[done:])
        if count == 0:
            return b""
        done += count
    return bytes(data)


if __name__ == "__main__":
    main()
