"""Token buckets: exact over any sequence of calls, and honest about when to come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.net.errors import Throttled
from tangle.net.throttle import Rate, Throttle, TokenBucket


def test_a_rested_bucket_gives_its_burst_and_no_more() -> None:
    bucket = TokenBucket(Rate(10, 5), 0)
    bucket.take(5, 0)
    with pytest.raises(Throttled) as caught:
        bucket.take(1, 0)
    assert caught.value.retry_after_ms == 100


@given(st.integers(1, 1_000), st.integers(1, 1_000), st.integers(1, 1_000), st.integers(0, 1_000))
def test_waiting_as_told_is_enough_and_no_less_is(
    per_second: int, burst: int, amount: int, waited_ms: int
) -> None:
    bucket = TokenBucket(Rate(per_second, burst), 0)
    bucket.take(burst, 0)
    with pytest.raises(Throttled) as caught:
        bucket.take(amount, 0)
    wait_ms = caught.value.retry_after_ms
    if 0 < waited_ms < wait_ms:
        with pytest.raises(Throttled):
            bucket.take(amount, waited_ms)
    bucket.take(amount, max(waited_ms, wait_ms))


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 300)), max_size=50))
def test_never_more_passes_than_burst_and_flow(takes: list[tuple[int, int]]) -> None:
    bucket = TokenBucket(Rate(20, 8), 0)
    now_ms = passed = 0
    for amount, step_ms in takes:
        now_ms += step_ms
        try:
            bucket.take(amount, now_ms)
        except Throttled:
            continue
        passed += amount
    assert passed * 1_000 <= 8 * 1_000 + now_ms * 20


def test_an_amount_over_the_burst_passes_once_and_leaves_a_debt() -> None:
    bucket = TokenBucket(Rate(10, 5), 0)
    bucket.take(20, 0)
    with pytest.raises(Throttled) as caught:
        bucket.take(1, 0)
    assert caught.value.retry_after_ms == 1_600


def test_a_clock_that_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(Rate(10, 5), 1_000)
    bucket.take(5, 1_000)
    with pytest.raises(Throttled):
        bucket.take(1, 0)
    with pytest.raises(Throttled):
        bucket.take(1, 1_099)
    bucket.take(1, 1_100)


def test_senders_do_not_share_and_their_number_is_bounded() -> None:
    throttle: Throttle[bytes] = Throttle(Rate(1, 1), senders_max=2)
    throttle.take(b"a", 1, 0)
    throttle.take(b"b", 1, 0)
    with pytest.raises(Throttled):
        throttle.take(b"a", 1, 0)
    throttle.take(b"c", 1, 0)  # b, unheard of for longest, is forgotten
    assert len(throttle) == 2
    with pytest.raises(Throttled):
        throttle.take(b"a", 1, 0)
