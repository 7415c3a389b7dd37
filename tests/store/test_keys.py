"""Keys sort as their numbers do, and read back."""

from hypothesis import given
from hypothesis import strategies as st

from tangle.core.types import Digest, JobId, PublicKey
from tangle.store import keys
from tangle.store.keys import TransactionPlace

NUMBERS = st.integers(0, 2**64 - 2)
ROUNDS = st.tuples(NUMBERS, NUMBERS, st.integers(0, 65_535), st.binary(min_size=32, max_size=32))


@given(ROUNDS, ROUNDS)
def test_block_keys_sort_by_epoch_round_author_and_digest(
    one: tuple[int, int, int, bytes], other: tuple[int, int, int, bytes]
) -> None:
    first, second = (keys.compute_block_key(e, r, a, Digest(d)) for e, r, a, d in (one, other))
    assert (first < second) == (one < other)
    assert keys.parse_block_key(first) == one
    assert first.startswith(keys.compute_slot_key(*one[:3]))
    assert first.startswith(keys.compute_round_key(*one[:2]))
    assert keys.parse_slot_key(keys.compute_slot_key(*one[:3])) == one[:3]
    assert keys.parse_commit_key(keys.compute_commit_key(*one[:2])) == one[:2]


@given(NUMBERS, NUMBERS)
def test_sequence_keys_sort_as_numbers(one: int, other: int) -> None:
    first, second = keys.compute_sequence_key(one), keys.compute_sequence_key(other)
    assert (first < second) == (one < other)
    assert keys.parse_sequence_key(first) == one


@given(NUMBERS, st.none() | NUMBERS)
def test_places_read_back(arrival: int, ordered: int | None) -> None:
    place = TransactionPlace(arrival, ordered)
    assert keys.decode_place(keys.encode_place(place)) == place
    assert len(keys.encode_place(place)) == 16


@given(st.binary(max_size=4), st.binary(max_size=4))
def test_the_stop_of_a_prefix_is_above_all_its_keys_and_nothing_else(prefix: bytes, rest: bytes) -> None:
    stop = keys.compute_prefix_stop(prefix)
    assert stop is None or prefix + rest < stop
    assert stop is not None or not prefix.rstrip(b"\xff")
    for other in (rest, prefix[:-1] + b"\xff\xff"):
        inside = prefix <= other and (stop is None or other < stop)
        assert inside == other.startswith(prefix)


def test_keys_of_jobs_and_accounts_have_their_published_sizes() -> None:
    name = b"\x01" * 32
    assert keys.compute_account_history_key(PublicKey(name), 7) == name + (7).to_bytes(8, "big")
    assert keys.compute_generation_key(JobId(name), 7) == name + (7).to_bytes(8, "big")
