"""The last-signed guard: rounds only rise, and the same block may be sent again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.errors import WouldEquivocate
from shards.guard import (
    advance,
    decode_last_signed,
    encode_last_signed,
    get_last_round,
    make_last_signed,
)
from tangle.core.errors import MalformedEncoding
from tangle.core.types import INTEGER_MAX, ChainId, Digest, Shard

FRESH = make_last_signed(ChainId(b"guarding"), 0, Shard(0))
ONE, OTHER = Digest(b"1" * 32), Digest(b"2" * 32)


def test_rounds_rise() -> None:
    record = advance(advance(FRESH, 0, 1, ONE, b"one"), 0, 5, OTHER, b"other")
    assert (record.round, record.digest, record.block) == (5, OTHER, b"other")


def test_rounds_begin_anew_in_a_later_epoch() -> None:
    record = advance(advance(FRESH, 0, 7, ONE, b"one"), 2, 1, OTHER, b"other")
    assert (record.epoch, record.round, record.block) == (2, 1, b"other")


def test_what_may_be_signed_of_an_epoch() -> None:
    record = advance(FRESH, 2, 7, ONE, b"one")
    assert [get_last_round(record, epoch) for epoch in (1, 2, 3)] == [INTEGER_MAX, 7, 0]


def test_the_same_block_may_be_sent_again() -> None:
    record = advance(FRESH, 0, 3, ONE, b"one")
    assert advance(record, 0, 3, ONE, b"one") == record


@pytest.mark.parametrize(
    ("epoch", "round_number", "digest"),
    [(1, 3, OTHER), (1, 2, ONE), (1, 2, OTHER), (1, 0, ONE), (2, 0, ONE), (0, 9, OTHER), (0, 3, ONE)],
)
def test_a_second_block_is_refused(epoch: int, round_number: int, digest: Digest) -> None:
    with pytest.raises(WouldEquivocate):
        advance(advance(FRESH, 1, 3, ONE, b"one"), epoch, round_number, digest, b"")


def test_nothing_is_signed_in_the_genesis_round() -> None:
    with pytest.raises(WouldEquivocate):
        advance(FRESH, 0, 0, ONE, b"")


@given(st.integers(0, INTEGER_MAX), st.integers(1, INTEGER_MAX), st.binary(min_size=32, max_size=32))
def test_records_survive_encoding(epoch: int, round_number: int, digest: bytes) -> None:
    record = advance(FRESH, epoch, round_number, Digest(digest), digest)
    assert decode_last_signed(encode_last_signed(record)) == record


def test_a_torn_record_is_refused() -> None:
    with pytest.raises(MalformedEncoding):
        decode_last_signed(encode_last_signed(FRESH)[:-1])
