"""The open loop's times: fixed before the start, each transaction once, nobody held longer than a tick."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.cli.bench.schedule import BATCH_MAX, TRANSACTIONS_MAX, make_schedule


@given(st.floats(0.5, 50_000), st.floats(0.01, 3), st.floats(0, 0.5))
def test_every_transaction_goes_out_once_and_in_time(rate: float, duration_s: float, tick_s: float) -> None:
    schedule = make_schedule(rate, duration_s, tick_s)
    batches = list(schedule.iterate_batches())
    assert sum(batch.count for batch in batches) == schedule.count
    assert all(before.first + before.count == after.first for before, after in pairwise(batches))
    assert all(before.due_s < after.due_s for before, after in pairwise(batches))
    for batch in batches:
        assert 1 <= batch.count <= BATCH_MAX
        assert batch.due_s - schedule.get_due_s(batch.first) <= max(tick_s, 0) + 1e-6
        assert batch.due_s == schedule.get_due_s(batch.first + batch.count - 1)


def test_the_rate_is_kept() -> None:
    schedule = make_schedule(1_000, 2.0, 0.02)
    assert schedule.count == 2_000
    assert [batch.count for batch in schedule.iterate_batches()] == [20] * 100
    assert schedule.get_due_s(1_000) == 1.0


@pytest.mark.parametrize(("rate", "duration_s", "count"), [(0.1, 1.0, 1), (1e9, 1e3, TRANSACTIONS_MAX)])
def test_a_schedule_has_at_least_one_and_not_too_many(rate: float, duration_s: float, count: int) -> None:
    assert make_schedule(rate, duration_s, 0.02).count == count
