"""What runs programs. Every implementation gives the bits of ``aivm.oracle.graph``."""

from collections.abc import Sequence
from typing import Protocol

from aivm.oracle.graph.run import run_program, trace_program
from aivm.program.binding import BoundProgram, Tensor


class ProgramBackend(Protocol):
    """Runs bound programs on one device. Not thread-safe: one thread of one process."""

    @property
    def name(self) -> str:
        """Name of the implementation."""

    @property
    def device(self) -> str:
        """Device that it computes on."""

    def prepare(self, bound: BoundProgram, rows: int, *, is_trace: bool = False) -> None:
        """Do everything that the first run or trace over ``rows`` rows would do once, so that it is quick.

        :raises ConformanceFailure: the device computes other bits.
        """

    def run(self, bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Outputs of a program: one tensor each, rows first.

        :raises InvalidInput: the inputs are not what the program declares.
        """

    def trace(self, bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Every tensor of a run by its number, as a worker commits to them; initialisers without rows.

        :raises InvalidInput: the inputs are not what the program declares.
        """


class OracleBackend:
    """The definition itself as a backend: for any machine, and slow."""

    @property
    def name(self) -> str:
        """Name of the implementation."""
        return "oracle"

    @property
    def device(self) -> str:
        """It runs on the processor alone."""
        return "CPU"

    def prepare(self, bound: BoundProgram, rows: int, *, is_trace: bool = False) -> None:
        """Nothing: the definition is not compiled."""

    def run(self, bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Outputs of a program."""
        return run_program(bound, inputs)

    def trace(self, bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Every tensor of a run by its number."""
        return trace_program(bound, inputs)
