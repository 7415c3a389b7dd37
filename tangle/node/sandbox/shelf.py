"""Which programs a worker has loaded, as its pool remembers it."""

from collections import OrderedDict

from tangle.core.types import Digest
from tangle.node.sandbox.limits import PROGRAMS_KEPT_MAX


class Shelf:
    """The programs that one worker keeps, least recently used first; the pool alone decides which ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Digest, None] = OrderedDict()
        self._doubtful: list[Digest] = []

    def __contains__(self, program_id: Digest) -> bool:
        return program_id in self._kept

    @property
    def is_used(self) -> bool:
        """Whether any program was ever loaded."""
        return bool(self._kept or self._doubtful)

    def touch(self, program_id: Digest) -> None:
        """It is used now."""
        self._kept.move_to_end(program_id)

    def add(self, program_id: Digest) -> tuple[Digest, ...]:
        """It is loaded now.

        :return: programs that the worker has to drop for it, at most ``PROGRAMS_KEPT_MAX``.
        """
        gone, self._doubtful = self._doubtful, []
        self._kept[program_id] = None
        if len(self._kept) + len(gone) > PROGRAMS_KEPT_MAX and not gone:
            gone.append(self._kept.popitem(last=False)[0])
        return tuple(each for each in gone if each != program_id)

    def doubt(self, program_id: Digest) -> None:
        """A task with it was refused, so that it may not be there: next time it is sent again."""
        if self._kept.pop(program_id, self) is not self:
            self._doubtful.append(program_id)
