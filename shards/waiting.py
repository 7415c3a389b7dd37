"""Blocks that cannot be accepted yet: an ancestor, a transaction or a bundle that they name is not here.

Room is bounded per author, so that a faulty validator can only crowd out its own blocks. When an author's
share is full the block of the highest round goes, because lower rounds unblock more; it will be asked for
again when needed.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from shards.blocks import Block, BlockReference, BundleReference, PayloadId, compute_bundle_id
from tangle.core.types import BundleId, TransactionId

WAITING_MAX: Final = 2048
"""Suspended blocks of all authors together: at most 128 MiB of the longest, a few megabytes of usual ones."""

WAITING_PER_AUTHOR_MIN: Final = 8
"""Least share of one author, however many validators there are."""


class _Entry:
    __slots__ = ("ancestors", "block", "bundles", "tips")

    def __init__(
        self,
        block: Block,
        ancestors: set[BlockReference],
        tips: set[TransactionId],
        bundles: dict[BundleId, BundleReference],
    ) -> None:
        self.block = block
        self.ancestors = ancestors
        self.tips = tips
        self.bundles = bundles

    def list_payload(self) -> Iterable[PayloadId]:
        return (*self.tips, *self.bundles)

    def discard(self, identity: PayloadId) -> None:
        self.tips.discard(TransactionId(identity))
        self.bundles.pop(BundleId(identity), None)


class WaitingRoom:
    """Suspended blocks, indexed by what they wait for."""

    def __init__(self, committee_size: int) -> None:
        """:param committee_size: number of authors that share the room."""
        self._share = max(WAITING_PER_AUTHOR_MIN, WAITING_MAX // committee_size)
        self._entries: dict[BlockReference, _Entry] = {}
        self._by_author: list[set[BlockReference]] = [set() for _ in range(committee_size)]
        self._by_ancestor: dict[BlockReference, set[BlockReference]] = {}
        self._by_payload: dict[PayloadId, set[BlockReference]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, reference: BlockReference) -> bool:
        return reference in self._entries

    def hold(
        self,
        block: Block,
        ancestors: Iterable[BlockReference],
        tips: Iterable[TransactionId],
        bundles: Iterable[BundleReference] = (),
    ) -> Block | None:
        """Keep a block until what it lacks is here.

        :returns: the block that had to go because its author's share is full, possibly ``block`` itself.
        """
        lacked = {compute_bundle_id(bundle, block.body.shard): bundle for bundle in bundles}
        entry = _Entry(block, set(ancestors), set(tips), lacked)
        self._entries[block.reference] = entry
        own = self._by_author[block.reference.author]
        own.add(block.reference)
        for ancestor in entry.ancestors:
            self._by_ancestor.setdefault(ancestor, set()).add(block.reference)
        for identity in entry.list_payload():
            self._by_payload.setdefault(identity, set()).add(block.reference)
        return self._drop(max(own)) if len(own) > self._share else None

    def process_accepted(self, reference: BlockReference) -> list[Block]:
        """An ancestor was accepted. Returns the blocks that lack nothing any more, no longer held."""
        ready = []
        for waiter in sorted(self._by_ancestor.pop(reference, ())):
            entry = self._entries[waiter]
            entry.ancestors.discard(reference)
            ready += self._release(entry)
        return ready

    def process_attached(self, identity: PayloadId) -> list[Block]:
        """A transaction or a bundle became present. Returns the blocks that lack nothing any more, no longer
        held.
        """
        ready = []
        for waiter in sorted(self._by_payload.pop(identity, ())):
            entry = self._entries[waiter]
            entry.discard(identity)
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

    def get_missing_bundles(self, limit: int) -> list[BundleReference]:
        """Bundles that are waited for, an equal share of every author's blocks, oldest first."""
        share = max(1, limit // len(self._by_author))
        bundles: dict[BundleReference, None] = {}
        for own in self._by_author:
            entries = (self._entries[reference] for reference in sorted(own))
            lacked = (bundle for entry in entries for bundle in entry.bundles.values())
            bundles.update(dict.fromkeys(islice(lacked, share)))
        return list(bundles)

    def _release(self, entry: _Entry) -> list[Block]:
        if entry.ancestors or entry.tips or entry.bundles:
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
        for identity in entry.list_payload():
            self._by_payload[identity].discard(reference)
            if not self._by_payload[identity]:
                del self._by_payload[identity]
        return entry.block

    def _remove(self, entry: _Entry) -> None:
        del self._entries[entry.block.reference]
        self._by_author[entry.block.reference.author].discard(entry.block.reference)
