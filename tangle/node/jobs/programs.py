"""Registered programs, ready to run: their packages fetched, checked, and the latest ones kept."""

from collections import OrderedDict
from typing import Final

import anyio

from aivm.program.binding import BoundProgram
from aivm.program.package import PACKAGE_SIZE_MAX, decode_package
from aivm.verification.errors import InvalidRequest
from aivm.verification.graph import GraphProgram
from poi.market.operations import RegisterProgram
from poi.market.records import ProgramEntry
from tangle.core.blob_id import BlobId
from tangle.core.errors import TangleError
from tangle.core.types import Digest
from tangle.node.jobs.bench import Bench
from tangle.node.jobs.errors import RunImpossible
from tangle.node.jobs.stock import Stock

PROGRAMS_KEPT_MAX: Final = 8
"""Programs in memory: as many as a worker process of the sandbox keeps, at most half a gigabyte."""


class ProgramDiffers(TangleError):
    """A package that holds another program than the one that was registered with it."""

    code = "job-program-differs"

    def __init__(self, program: Digest, reason: str) -> None:
        self.program = program
        self.reason = reason
        super().__init__(f"the package of program {program.hex()} is not what was registered: {reason}")


class Library:
    """The programs that jobs run."""

    def __init__(self, stock: Stock, bench: Bench) -> None:
        self._stock = stock
        self._bench = bench
        self._kept: OrderedDict[Digest, BoundProgram] = OrderedDict()
        self._turn = anyio.Lock()

    def find(self, program: Digest) -> BoundProgram | None:
        """A program that is in memory."""
        return self._kept.get(program)

    async def get(self, entry: ProgramEntry) -> BoundProgram:
        """A registered program, as it was described.

        :raises JobDataMissing: its package does not come.
        :raises ProgramDiffers: its package holds something else, or is too long.
        """
        async with self._turn:
            found = self._kept.get(entry.program)
            if found is None:
                found = await self._load(entry)
                self._kept[entry.program] = found
                if len(self._kept) > PROGRAMS_KEPT_MAX:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(entry.program)
            return found

    async def get_run(self, entry: ProgramEntry, rows: int) -> GraphProgram:
        """A registered program for runs of so many rows.

        :raises JobDataMissing, ProgramDiffers: see ``get``. :raises RunImpossible: no run has so many rows.
        """
        bound = await self.get(entry)
        try:
            return GraphProgram(bound, rows)
        except InvalidRequest as error:
            raise RunImpossible(str(error)) from None

    async def _load(self, entry: ProgramEntry) -> BoundProgram:
        data = await self._stock.get(BlobId(entry.package), "the program", PACKAGE_SIZE_MAX)
        try:
            bound = await self._bench.run(lambda: decode_package(data))
        except TangleError as error:
            raise ProgramDiffers(entry.program, str(error)) from None
        verify_description(entry, bound)
        return bound


def verify_description(entry: ProgramEntry, bound: BoundProgram) -> None:
    """Check what was said of a program at its registration.

    :raises ProgramDiffers: it has another id or another cost.
    """
    cost = bound.plan.cost
    found = RegisterProgram(
        bound.plan.program_id, cost.macs, cost.steps, cost.bytes_moved, BlobId(entry.package)
    )
    said = RegisterProgram(entry.program, entry.macs, entry.steps, entry.bytes_moved, BlobId(entry.package))
    if found.program != said.program:
        raise ProgramDiffers(entry.program, f"it is program {found.program.hex()}")
    if found != said:
        raise ProgramDiffers(entry.program, "it has another cost")
