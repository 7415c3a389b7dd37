"""What is named next: bundles in the order of their receipts, nothing twice at once, nothing for nothing."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shards.blocks import BundleReference, compute_bundle_id
from shards.bundles import Bundle
from shards.certificates import Certificate
from shards.receipts import Receipt
from tangle.core.types import CheckpointIndex, Digest, Grains, Natural, PublicKey, Shard
from tangle.node.crossing import shelf as shelf_module
from tangle.node.crossing.shelf import RENAME_S, Shelf
from tests.drawing.blocks import make_committee
from tests.shards.samples import make_checkpoint

SOURCE, TARGET = Shard(0), Shard(1)
SAMPLE = make_checkpoint(make_committee(4))


def make_bundle(index: int, first: int, count: int, told: int = 0) -> tuple[BundleReference, Bundle]:
    """A bundle as it is after it was verified: only its numbers matter here."""
    checkpoint = replace(SAMPLE, shard=SOURCE, index=CheckpointIndex(index), received=(0, told))
    numbers = range(first, first + count)
    receipts = tuple(
        Receipt(SOURCE, TARGET, Natural(number), PublicKey(bytes(32)), Grains(1)) for number in numbers
    )
    digest = Digest(index.to_bytes(32, "big"))
    certificate = Certificate(CheckpointIndex(index), digest, ())
    return BundleReference(SOURCE, CheckpointIndex(index), digest), Bundle(
        checkpoint, certificate, Natural(first), receipts, ()
    )


def make_shelf(*bundles: tuple[BundleReference, Bundle], received: int = 0, acknowledged: int = 0) -> Shelf:
    shelf = Shelf(TARGET)
    shelf.on_progress((received, 0), (acknowledged, 0))
    for reference, bundle in bundles:
        shelf.put(reference, bundle)
    return shelf


def get_indices(names: Sequence[BundleReference]) -> list[int]:
    return [name.index for name in names]


def test_bundles_that_follow_on_each_other_are_named_together() -> None:
    shelf = make_shelf(make_bundle(7, 3, 2), make_bundle(5, 0, 3), make_bundle(9, 6, 1))
    assert get_indices(shelf.take(16, 0.0)) == [5, 7], "receipt 5 is missing before the third"
    assert shelf.find_next(SOURCE) == 5
    assert shelf.count_ahead(SOURCE) == 2


def test_what_was_named_is_named_again_only_after_a_while() -> None:
    shelf = make_shelf(make_bundle(5, 0, 3))
    assert get_indices(shelf.take(16, 100.0)) == [5]
    assert shelf.take(16, 100.0 + RENAME_S / 2) == ()
    assert get_indices(shelf.take(16, 100.0 + RENAME_S)) == [5]
    reference, _ = make_bundle(5, 0, 3)
    shelf.on_named([reference], 200.0)
    assert shelf.take(16, 201.0) == (), "somebody else has named it"


def test_what_is_credited_is_not_named_any_more() -> None:
    shelf = make_shelf(make_bundle(5, 0, 3), make_bundle(6, 3, 1))
    shelf.on_progress((3, 0), (0, 0))
    assert get_indices(shelf.take(16, 0.0)) == [6]
    shelf.on_progress((4, 0), (0, 0))
    assert shelf.take(16, 100.0) == ()


def test_of_acknowledgements_the_best_one_is_named() -> None:
    shelf = make_shelf(make_bundle(5, 0, 0, told=3), make_bundle(6, 0, 0, told=8), acknowledged=2)
    assert get_indices(shelf.take(16, 0.0)) == [6]
    assert shelf.find_told(SOURCE) == 8
    shelf.on_progress((0, 0), (8, 0))
    assert shelf.take(16, 100.0) == ()


def make_epoch_end(index: int, epoch: int, first: int, count: int) -> tuple[BundleReference, Bundle]:
    """A bundle of the last checkpoint of a committee's epoch."""
    reference, bundle = make_bundle(index, first, count)
    checkpoint = replace(bundle.checkpoint, committee_epoch=Natural(epoch), epoch=Natural(epoch + 1))
    return reference, replace(bundle, checkpoint=checkpoint)


def test_the_end_of_the_committees_epoch_is_named_without_receipts_and_later_ones_wait() -> None:
    shelf = make_shelf(make_epoch_end(9, 1, 0, 0), make_epoch_end(5, 0, 0, 0))
    assert get_indices(shelf.take(16, 0.0)) == [5]
    assert shelf.take(16, 1.0) == ()
    shelf.on_progress((0, 0), (0, 0), 1)
    assert get_indices(shelf.take(16, 1.0)) == [9]
    shelf.on_progress((0, 0), (0, 0), 2)
    assert not shelf.has_epoch_end
    assert shelf.take(16, 100.0) == ()


def test_an_end_that_brings_receipts_is_named_once_and_after_those_before() -> None:
    shelf = make_shelf(make_epoch_end(6, 0, 2, 3), make_bundle(5, 0, 2))
    assert get_indices(shelf.take(16, 0.0)) == [5, 6]
    gap = make_shelf(make_epoch_end(6, 0, 2, 3))
    assert get_indices(gap.take(16, 0.0)) == [6], "it ends the epoch although its receipts come too early"


def test_what_was_named_in_an_epoch_that_ended_is_named_again_at_once() -> None:
    shelf = make_shelf(make_bundle(5, 0, 2))
    assert get_indices(shelf.take(16, 0.0)) == [5]
    shelf.on_progress((0, 0), (0, 0), 1)
    assert get_indices(shelf.take(16, 0.1)) == [5], "the block that named it may be void"


def test_an_epoch_end_is_not_put_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "HELD_MAX", 2)
    shelf = make_shelf(*(make_bundle(index, 0, 1) for index in range(2, 5)), received=9)
    shelf.put(*make_epoch_end(1, 0, 0, 0))
    shelf.put(*make_bundle(7, 0, 1))
    assert shelf.has_epoch_end


def test_no_more_is_named_than_there_is_room_for() -> None:
    shelf = make_shelf(*(make_bundle(index, index, 1) for index in range(5)))
    assert get_indices(shelf.take(2, 0.0)) == [0, 1]
    assert get_indices(shelf.take(2, 0.0)) == [2, 3]


def test_a_verified_bundle_is_known_although_it_was_put_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "HELD_MAX", 2)
    bundles = [make_bundle(index, index, 1) for index in range(4)]
    shelf = make_shelf(*bundles, received=2)
    assert len(shelf) == 2
    assert [shelf.get(reference) is None for reference, _ in bundles] == [True, True, False, False]
    assert all(shelf.is_known(compute_bundle_id(reference, TARGET)) for reference, _ in bundles)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.randoms(use_true_random=False), st.data())
def test_whatever_comes_in_whatever_order_is_named_in_the_order_of_receipts(
    counts: list[int], random: Any, data: st.DataObject
) -> None:
    firsts = [sum(counts[:place]) for place in range(len(counts))]
    bundles = [
        make_bundle(place + 1, first, count)
        for place, (first, count) in enumerate(zip(firsts, counts, strict=True))
    ]
    random.shuffle(bundles)
    kept = data.draw(st.integers(0, len(bundles)))
    shelf = make_shelf(*bundles[:kept])
    named = get_indices(shelf.take(16, 0.0))
    here = {reference.index for reference, _ in bundles[:kept]}
    expected = []
    for index in range(1, len(counts) + 1):
        if index not in here:
            break
        expected.append(index)
    assert named == expected
