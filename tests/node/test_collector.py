"""The collector's settings hold, and cycles are still found."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from tangle.node.collector import YOUNG_MAX, tune_collector


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_loaded_is_left_out() -> None:
    tune_collector()
    assert gc.get_threshold()[0] == YOUNG_MAX
    assert gc.get_freeze_count() > 1_000


def test_cycles_made_later_are_freed_without_being_asked() -> None:
    tune_collector()
    knot = weakref.ref(Knot())
    kept: list[list[int]] = [[] for _ in range(2 * YOUNG_MAX)]
    assert knot() is None
    assert len(kept) == 2 * YOUNG_MAX
