"""Blocks that cannot be accepted yet: an ancestor or a transaction that they name is not here.

Room is bounded per author, so that a faulty validator can only crowd out its own blocks. When an author's
share is full the block of the highest round goes, because lower rounds unblock more; it will be asked for
again when needed.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from shards.blocks import Block, BlockReference
from tangle.core.types import TransactionId

WAITING_MAX: Final = 2048
"""Suspended blocks of all authors together: at most 128 MiB of the longest, a few megabytes of usual ones."""

WAITING_PER_AUTHOR_MIN: Final = 8
"""Least share of one author, however many validators there are."""


class _Entry:
    __slots__ = ("ancestors", "block", "tips")

    def __init__(self, block: Block, ancestors: set[BlockReference], tips: set[TransactionId]) -> None:
        self.block = block
        self.ancestors = ancestors
        self.tips = tips


class WaitingRoom:
    """Suspended blocks, indexed by what they wait for."""

    def __init__(self, committee_size: int) -> None:
        """:param committee_size: number of authors that share the room."""
        self._share = max(WAITING_PER_AUTHOR_MIN, WAITING_MAX // committee_size)
        self._entries: dict[BlockReference, _Entry] = {}
        self._by_author: list[set[BlockReference]] = [set() for _ in range(committee_size)]
        self._by_ancestor: dict[BlockReference, set[BlockReference]] = {}
        self._by_tip: dict[TransactionId, set[BlockReference]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, reference: BlockReference) -> bool:
        return reference in self._entries

    def hold(
        self, block: Block, ancestors: Iterable[BlockReference], tips: Iterable[TransactionId]
    ) -> Block | None:
        """Keep a block until what it lacks is here.

        :returns: the block that had to go because its author's share is full, possibly ``block`` itself.
        """
        entry = _Entry(block, set(ancestors), set(tips))
        self._entries[block.reference] = entry
        own = self._by_author[block.reference.author]
        own.add(block.reference)
        for ancestor in entry.ancestors:
            self._by_ancestor.setdefault(ancestor, set()).add(block.reference)
        for tip in entry.tips:
            self._by_tip.setdefault(tip, set()).add(block.reference)
        return self._drop(max(own)) if len(own) > self._share else None

    def process_accepted(self, reference: BlockReference) -> list[Block]:
        """An ancestor was accepted. Returns the blocks that lack nothing any more, no longer held."""
        ready = []
        for waiter in sorted(self._by_ancestor.pop(reference, ())):
            entry = self._entries[waiter]
            entry.ancestors.discard(reference)
            ready += self._release(entry)
        return ready

    def process_attached(self, tip: TransactionId) -> list[Block]:
        """A transaction became present. Returns the blocks that lack nothing any more, no longer held."""
        ready = []
        for waiter in sorted(self._by_tip.pop(tip, ())):
            entry = self._entries[waiter]
            entry.tips.discard(tip)
            ready += self._release(entry)
        return ready

    def process_horizon(self, horizon: int) -> list[Block]:
        """Drop blocks up to ``horizon``; return those that waited for nothing but blocks up to it."""
        for reference in [reference for reference in self._entries if reference.round <= horizon]:
            self._drop(reference)
        passed = sorted(reference for reference in self._by_ancestor if reference.round <= horizon)
        return [block for reference in passed for block in self.process_accepted(reference)]

    def is_wanted(self, reference: BlockReference) -> bool:
        """Whether a held block of another author needs ``reference``, directly or through held blocks."""
        pending = [reference]
        seen = {reference}
        while pending:
            for waiter in self._by_ancestor.get(pending.pop(), ()):
                if waiter.author != reference.author:
                    return True
                if waiter not in seen:
                    seen.add(waiter)
                    pending.append(waiter)
        return False

    def get_missing(self, limit: int) -> tuple[list[BlockReference], list[TransactionId]]:
        """Ancestors that are waited for and not held themselves, lowest round first, and transactions.

        Every author's blocks contribute an equal share of ``limit`` at most, oldest first: whoever names
        things that do not exist cannot keep others from being asked for.
        """
        share = max(1, limit // len(self._by_author))
        blocks: set[BlockReference] = set()
        tips: dict[TransactionId, None] = {}
        for own in self._by_author:
            entries = [self._entries[reference] for reference in sorted(own)]
            lacked = (a for entry in entries for a in sorted(entry.ancestors) if a not in self._entries)
            blocks.update(islice(lacked, share))
            tips.update(
                dict.fromkeys(islice((tip for entry in entries for tip in sorted(entry.tips)), share))
            )
        return sorted(blocks), list(tips)

    def _release(self, entry: _Entry) -> list[Block]:
        if entry.ancestors or entry.tips:
            return []
        self._remove(entry)
        return [entry.block]

    def _drop(self, reference: BlockReference) -> Block:
        entry = self._entries[reference]
        self._remove(entry)
        for ancestor in entry.ancestors:
            self._by_ancestor[ancestor].discard(reference)
            if not self._by_ancestor[ancestor]:
                del self._by_ancestor[ancestor]
        for tip in entry.tips:
            self._by_tip[tip].discard(reference)
            if not self._by_tip[tip]:
                del self._by_tip[tip]
        return entry.block

    def _remove(self, entry: _Entry) -> None:
        del self._entries[entry.block.reference]
        self._by_author[entry.block.reference.author].discard(entry.block.reference)
