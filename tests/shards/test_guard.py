"""The last-signed guard: rounds only rise, and the same block may be sent again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.errors import WouldEquivocate
from shards.guard import advance, decode_last_signed, encode_last_signed, make_last_signed
from tangle.core.errors import MalformedEncoding
from tangle.core.types import INTEGER_MAX, ChainId, Digest, Shard

FRESH = make_last_signed(ChainId(b"guarding"), 0, Shard(0))
ONE, OTHER = Digest(b"1" * 32), Digest(b"2" * 32)


def test_rounds_rise() -> None:
    record = advance(advance(FRESH, 1, ONE, b"one"), 5, OTHER, b"other")
    assert (record.round, record.digest, record.block) == (5, OTHER, b"other")


def test_the_same_block_may_be_sent_again() -> None:
    record = advance(FRESH, 3, ONE, b"one")
    assert advance(record, 3, ONE, b"one") == record


@pytest.mark.parametrize(("round_number", "digest"), [(3, OTHER), (2, ONE), (2, OTHER), (0, ONE)])
def test_a_second_block_is_refused(round_number: int, digest: Digest) -> None:
    with pytest.raises(WouldEquivocate):
        advance(advance(FRESH, 3, ONE, b"one"), round_number, digest, b"")


def test_nothing_is_signed_in_the_genesis_round() -> None:
    with pytest.raises(WouldEquivocate):
        advance(FRESH, 0, ONE, b"")


@given(st.integers(1, INTEGER_MAX), st.binary(min_size=32, max_size=32))
def test_records_survive_encoding(round_number: int, digest: bytes) -> None:
    record = advance(FRESH, round_number, Digest(digest), digest)
    assert decode_last_signed(encode_last_signed(record)) == record


def test_a_torn_record_is_refused() -> None:
    with pytest.raises(MalformedEncoding):
        decode_last_signed(encode_last_signed(FRESH)[:-1])
