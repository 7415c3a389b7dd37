"""Meters, the ledger's book and the settings: small rooms, each with its edges."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tangle.core.transactions import Transaction
from tangle.core.types import TransactionId
from tangle.ledger.accounts import EMPTY_ACCOUNT
from tangle.ledger.pending import PendingBook
from tangle.node.config import NodeConfig, compute_default_workers
from tangle.node.ledgerbook import RECENT_MAX, LedgerBook
from tangle.node.meters import (
    LATENCY_WINDOW_S,
    RATE_WINDOW_S,
    SAMPLES_MAX,
    LatencyMeter,
    RateMeter,
)
from tests.drawing.subdag import GENESIS_ID, get_account, make_transaction


@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(1, 50)), max_size=200))
def test_a_rate_counts_what_the_window_holds(steps: list[tuple[float, int]]) -> None:
    meter, now_s, events = RateMeter(), 0.0, []
    for pause_s, count in steps:
        now_s += pause_s
        meter.add(count, now_s)
        events.append((now_s, count))
    assert meter.total == sum(count for _, count in steps)
    # Events closer than a tenth of a second share a bucket that bears the time of its first.
    surely = sum(count for at_s, count in events if at_s - 0.1 >= now_s - RATE_WINDOW_S)
    at_most = sum(count for at_s, count in events if at_s >= now_s - RATE_WINDOW_S)
    assert surely <= round(meter.compute_rate(now_s) * RATE_WINDOW_S) <= at_most
    assert len(meter._buckets) <= RATE_WINDOW_S / 0.1 + 2
    assert meter.compute_rate(now_s + RATE_WINDOW_S + 1) == 0


def test_latencies_are_summed_up_by_rank_and_forgotten() -> None:
    meter = LatencyMeter()
    assert meter.compute_summary(0.0).p50_ms is None
    for number in range(100):
        meter.add(float(number), 1.0)
    summary = meter.compute_summary(1.0)
    assert (summary.p50_ms, summary.p95_ms, summary.p99_ms, summary.samples) == (50.0, 95.0, 99.0, 100)
    assert meter.compute_summary(2.0 + LATENCY_WINDOW_S).samples == 0
    for _ in range(SAMPLES_MAX + 10):
        meter.add(1.0, 1.0)
    assert meter.compute_summary(1.0).samples == SAMPLES_MAX


def make_numbered(number: int, amount: int = 1) -> Transaction:
    return make_transaction([GENESIS_ID], issuer="alice", sequence=number, amount=amount)


def make_book() -> LedgerBook:
    return LedgerBook(PendingBook(lambda _: EMPTY_ACCOUNT))


def test_the_book_knows_which_numbers_are_taken() -> None:
    book, alice = make_book(), get_account("alice")
    pending = [make_numbered(number) for number in (4, 5, 7)]
    for transaction in pending:
        book.pending.add(transaction, 1)
        book.on_attached(transaction, 0.0)
    assert book.count_pending(alice) == 3
    assert book.find_next(alice, 4) == (6, pending[1].id)
    assert book.find_next(alice, 6) == (6, None)
    assert book.find_next(get_account("bob"), 0) == (0, None)
    book.on_ordered(pending[:1])
    assert book.compute_age_s(pending[0].id, 1.5) == 1.5
    book.on_given_up([transaction.id for transaction in pending[1:]])
    assert book.count_pending(alice) == 0
    book.on_final([pending[0].id, TransactionId(bytes(32))], 2.0)
    assert not book._attached_at_s
    assert book.compute_age_s(pending[0].id, 2.5) is None
    assert book.finality.compute_summary(2.0).p50_ms == 2_000
    assert book.finals.total == 2


def test_the_latest_arrivals_are_bounded() -> None:
    book = make_book()
    for number in range(RECENT_MAX + 5):
        book.on_attached(make_numbered(number), 0.0)
    assert len(book.recent) == RECENT_MAX


def test_workers_default_to_what_the_machine_has() -> None:
    assert compute_default_workers() >= 1
    assert NodeConfig().get_workers() == compute_default_workers()
    assert replace(NodeConfig(), workers=3).get_workers() == 3


@pytest.mark.parametrize(
    "bad",
    [
        {"peer_port": 65_536},
        {"api_port": -1},
        {"name": ""},
        {"workers": 257},
        {"peers_max": 0},
        {"leader_timeout_ms": 0},
        {"intake_max": 1},
        {"no_such_setting": 1},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, NodeConfig)
    assert msgspec.convert({}, NodeConfig) == NodeConfig()
