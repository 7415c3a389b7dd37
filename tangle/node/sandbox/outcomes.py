"""How a task can end: with tensors, or with one of a closed set of reasons why not."""

import signal
from enum import IntEnum

from msgspec import Struct

from aivm.program.binding import Tensor


class Phase(IntEnum):
    """What a task was doing."""

    PREPARE = 1
    """Loading and compiling."""

    RUN = 2
    """Computing."""


class Completed(Struct, frozen=True, eq=False):
    """The task was done. The tensors are of the types that the program gives them; no more is known of them:
    whether they are right is decided by verification.
    """

    tensors: tuple[Tensor, ...]
    """Outputs in order, or for a trace every tensor by its number; read-only."""

    prepare_s: float
    """Wall time until the program was ready to run; close to 0 after its first run."""

    run_s: float
    """Wall time of the run, the way of the tensors included."""


class Refused(Struct, frozen=True):
    """Program, weights or inputs were refused by name. The worker is as good as before."""

    code: str
    """Code of the error, as in the tree of errors."""

    reason: str
    """What it said."""

    def describe(self) -> str:
        """One sentence for people."""
        return self.reason


class NotStarted(Struct, frozen=True):
    """No worker could be made ready: the fault of the machine, not of the task."""

    reason: str
    """What is wrong with the machine, or how the worker ended."""

    def describe(self) -> str:
        """One sentence for people."""
        return f"no worker could be started: {self.reason}"


class TimeExhausted(Struct, frozen=True):
    """The task was not done in its wall time."""

    phase: Phase
    """What it was doing."""

    limit_s: float
    """What it was allowed."""

    def describe(self) -> str:
        """One sentence for people."""
        return f"out of time in phase {self.phase.name.lower()}: over {self.limit_s:g} s"


class CpuExhausted(Struct, frozen=True):
    """The task used up its processor time."""

    phase: Phase
    """What it was doing."""

    limit_s: int
    """What it was allowed."""

    def describe(self) -> str:
        """One sentence for people."""
        return f"out of processor time in phase {self.phase.name.lower()}: over {self.limit_s} s"


class MemoryExhausted(Struct, frozen=True):
    """The task needed more memory than a worker has."""

    limit_bytes: int
    """What the worker was allowed."""

    def describe(self) -> str:
        """One sentence for people."""
        return f"out of memory: over {self.limit_bytes} bytes"


class OutputExhausted(Struct, frozen=True):
    """The task gives, or its worker sent, more than the task may."""

    limit_bytes: int
    """What it was allowed."""

    def describe(self) -> str:
        """One sentence for people."""
        return f"too much output: over {self.limit_bytes} bytes"


class FilesExhausted(Struct, frozen=True):
    """The worker ran out of open files, or wrote a file that is too long."""

    open_files: int
    """Open files that it was allowed."""

    file_bytes: int
    """Length of a file that it was allowed."""

    def describe(self) -> str:
        """One sentence for people."""
        return f"over {self.open_files} open files, or a file over {self.file_bytes} bytes"


class Crashed(Struct, frozen=True):
    """A signal ended the worker: a fault in a kernel, or the system's killer of processes."""

    signal: int
    """Number of the signal."""

    def describe(self) -> str:
        """One sentence for people."""
        known = {each.value: each.name for each in signal.Signals}
        return f"the worker was ended by {known.get(self.signal, f'signal {self.signal}')}"


class Exited(Struct, frozen=True):
    """The worker left by itself before it answered."""

    status: int
    """Its exit status."""

    def describe(self) -> str:
        """One sentence for people."""
        return f"the worker left with status {self.status}"


class Faulted(Struct, frozen=True):
    """The runtime raised an error that has no name in the tree of errors."""

    reason: str
    """Class and text of the error."""

    def describe(self) -> str:
        """One sentence for people."""
        return f"the runtime failed: {self.reason}"


class AnswerInvalid(Struct, frozen=True):
    """The worker's answer is no message, or its tensors have other types than the program gives them."""

    reason: str
    """What is wrong with it."""

    def describe(self) -> str:
        """One sentence for people."""
        return f"the worker's answer was refused: {self.reason}"


Failure = (
    Refused
    | NotStarted
    | TimeExhausted
    | CpuExhausted
    | MemoryExhausted
    | OutputExhausted
    | FilesExhausted
    | Crashed
    | Exited
    | Faulted
    | AnswerInvalid
)
"""Every reason why a task failed."""

Outcome = Completed | Failure
"""How a task ended."""
