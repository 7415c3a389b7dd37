"""What a pool and its worker say to each other: canonical records behind a length, over a pair of sockets.

The worker decodes strictly because what it is handed came from strangers; the pool decodes strictly because
the worker may by now be doing what a stranger's program made of it.
"""

from enum import IntEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from aivm.program.limits import (
    INITIALIZERS_MAX,
    INPUTS_MAX,
    NODES_MAX,
    PROGRAM_SIZE_MAX,
    TOTAL_ELEMENTS_MAX,
)
from aivm.program.types import DTYPES, DType
from tangle.core.encoding import decode, encode
from tangle.core.types import Digest, Natural
from tangle.node.sandbox.limits import INPUT_BYTES_MAX, MESSAGE_OVERHEAD, PROGRAMS_KEPT_MAX, REASON_LENGTH_MAX

LENGTH_SIZE: Final = 4
"""Bytes of a message's length, little-endian."""

TENSORS_MAX: Final = 2 * NODES_MAX
"""Most tensors of an answer: a trace, where no operator gives more than two (top-k)."""

ORDER_BYTES_MAX: Final = (
    max(PROGRAM_SIZE_MAX + TOTAL_ELEMENTS_MAX * DTYPES[DType.INT32].itemsize, INPUT_BYTES_MAX)
    + 2 * MESSAGE_OVERHEAD
)
"""Longest message to a worker: a program with the largest weights that planning lets pass."""

Text = Annotated[bytes, Meta(max_length=REASON_LENGTH_MAX)]
"""UTF-8 for people, or the name of something."""


class Kind(IntEnum):
    """What of a run is wanted."""

    OUTPUTS = 1
    """The program's outputs."""

    TRACE = 2
    """Every tensor that a node gives."""


class Resource(IntEnum):
    """What a worker noticed by itself that it ran out of."""

    MEMORY = 1
    FILES = 2


class Setup(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """The first message to a worker."""

    engine: Text
    """``module:function`` that opens the backend, called with device and cache."""

    device: Text
    """Device that it opens."""

    cache: Annotated[bytes, Meta(max_length=4096)]
    """Directory for kernels, the only one that it may write to."""

    memory_bytes: Natural
    """Limit on private writable memory."""

    file_bytes: Natural
    """Limit on the length of files."""

    open_files: Natural
    """Limit on open files."""


class Load(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """A program to keep. There is no answer of its own: the task that follows is refused where this was."""

    program: Annotated[bytes, Meta(max_length=PROGRAM_SIZE_MAX)]
    """Canonical encoding."""

    contents: Annotated[tuple[bytes, ...], Meta(max_length=INITIALIZERS_MAX)]
    """Bytes of the external initialisers, in the program's order."""

    forget: Annotated[tuple[Digest, ...], Meta(max_length=PROGRAMS_KEPT_MAX)]
    """Programs to drop first."""


class Task(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """A run of a loaded program."""

    program_id: Digest
    """Which program."""

    kind: Kind
    """What is wanted."""

    rows: Natural
    """Rows of the inputs."""

    inputs: Annotated[tuple[bytes, ...], Meta(max_length=INPUTS_MAX)]
    """Elements of each input, row-major, little-endian."""

    prepare_cpu_s: Natural
    """Processor time until it is compiled."""

    run_cpu_s: Natural
    """Processor time of the run."""


class Ready(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """The worker has confined itself and opened its backend."""

    backend: Text
    """Name of the implementation and its device."""

    has_own_network: bool
    """Whether it has a network namespace of its own, with nothing in it."""

    landlock: Natural
    """Version of the kernel's Landlock that confines its files and connections; 0 where there is none."""


class Prepared(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """The task's program is compiled; the run begins."""


class Answered(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """The task is done."""

    tensors: Annotated[tuple[bytes, ...], Meta(max_length=TENSORS_MAX)]
    """Elements of each tensor, row-major, little-endian."""


class Rejected(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """An error with a name."""

    code: Text
    """Its code in the tree of errors."""

    reason: Text
    """What it says."""


class RanOut(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """The worker met a limit and is still able to say so; it leaves."""

    resource: Resource
    """Which limit."""


class Fault(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """An error without a name; the worker leaves."""

    reason: Text
    """Class and text."""


Order = Setup | Load | Task
Report = Ready | Prepared | Answered | Rejected | RanOut | Fault


class OrderMessage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """To a worker."""

    body: Order
    """What it is to do."""


class ReportMessage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """From a worker."""

    body: Report
    """What happened."""


def frame_order(order: Order) -> bytes:
    """Bytes of a message to a worker, its length in front."""
    return _frame(encode(OrderMessage(order)))


def frame_report(report: Report) -> bytes:
    """Bytes of a message from a worker, its length in front."""
    return _frame(encode(ReportMessage(report)))


def read_order(data: bytes) -> Order:
    """Decode a message to a worker.

    :raises OversizeEncoding: longer than ``ORDER_BYTES_MAX``.
    :raises MalformedEncoding: not the canonical encoding of one.
    """
    return decode(OrderMessage, data, limit=ORDER_BYTES_MAX).body


def read_report(data: bytes, limit: int) -> Report:
    """Decode a message from a worker.

    :raises OversizeEncoding: longer than ``limit``.
    :raises MalformedEncoding: not the canonical encoding of one.
    """
    return decode(ReportMessage, data, limit=limit).body


def make_text(text: str) -> bytes:
    """A reason that is short enough, in whole characters."""
    return text.encode()[:REASON_LENGTH_MAX].decode(errors="ignore").encode()


def _frame(data: bytes) -> bytes:
    return len(data).to_bytes(LENGTH_SIZE, "little") + data
