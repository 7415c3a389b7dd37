"""Verified bundles of one shard, and which of them to name next. No clock: the time is handed in.

A bundle counts only in the order of its source's receipts, so those that follow on each other are named
together, in order, and one that nobody named lately, or that was ordered too early, is named again. That
several validators name the same one does no harm. The leading shard's bundle that ends the epoch of the
target's committee is named too, whether it brings receipts or not.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from shards.blocks import BundleReference, compute_bundle_id
from shards.bundles import Bundle
from shards.epochs import LEADING_SHARD, find_leading_end
from tangle.core.types import BundleId, Shard

HELD_MAX: Final = 512
"""Bundles kept for execution and for peers; all can be made anew from the source's history."""

KNOWN_MAX: Final = 65_536
"""Ids of bundles that were verified once; blocks that name them are accepted. Some 8 MB."""

RENAME_S: Final = 3.0
"""A bundle that was named this long ago and is still needed is named again: some commits have passed."""

LONG_AGO_S: Final = -math.inf
"""When a bundle that nobody named was named."""


class _Held(Struct):
    reference: BundleReference
    bundle: Bundle
    named_s: float

    @property
    def end(self) -> int:
        """Number behind its last receipt."""
        return self.bundle.first_sequence + len(self.bundle.receipts)


class Shelf:
    """Bundles for one target."""

    def __init__(self, target: Shard) -> None:
        self._target = target
        self._held: OrderedDict[BundleReference, _Held] = OrderedDict()
        self._known: OrderedDict[BundleId, None] = OrderedDict()
        self.received: tuple[int, ...] = ()
        """Next receipt that the target expects of every shard."""

        self.acknowledged: tuple[int, ...] = ()
        """Receipts that every shard has said it credited."""

        self.committee_epoch = 0
        """Epoch of the committee whose commits come next in the target."""

    def __len__(self) -> int:
        return len(self._held)

    def put(self, reference: BundleReference, bundle: Bundle) -> BundleId:
        """Keep a verified bundle."""
        identity = compute_bundle_id(reference, self._target)
        self._known[identity] = None
        self._known.move_to_end(identity)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        if reference not in self._held:
            self._held[reference] = _Held(reference, bundle, LONG_AGO_S)
            self._make_room()
        return identity

    def is_known(self, identity: BundleId) -> bool:
        """Whether a bundle of this id was verified."""
        return identity in self._known

    def get(self, reference: BundleReference) -> Bundle | None:
        """A bundle that is here."""
        held = self._held.get(reference)
        return None if held is None else held.bundle

    def on_progress(
        self, received: Sequence[int], acknowledged: Sequence[int], committee_epoch: int = 0
    ) -> None:
        """The target's state moved on."""
        self.received, self.acknowledged = tuple(received), tuple(acknowledged)
        if committee_epoch > self.committee_epoch:
            self.committee_epoch = committee_epoch
            for held in self._held.values():  # blocks that named it may be void
                held.named_s = LONG_AGO_S

    def on_named(self, references: Iterable[BundleReference], now_s: float) -> None:
        """A block of anybody names these."""
        for reference in references:
            held = self._held.get(reference)
            if held is not None:
                held.named_s = now_s

    def find_next(self, source: Shard) -> int:
        """Number of the first receipt of ``source`` that no bundle here brings."""
        following = self.received[source]
        for held in self._list_bringing(source):
            following = held.end
        return following

    def count_ahead(self, source: Shard) -> int:
        """Bundles here that bring what is not credited yet, without a gap."""
        return sum(1 for _ in self._list_bringing(source))

    def find_told(self, source: Shard) -> int:
        """Most receipts that ``source`` says it credited, in the state or in any bundle here."""
        told = [held.bundle.checkpoint.received[self._target] for held in self._list_of(source)]
        return max([self.acknowledged[source], *told])

    @property
    def has_epoch_end(self) -> bool:
        """Whether a bundle is here that ends the epoch of the target's committee."""
        return bool(self._list_ending())

    def take(self, limit: int, now_s: float) -> tuple[BundleReference, ...]:
        """What to name in the next own block."""
        names: list[BundleReference] = []
        for number in range(len(self.received)):
            source = Shard(number)
            wanted = [*self._list_bringing(source), *self._list_acknowledging(source)]
            wanted += self._list_ending() if source == LEADING_SHARD else ()
            for held in wanted:
                if len(names) < limit and self._is_due(held, now_s):
                    held.named_s = now_s
                    names.append(held.reference)
        return tuple(dict.fromkeys(names))

    def _list_bringing(self, source: Shard) -> Iterator[_Held]:
        """Bundles that follow on what is credited, in order."""
        following = self.received[source]
        by_first = {
            held.bundle.first_sequence: held for held in self._list_of(source) if held.bundle.receipts
        }
        while following in by_first:
            yield by_first[following]
            following = by_first[following].end

    def _list_acknowledging(self, source: Shard) -> list[_Held]:
        """The bundle without receipts that acknowledges most, where it says anything new."""
        empty = [held for held in self._list_of(source) if not held.bundle.receipts]
        best = max(empty, key=self._get_told, default=None)
        return [best] if best is not None and self._get_told(best) > self.acknowledged[source] else []

    def _list_ending(self) -> list[_Held]:
        """The bundle that ends the committee's epoch; those of later epochs wait for their turn."""
        return [held for held in self._list_of(LEADING_SHARD) if self._is_ending(held)]

    def _is_ending(self, held: _Held) -> bool:
        return find_leading_end((held.bundle.checkpoint,), self.committee_epoch) is not None

    def _is_due(self, held: _Held, now_s: float) -> bool:
        return now_s - held.named_s >= RENAME_S

    def _get_told(self, held: _Held) -> int:
        return held.bundle.checkpoint.received[self._target]

    def _list_of(self, source: Shard) -> list[_Held]:
        return [held for held in self._held.values() if held.reference.source == source]

    def _make_room(self) -> None:
        if len(self._held) <= HELD_MAX:
            return
        useless = [each.reference for each in self._held.values() if not self._is_useful(each)]
        del self._held[useless[0] if useless else next(iter(self._held))]

    def _is_useful(self, held: _Held) -> bool:
        source = held.reference.source
        is_credit = held.end > self.received[source]
        return is_credit or self._get_told(held) > self.acknowledged[source] or self._is_ending(held)
