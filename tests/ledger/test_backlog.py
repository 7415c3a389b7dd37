"""The target of the backlog follows what the committee orders."""

from hypothesis import given
from hypothesis import strategies as st

from tangle.ledger.backlog import BACKLOG_MIN, DELAY_MAX_S, GAIN, BacklogTarget


def order(target: BacklogTarget, rate: int, seconds: int, *, begun_s: int, delay_s: float = 0.4) -> None:
    for tick in range(seconds * 10):
        target.on_ordered(rate // 10, delay_s, begun_s + tick / 10, is_congested=False)


def test_it_begins_small_and_follows_the_rate() -> None:
    target = BacklogTarget(100_000)
    assert target.target == BACKLOG_MIN
    order(target, 2_000, 20, begun_s=0)
    assert target.rate == 2_000
    # Twice what is under way at this rate and delay.
    assert 0.9 * GAIN * 2_000 * 0.4 < target.target < 1.1 * GAIN * 2_000 * 0.4


def test_a_pause_is_forgiven_and_a_long_one_is_not() -> None:
    target = BacklogTarget(100_000)
    order(target, 5_000, 10, begun_s=0)
    before = target.target
    target.on_ordered(0, None, 14.0, is_congested=False)
    assert target.target == before
    target.on_ordered(0, None, 40.0, is_congested=False)
    assert target.target == BACKLOG_MIN


def test_a_congested_delay_does_not_count() -> None:
    target = BacklogTarget(100_000)
    order(target, 2_000, 20, begun_s=0)
    before = target.target
    for tick in range(200):
        target.on_ordered(200, 1.0, 20 + tick / 10, is_congested=True)
    assert target.target == before


@given(
    st.integers(1, 200_000),
    st.lists(
        st.tuples(
            st.integers(0, 50_000),
            st.floats(0, 100) | st.none(),
            st.floats(0, 60),
            st.booleans(),
        ),
        max_size=30,
    ),
)
def test_it_stays_within_its_bounds(limit: int, commits: list[tuple[int, float | None, float, bool]]) -> None:
    target, now_s, best = BacklogTarget(limit), 0.0, 0.0
    for count, delay_s, pause_s, is_congested in commits:
        now_s += pause_s
        target.on_ordered(count, delay_s, now_s, is_congested=is_congested)
        best = max(best, target.rate)
        assert min(BACKLOG_MIN, limit) <= target.target <= limit
        assert target.target <= max(BACKLOG_MIN, GAIN * DELAY_MAX_S * best)
