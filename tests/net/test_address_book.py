"""The address book under attack: what is told displaces nothing reached, and nobody has many buckets."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from tangle.net import address_book
from tangle.net.address_book import AddressBook, compute_source_group
from tangle.net.addresses import Address, compute_group

SALT = b"0123456789abcdef"


def make_host(index: int) -> Address:
    """Hosts of the open internet, each in a network of its own."""
    return Address(b"%d.%d.1.1" % (20 + index // 200, index % 200), 15_600)


def make_neighbour(index: int) -> Address:
    """Hosts of one network."""
    return Address(b"80.90.%d.%d" % (index // 250, index % 250 + 1), 15_600)


def reach(book: AddressBook, addresses: Iterable[Address]) -> None:
    for address in addresses:
        book.on_heard([address], str(address).encode())
        book.on_connected(address)


def list_tried(book: AddressBook) -> set[Address]:
    return {entry.address for entry in book.list_heard() if entry.is_tried}


def test_a_flood_displaces_nothing_that_was_reached() -> None:
    book = AddressBook([make_neighbour(0)], SALT)
    reach(book, map(make_host, range(100)))
    tried = list_tried(book)
    assert len(tried) > 90
    for flood in range(200):
        book.on_heard((make_host(500 + flood * 64 + index) for index in range(64)), b"liar", b"one network")
        book.on_heard(
            (make_host(500 + flood * 64 + index) for index in range(64)), b"%d" % flood, b"one network"
        )
    assert list_tried(book) == tried
    assert book.list_configured() == (make_neighbour(0),)
    # However many names it goes by, one network has its few buckets.
    most = address_book.NEW_BUCKETS_PER_SOURCE * address_book.BUCKET_SIZE
    assert 0 < len(book) - 101 <= most + 10


def test_the_owner_of_one_network_has_few_places_even_with_real_nodes() -> None:
    book = AddressBook([], SALT)
    reach(book, map(make_neighbour, range(2_000)))
    assert len(list_tried(book)) <= address_book.TRIED_BUCKETS_PER_GROUP * address_book.BUCKET_SIZE


def test_a_tried_address_gives_way_only_once_it_answers_no_more() -> None:
    book = AddressBook([], SALT)
    reach(book, map(make_neighbour, range(300)))
    tried = list_tried(book)
    late = [make_neighbour(index) for index in range(300, 600)]
    reach(book, late)
    assert list_tried(book) == tried
    for address in tried:
        for _ in range(address_book.SHAKY_FAILURES):
            book.on_failed(address, 0)
    reach(book, late)
    assert not list_tried(book) & tried


def test_what_was_reached_outlives_an_outage() -> None:
    book = AddressBook([], SALT)
    reach(book, [make_host(1)])
    book.on_heard([make_host(2)], b"peer")
    for now_ms in range(100):
        book.on_failed(make_host(1), now_ms)
        book.on_failed(make_host(2), now_ms)
    assert [entry.address for entry in book.list_heard()] == [make_host(1)]
    assert book.compute_next_dial_ms(()) == 99 + address_book.BACKOFF_HEARD_MAX_MS


def test_tried_and_new_take_turns_and_other_networks_come_first() -> None:
    book = AddressBook([], SALT)
    reach(book, map(make_host, range(4)))
    book.on_heard(map(make_host, range(50, 54)), b"peer")
    kinds = [address in list_tried(book) for address in book.choose(0, (), 8)]
    assert kinds == [True, False] * 4
    book = AddressBook([], SALT)
    reach(book, [make_neighbour(1), make_neighbour(2), make_host(1)])
    assert book.choose(0, {make_neighbour(1)}, 2) == [make_host(1), make_neighbour(2)]


def test_a_restart_knows_what_was_known() -> None:
    book = AddressBook([make_neighbour(0)], SALT)
    reach(book, map(make_host, range(60)))
    book.on_heard(map(make_host, range(100, 160)), b"peer")
    book.on_failed(make_host(3), 0)
    again = AddressBook([make_neighbour(0)], SALT)
    again.restore(book.list_heard())
    assert set(again.list_heard()) == set(book.list_heard())
    assert again.choose(0, (), 9) != []


def test_the_operator_may_add_and_forget() -> None:
    book = AddressBook([], SALT)
    book.on_heard([make_host(1)], b"peer")
    assert book.configure(make_host(1))
    assert book.list_configured() == (make_host(1),)
    assert book.list_heard() == ()
    assert book.forget(make_host(1))
    assert not book.forget(make_host(1))
    assert len(book) == 0
    assert sum(book.configure(make_host(index)) for index in range(2_000)) == address_book.CONFIGURED_MAX


def test_own_addresses_are_remembered_within_a_bound() -> None:
    book = AddressBook([], SALT)
    for index in range(address_book.OWN_MAX + 1):
        book.on_self(make_host(index))
    assert book.on_heard([make_host(0), make_host(1)], b"peer") == 1


def test_groups() -> None:
    groups = {
        compute_group(Address(host, 1))
        for host in (
            b"8.8.8.8",
            b"8.8.9.9",
            b"::ffff:8.8.1.1",
            b"8.9.1.1",
            b"10.0.0.1",
            b"10.0.0.2",
            b"a.name",
        )
    }
    assert len(groups) == 5
    assert compute_group(Address(b"127.0.0.1", 1)) != compute_group(Address(b"127.0.0.1", 2))
    assert compute_group(Address(b"2606:4700::1", 1)) == compute_group(Address(b"2606:4700:1::1", 1))
    assert len(compute_group(Address(b"x" * 200, 1))) == 64
    assert compute_source_group("127.0.0.1", b"me") == compute_source_group("", b"me") == b"me"
    assert compute_source_group("8.8.8.8", b"me") == compute_source_group("8.8.4.4", b"you")


MOVES = st.tuples(
    st.sampled_from(["heard", "reached", "failed", "self"]), st.integers(0, 40), st.integers(0, 3)
)


@settings(max_examples=200)
@given(st.lists(MOVES, max_size=120))
def test_whatever_happens_the_tables_and_the_book_agree(moves: list[tuple[str, int, int]]) -> None:
    book, now_ms = AddressBook([make_host(0)], SALT), 0
    for move, index, source in moves:
        now_ms += 100
        address = make_neighbour(index) if index % 2 else make_host(index)
        match move:
            case "heard":
                book.on_heard([address], b"%d" % source)
            case "reached":
                book.on_connected(address)
            case "failed":
                book.on_failed(address, now_ms)
            case _:
                book.on_self(make_host(50 + index))
    placed = [address for table in (book._new, book._tried) for bucket in table for address in bucket]
    assert len(placed) == len(set(placed))
    assert set(placed) == {entry.address for entry in book.list_heard()}
    tried = {address for bucket in book._tried for address in bucket}
    assert tried == list_tried(book)
    assert all(len(bucket) <= address_book.BUCKET_SIZE for bucket in (*book._new, *book._tried))
    chosen = book.choose(now_ms + 10**9, (), 10**6)
    assert sorted(chosen) == sorted({*placed, make_host(0)})
    assert chosen[0] == make_host(0)
