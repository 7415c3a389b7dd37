"""Scores and the address book: exact, bounded, and forgiving at the right pace."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.net import address_book, errors, peers
from tangle.net.address_book import AddressBook
from tangle.net.addresses import Address
from tangle.net.peers import BAN_MS, FAULT_POINTS, POINTS_MAX, Banned, PeerScores, Tolerated

PEER = b"p" * 32
SALT = b"salt"


def make_address(index: int) -> Address:
    return Address(b"192.0.2.%d" % (index % 256), 1_000 + index)


def test_a_stranger_has_a_clean_slate() -> None:
    assert PeerScores().get_standing(PEER, 0) == Tolerated(0)


def test_what_no_honest_peer_does_is_a_ban_at_once_and_the_ban_ends() -> None:
    scores = PeerScores()
    assert scores.on_fault(PEER, "encoding-malformed", 5) == Banned(5 + BAN_MS)
    assert scores.get_standing(PEER, 4 + BAN_MS) == Banned(5 + BAN_MS)
    assert scores.get_standing(PEER, 5 + BAN_MS) == Tolerated(0)
    assert scores.get_standing(b"q" * 32, 5) == Tolerated(0)


def test_small_faults_add_up_and_flow_off() -> None:
    scores = PeerScores()
    for _ in range(9):
        assert isinstance(scores.on_fault("host", "peer-stalled", 0), Tolerated)
    assert scores.get_standing("host", 0) == Tolerated(90)
    assert scores.get_standing("host", 60_000) == Tolerated(80)
    assert scores.on_fault("host", "peer-stalled", 60_000) == Tolerated(90)
    assert isinstance(scores.on_fault("host", "peer-stalled", 60_000), Banned)


def test_accidents_cost_nothing_and_are_not_even_remembered() -> None:
    scores = PeerScores()
    for code in ("peer-goodbye", "stream-truncated", "handshake-chain"):
        assert scores.on_fault(PEER, code, 0) == Tolerated(0)
    assert len(scores) == 0


def test_what_somebody_on_the_path_can_do_parts_no_two_nodes() -> None:
    scores = PeerScores()
    for code in ("frame-unauthentic", "frame-oversize", "frame-undersize", "stream-continued"):
        for _ in range(100):
            assert scores.on_fault(PEER, code, 0) == Tolerated(0)
    for _ in range(9):
        assert isinstance(scores.on_fault("host", "handshake-unauthentic", 0), Tolerated)
    assert isinstance(scores.on_fault("host", "handshake-unauthentic", 0), Banned)


@given(st.lists(st.tuples(st.sampled_from([*FAULT_POINTS, "something-else"]), st.integers(0, 30_000))))
def test_points_never_exceed_the_limit_and_bans_always_end(faults: list[tuple[str, int]]) -> None:
    scores, now_ms = PeerScores(), 0
    for code, step_ms in faults:
        now_ms += step_ms
        match scores.on_fault(PEER, code, now_ms):
            case Tolerated(points=points):
                assert 0 <= points < POINTS_MAX
            case Banned(until_ms=until_ms):
                assert now_ms < until_ms <= now_ms + BAN_MS
    assert isinstance(scores.get_standing(PEER, now_ms + BAN_MS), Tolerated)


def test_the_book_of_faults_is_bounded() -> None:
    scores = PeerScores(peers_max=3)
    for index in range(10):
        scores.on_fault(b"%d" % index, "encoding-malformed", 0)
    assert len(scores) == 3
    assert isinstance(scores.get_standing(b"9", 1), Banned)


def test_every_price_is_of_a_code_that_exists() -> None:
    top = Path(errors.__file__).parents[2]
    packages = ("tangle/net", "tangle/core", "tangle/ledger", "poi")
    paths = [*(top / package / "errors.py" for package in packages), top / "tangle/core/blob_errors.py"]
    source = "".join(path.read_text() for path in paths)
    codes = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    assert set(FAULT_POINTS) <= codes
    assert peers.DEFAULT_POINTS > 0


def test_configured_peers_come_first_and_busy_ones_not_at_all() -> None:
    book = AddressBook([make_address(1), make_address(2)], SALT)
    book.on_heard([make_address(3)], PEER)
    assert set(book.choose(0, (), 2)) == {make_address(1), make_address(2)}
    assert book.choose(0, (), 9)[2] == make_address(3)
    assert book.choose(0, {make_address(1), make_address(3)}, 9) == [make_address(2)]


def test_failures_wait_longer_each_time_up_to_a_bound_and_success_forgets_them() -> None:
    book, address = AddressBook([make_address(1)], SALT), make_address(1)
    now_ms, waits = 0, []
    for _ in range(6):
        book.on_failed(address, now_ms)
        next_ms = book.compute_next_dial_ms(())
        assert next_ms is not None
        assert book.choose(next_ms - 1, (), 1) == []
        assert book.choose(next_ms, (), 1) == [address]
        waits.append(next_ms - now_ms)
        now_ms = next_ms
    assert waits == [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
    book.on_connected(address)
    book.on_failed(address, now_ms)
    assert book.compute_next_dial_ms(()) == now_ms + 1_000


def test_heard_addresses_that_never_answer_are_forgotten_and_configured_ones_are_not() -> None:
    book = AddressBook([make_address(1)], SALT)
    book.on_heard([make_address(2)], PEER)
    for index in range(address_book.FAILURES_MAX):
        book.on_failed(make_address(1), index)
        book.on_failed(make_address(2), index)
    assert len(book) == 1
    assert book.choose(10**9, (), 9) == [make_address(1)]


def test_no_peer_can_fill_the_book() -> None:
    book = AddressBook([], SALT)
    assert book.on_heard(map(make_address, range(1_000)), b"one") == address_book.PER_SOURCE_MAX
    assert book.on_heard(map(make_address, range(1_000)), b"one") == 0
    assert book.on_heard([make_address(5_000)], b"two") == 1
    for index in range(100):
        book.on_heard(map(make_address, range(index * 100, index * 100 + 100)), b"%d" % index)
    assert len(book) == address_book.NEW_BUCKETS * address_book.BUCKET_SIZE < address_book.BOOK_MAX


def test_nonsense_and_own_addresses_are_left_out() -> None:
    book = AddressBook([], SALT)
    book.on_self(make_address(7))
    assert book.on_heard([Address(b"evil\nhost", 1), Address(b"", 1), make_address(7)], PEER) == 0
    assert book.choose(0, (), 9) == []


def test_only_proven_addresses_are_shared() -> None:
    book = AddressBook([make_address(1)], SALT)
    book.on_heard([make_address(2), make_address(3)], PEER)
    assert book.get_shareable(9) == ()
    book.on_connected(make_address(2))
    book.on_connected(make_address(99))  # never heard of: ignored
    assert book.get_shareable(9) == (make_address(2),)
    assert book.get_shareable(0) == ()


def test_nodes_try_in_different_orders() -> None:
    addresses = [make_address(index) for index in range(20)]
    one, other = AddressBook(addresses, b"one"), AddressBook(addresses, b"other")
    assert one.choose(0, (), 20) != other.choose(0, (), 20)
    assert one.choose(0, (), 20) == AddressBook(addresses, b"one").choose(0, (), 20)


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_choose_keeps_its_limit(limit: int) -> None:
    book = AddressBook(map(make_address, range(5)), SALT)
    assert len(book.choose(0, (), limit)) == limit
    assert book.compute_next_dial_ms(set(map(make_address, range(5)))) is None
