"""Caps in bytes a second: exact over time, and never in the way of what cannot wait."""

from hypothesis import given
from hypothesis import strategies as st

from tangle.net.line import BURST_MS, CAP_MIN, DEBT_MS_MAX, UNCAPPED, ByteBudget, LineCaps


def test_without_a_cap_nothing_waits() -> None:
    budget = ByteBudget(0, 0)
    budget.charge(10**12, 0)
    assert budget.compute_wait_ms(0) == 0
    UNCAPPED.on_sent(10**9, 0)
    assert UNCAPPED.compute_send_wait_ms(0) == UNCAPPED.compute_receive_wait_ms(0) == 0


def test_a_debt_is_paid_at_the_caps_pace() -> None:
    budget = ByteBudget(1_000_000, 0)
    budget.charge(500_000, 0)
    assert budget.compute_wait_ms(0) == 0
    budget.charge(250_000, 0)
    assert budget.compute_wait_ms(0) == 250
    assert budget.compute_wait_ms(249) == 1
    assert budget.compute_wait_ms(250) == 0


def test_what_never_waits_puts_the_rest_behind_for_a_bounded_time() -> None:
    budget = ByteBudget(CAP_MIN, 0)
    budget.charge(10**12, 0)
    assert budget.compute_wait_ms(0) == DEBT_MS_MAX


def test_tiny_caps_count_as_the_least_one() -> None:
    budget = ByteBudget(1, 0)
    budget.charge(CAP_MIN * (1_000 + BURST_MS) // 1_000, 0)
    assert budget.compute_wait_ms(0) == 1_000


def test_lines_share_the_nodes_cap_and_have_their_own() -> None:
    caps = LineCaps(upload=4_000_000, upload_peer=1_000_000, download=4_000_000)
    one, other = caps.make_line(0), caps.make_line(0)
    one.on_sent(1_000_000, 0)
    assert one.compute_send_wait_ms(0) == 500
    assert other.compute_send_wait_ms(0) == 0
    other.on_sent(2_000_000, 0)
    assert one.compute_send_wait_ms(0) == 500
    assert other.compute_send_wait_ms(0) == 1_500
    assert one.compute_receive_wait_ms(0) == 0
    one.on_received(3_000_000, 0)
    assert other.compute_receive_wait_ms(0) == 250


@given(st.integers(CAP_MIN, 10**9), st.lists(st.integers(1, 10**6), max_size=60))
def test_who_waits_when_told_never_exceeds_the_cap(cap: int, sizes: list[int]) -> None:
    budget, now_ms, sent = ByteBudget(cap, 0), 0, 0
    for size in sizes:
        now_ms += budget.compute_wait_ms(now_ms)
        assert budget.compute_wait_ms(now_ms) == 0
        assert sent <= cap * (now_ms + BURST_MS) / 1_000 + 1
        budget.charge(size, now_ms)
        sent += min(size, cap * DEBT_MS_MAX // 1_000)
