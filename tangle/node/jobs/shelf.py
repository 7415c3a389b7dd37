"""Runs that are kept in memory while somebody may still ask about them, the latest ones first."""

from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from tangle.core.types import Digest
from tangle.node.jobs.workshop import TRACE_BYTES_MAX, Run

SHELF_BYTES_MAX: Final = 2 * TRACE_BYTES_MAX
"""Bytes of all kept runs; one that goes is computed again when it is asked for."""


class RunShelf:
    """Own runs: of a job that this node has, by the job; of claims of others, by the claim's subject."""

    def __init__(self, bytes_max: int = SHELF_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._kept: OrderedDict[Digest, tuple[Run, int]] = OrderedDict()
        self._bytes = 0

    def get(self, subject: Digest) -> Run | None:
        """A run that is kept."""
        found = self._kept.get(subject)
        if found is None:
            return None
        self._kept.move_to_end(subject)
        return found[0]

    def put(self, subject: Digest, run: Run) -> None:
        """Keep a run, at the cost of those asked for longest ago; the last one stays, however long it is."""
        self.drop(subject)
        size = 2 * sum(tensor.nbytes for tensor in run.tensors)  # the elements, and the trace's bytes
        self._kept[subject] = (run, size)
        self._bytes += size
        while self._bytes > self._bytes_max and len(self._kept) > 1:
            _, (_, gone) = self._kept.popitem(last=False)
            self._bytes -= gone

    def drop(self, subject: Digest) -> None:
        """Let go of a run."""
        found = self._kept.pop(subject, None)
        if found is not None:
            self._bytes -= found[1]

    def retain(self, subjects: Collection[Digest]) -> None:
        """Let go of all others."""
        for subject in [each for each in self._kept if each not in subjects]:
            self.drop(subject)
