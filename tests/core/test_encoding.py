"""One encoding per record: everything else that CBOR allows is refused."""

import json
from pathlib import Path
from typing import Annotated, Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from tangle.core.encoding import DEPTH_MAX, decode, encode
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.types import ChainId, Natural, Shard, Signed
from tests.core.oracles import write, write_head, write_long_head

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "core" / "encoding.json").read_text())
LIMIT = 4_096


class Leaf(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """A record inside another, with a tag as unions have."""

    count: Natural
    data: bytes


class Sample(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One field of each kind that records have."""

    number: Natural
    signed: Signed
    chain: ChainId
    shard: Shard
    data: Annotated[bytes, Meta(max_length=300)]
    leaf: Leaf
    items: Annotated[tuple[Signed, ...], Meta(max_length=30)]


naturals = st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1))
signed = st.one_of(st.integers(-300, 300), st.integers(-(2**63), 2**63 - 1))
samples = st.builds(
    Sample,
    naturals,
    signed,
    st.binary(min_size=8, max_size=8).map(ChainId),
    st.integers(0, 65_535).map(Shard),
    st.binary(max_size=300),
    st.builds(Leaf, naturals, st.binary(max_size=40)),
    st.lists(signed, max_size=30).map(tuple),
)
SAMPLE = Sample(5, -5, ChainId(b"chainid!"), Shard(1), b"data", Leaf(300, b""), (1, -2))


def get_fields(sample: Sample) -> list[Any]:
    return [
        sample.number,
        sample.signed,
        sample.chain,
        sample.shard,
        sample.data,
        [1, sample.leaf.count, sample.leaf.data],
        list(sample.items),
    ]


def refuse(data: bytes) -> None:
    with pytest.raises(MalformedEncoding):
        decode(Sample, data, limit=LIMIT)


def splice(place: int, item: bytes) -> bytes:
    """The sample with one field's encoding replaced."""
    parts = [write(field) for field in get_fields(SAMPLE)]
    parts[place] = item
    return write_head(4, len(parts)) + b"".join(parts)


@pytest.mark.parametrize("vector", VECTORS["values"], ids=lambda vector: vector["encoded"][:24])
def test_published_encodings(vector: dict[str, Any]) -> None:
    value = vector["value"]
    plain = bytes.fromhex(value["bytes"]) if isinstance(value, dict) else value
    assert encode(plain).hex() == vector["encoded"]


@given(samples)
def test_records_round_trip_in_the_shortest_form(sample: Sample) -> None:
    data = encode(sample)
    assert data == write(get_fields(sample))
    assert decode(Sample, data, limit=LIMIT) == sample


@given(samples, st.data())
def test_any_longer_head_is_refused(sample: Sample, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, 6))
    encoded = [write(field) for field in get_fields(sample)]
    first = encoded[place]
    major, info = first[0] >> 5, first[0] & 31
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    argument = int.from_bytes(first[1 : 1 + size], "big") if size else info
    for longer in (length for length in (1, 2, 4, 8) if length > size):
        encoded[place] = write_long_head(major, argument, longer) + first[1 + size :]
        refuse(write_head(4, 7) + b"".join(encoded))
    refuse(write_long_head(4, 7, 1) + b"".join(write(field) for field in get_fields(sample)))


@given(samples, st.binary(min_size=1, max_size=5))
def test_trailing_bytes_are_refused(sample: Sample, tail: bytes) -> None:
    refuse(encode(sample) + tail)


@given(samples, st.data())
def test_truncation_is_refused(sample: Sample, data: st.DataObject) -> None:
    encoded = encode(sample)
    refuse(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(samples, st.data())
def test_a_changed_byte_gives_another_record_or_none(sample: Sample, data: st.DataObject) -> None:
    encoded = bytearray(encode(sample))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    try:
        other = decode(Sample, bytes(encoded), limit=LIMIT)
    except MalformedEncoding:
        return
    assert other != sample
    assert encode(other) == encoded


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_canonical(data: bytes) -> None:
    try:
        record = decode(Sample, data, limit=LIMIT)
    except MalformedEncoding:
        return
    assert encode(record) == data


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner, max_size=8), st.dictionaries(st.integers(), inner, max_size=3)),
    max_leaves=12,
)


@given(VALUES)
def test_any_other_value_is_refused(value: Any) -> None:
    refuse(cbor2.dumps(value))


NUMBER, SIGNED, CHAIN, DATA, LEAF, ITEMS = 0, 1, 2, 4, 5, 6


@pytest.mark.parametrize(
    ("place", "item"),
    [
        pytest.param(NUMBER, b"\xf5", id="true for an integer"),
        pytest.param(NUMBER, b"\xf4", id="false for an integer"),
        pytest.param(NUMBER, b"\xf6", id="null"),
        pytest.param(NUMBER, b"\xf7", id="undefined"),
        pytest.param(NUMBER, b"\xf9\x45\x00", id="5.0 in 16 bits"),
        pytest.param(NUMBER, b"\xfa\x40\xa0\x00\x00", id="5.0 in 32 bits"),
        pytest.param(NUMBER, b"\xfb\x40\x14" + bytes(6), id="5.0 in 64 bits"),
        pytest.param(NUMBER, b"\xf9\x7e\x00", id="not a number"),
        pytest.param(NUMBER, b"\xf9\x7c\x00", id="infinity"),
        pytest.param(NUMBER, b"\xc2\x41\x05", id="a bignum of 5"),
        pytest.param(NUMBER, b"\xc2\x40", id="a bignum of nothing"),
        pytest.param(SIGNED, b"\xc3\x41\x04", id="a negative bignum of -5"),
        pytest.param(NUMBER, b"\xc4\x82\x00\x05", id="a decimal fraction of 5"),
        pytest.param(NUMBER, b"\xc5\x82\x00\x05", id="a big float of 5"),
        pytest.param(NUMBER, b"\xd8\x1e\x82\x05\x01", id="a rational of 5"),
        pytest.param(NUMBER, b"\xc1\x05", id="a tagged time"),
        pytest.param(NUMBER, b"\x61\x35", id="text for an integer"),
        pytest.param(NUMBER, b"\x1b\x80" + bytes(7), id="2**63"),
        pytest.param(NUMBER, b"\x24", id="a negative natural"),
        pytest.param(SIGNED, b"\x3b\x80" + bytes(7), id="-2**63 - 1"),
        pytest.param(CHAIN, b"\x68chainid!", id="text for bytes"),
        pytest.param(CHAIN, b"\x6cY2hhaW5pZCE=", id="base64 text for bytes"),
        pytest.param(CHAIN, b"\x5f\x48chainid!\xff", id="bytes in chunks"),
        pytest.param(CHAIN, b"\x5f\x44chai\x44nid!\xff", id="bytes in two chunks"),
        pytest.param(CHAIN, b"\x47chainid", id="too few bytes"),
        pytest.param(CHAIN, b"\x49chainid!!", id="too many bytes"),
        pytest.param(CHAIN, b"\xd8\x40\x48chainid!", id="a tagged array of uint8"),
        pytest.param(CHAIN, b"\x88" + bytes(8), id="an array for bytes"),
        pytest.param(DATA, b"\xd8\x18\x44data", id="embedded CBOR"),
        pytest.param(DATA, b"\x59\x00\x04data", id="a long length"),
        pytest.param(LEAF, b"\x9f\x01\x19\x01\x2c\x40\xff", id="an array of indefinite length"),
        pytest.param(LEAF, b"\xa1\x01\x19\x01\x2c", id="a map"),
        pytest.param(LEAF, b"\xbf\xff", id="a map of indefinite length"),
        pytest.param(LEAF, b"\xa2\x01\x02\x01\x02", id="a map with duplicate keys"),
        pytest.param(LEAF, b"\x83\x02\x19\x01\x2c\x40", id="an unknown tag of a union"),
        pytest.param(LEAF, b"\x82\x19\x01\x2c\x40", id="no tag of a union"),
        pytest.param(LEAF, b"\x84\x01\x19\x01\x2c\x40\x00", id="a field too many"),
        pytest.param(LEAF, b"\x82\x01\x19\x01\x2c"[:5], id="a field too few"),
        pytest.param(ITEMS, b"\xd9\x01\x02\x82\x01\x21", id="a set"),
        pytest.param(ITEMS, b"\xd9\x01\x04\x44\xc0\x00\x02\x01", id="an address"),
        pytest.param(ITEMS, b"\xd8\x1c\x82\x01\xd8\x1d\x00", id="an array that contains itself"),
        pytest.param(ITEMS, b"\xd8\x1c\x82\x01\x21", id="a shared array"),
        pytest.param(ITEMS, b"\x98\x02\x01\x21", id="a long count"),
        pytest.param(ITEMS, b"\x82\xf8\x20\x01", id="a simple value"),
        pytest.param(ITEMS, b"\x9b" + b"\xff" * 8, id="an array of 2**64 items"),
        pytest.param(ITEMS, b"\x5b" + b"\xff" * 8, id="2**64 bytes"),
        pytest.param(ITEMS, b"\x1c", id="a reserved length"),
        pytest.param(ITEMS, b"\xff", id="a break"),
        pytest.param(ITEMS, b"\x98\x1f" + b"\x00" * 31, id="too many items"),
    ],
)
def test_malleable_and_wrong_forms(place: int, item: bytes) -> None:
    refuse(splice(place, item))


def test_the_spliced_sample_is_good_when_nothing_is_wrong() -> None:
    assert decode(Sample, splice(NUMBER, write(5)), limit=LIMIT) == SAMPLE


@pytest.mark.parametrize(
    "tag", [0, 1, 2, 3, 4, 5, 21, 24, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 55799, 70_000]
)
def test_every_tag_is_refused_around_the_whole(tag: int) -> None:
    refuse(write_head(6, tag) + encode(SAMPLE))


def test_a_hostile_regular_expression_is_not_even_compiled() -> None:
    # Compiling this takes seconds; the test's time limit is the assertion.
    pattern = "(?i)" + "".join(f"[{chr(0x100 + number)}-\uffff]" for number in range(400))
    text = pattern.encode()
    hostile = write_head(6, 35) + write_head(3, len(text)) + text
    for place in (NUMBER, CHAIN, DATA, LEAF, ITEMS):
        refuse(splice(place, hostile))


@pytest.mark.parametrize("value", [b"\xe0", b"\xf7", b"\xf8\x20", b"\xa1\x00\xe1", b"\xc0\x00"])
def test_exotic_values_are_refused_where_items_are_open(value: bytes) -> None:
    with pytest.raises(MalformedEncoding):
        decode(list, b"\x82\x00" + value, limit=LIMIT)


def test_depth_is_bounded() -> None:
    refuse(b"\x81" * (DEPTH_MAX + 1) + b"\x00")
    refuse(b"\x81" * 4_000 + b"\x00")
    refuse(b"\xc1" * 4_000 + b"\x00")


def test_length_is_checked_before_anything_else() -> None:
    encoded = encode(SAMPLE)
    assert decode(Sample, encoded, limit=len(encoded)) == SAMPLE
    with pytest.raises(OversizeEncoding) as caught:
        decode(Sample, encoded, limit=len(encoded) - 1)
    assert (caught.value.size, caught.value.limit) == (len(encoded), len(encoded) - 1)
    with pytest.raises(OversizeEncoding):
        decode(Sample, b"\xff" * (LIMIT + 1), limit=LIMIT)
