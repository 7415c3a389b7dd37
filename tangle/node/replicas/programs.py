"""Programs that this node has ready: read from their packages once, and kept while they are used."""

from collections import OrderedDict
from typing import Final

import anyio

from aivm.program.binding import BoundProgram
from aivm.program.package import decode_package
from poi.market.errors import UnknownProgram
from poi.market.records import ProgramEntry
from tangle.core.blob_id import BlobId
from tangle.core.types import Digest
from tangle.node.blobs import BlobRoom
from tangle.node.jobs.bench import Bench
from tangle.node.replicas.errors import ProgramAbsent
from tangle.node.sandbox.limits import MIB

PROGRAMS_MAX: Final = 32
"""Programs kept ready; the one used longest ago goes. Four times what one worker process keeps."""

CONSTANTS_MAX: Final = 256 * MIB
"""Bytes of constants kept ready altogether."""

FETCH_S: Final = 1.5
"""How long is waited for a package; validators have it since they confirmed the program, as a rule."""


class ProgramLibrary:
    """``Programs`` over the node's blobs."""

    def __init__(self, blobs: BlobRoom, bench: Bench) -> None:
        """:param bench: reads packages: some of 64 MiB would hold the event loop up."""
        self._blobs = blobs
        self._bench = bench
        self._kept: OrderedDict[Digest, BoundProgram] = OrderedDict()

    async def get(self, entry: ProgramEntry) -> BoundProgram:
        """A registered program with its constants.

        :raises ProgramAbsent: its package is not here yet, and being fetched.
        :raises UnknownProgram: the package holds another program.
        :raises TangleError: it is no package, or cannot be read or fetched.
        """
        found = self._kept.get(entry.program)
        if found is None:
            found = await self._load(entry)
            self._kept[entry.program] = found
            self._shrink()
        self._kept.move_to_end(entry.program)
        return found

    async def _load(self, entry: ProgramEntry) -> BoundProgram:
        package = BlobId(entry.package)
        if not self._blobs.store.has(package):
            with anyio.move_on_after(FETCH_S):
                await self._blobs.obtain(package)
        if not self._blobs.store.has(package):
            raise ProgramAbsent(entry.program)
        data = await self._blobs.read_all(package)
        bound = await self._bench.run(lambda: decode_package(data))
        if bound.plan.program_id != entry.program:
            raise UnknownProgram(entry.program)
        return bound

    def _shrink(self) -> None:
        size = sum(_count_bytes(bound) for bound in self._kept.values())
        while len(self._kept) > PROGRAMS_MAX or (size > CONSTANTS_MAX and len(self._kept) > 1):
            size -= _count_bytes(self._kept.popitem(last=False)[1])


def _count_bytes(bound: BoundProgram) -> int:
    return sum(each.nbytes for each in bound.initializers)
