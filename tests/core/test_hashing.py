"""Hashes with a purpose, home shards, and the multiset hash."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.core import hashing
from tangle.core.hashing import compute_hash, compute_home_shard, compute_record_hash
from tangle.core.multiset import STATE_SIZE, MultisetHash
from tangle.core.types import PublicKey
from tests.core.oracles import compute_multiset_digest

FOLDER = Path(__file__).parents[1] / "vectors" / "core"
VECTORS = json.loads((FOLDER / "hashing.json").read_text())
SUMS = json.loads((FOLDER / "multiset.json").read_text())["sums"]
PURPOSES = {value for name, value in vars(hashing).items() if name.isupper() and isinstance(value, bytes)}


def test_every_purpose_is_published_and_fits() -> None:
    assert {vector["purpose"].encode() for vector in VECTORS["hashes"]} == PURPOSES
    assert all(len(purpose) <= 16 for purpose in PURPOSES)
    digests = {compute_hash(purpose, b"same") for purpose in PURPOSES}
    assert len(digests) == len(PURPOSES)


@pytest.mark.parametrize(
    "vector", VECTORS["hashes"], ids=lambda vector: f"{vector['purpose']} {vector['data']}"
)
def test_published_hashes(vector: dict[str, Any]) -> None:
    digest = compute_hash(vector["purpose"].encode(), bytes.fromhex(vector["data"]))
    assert digest.hex() == vector["digest"]


def to_bytes(value: Any) -> Any:
    if isinstance(value, str):
        return bytes.fromhex(value)
    return [to_bytes(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("vector", VECTORS["records"], ids=lambda vector: vector["purpose"])
def test_published_record_hashes(vector: dict[str, Any]) -> None:
    arguments = to_bytes(vector["arguments"])
    assert compute_record_hash(vector["purpose"].encode(), *arguments).hex() == vector["digest"]


@pytest.mark.parametrize("vector", VECTORS["home_shards"], ids=lambda vector: vector["public_key"][:8])
def test_published_home_shards(vector: dict[str, Any]) -> None:
    key = PublicKey(bytes.fromhex(vector["public_key"]))
    assert [compute_home_shard(key, bits) for bits in range(9)] == vector["shards"]


@given(st.binary(min_size=32, max_size=32))
def test_a_home_splits_in_two_with_each_bit(key: bytes) -> None:
    homes = [compute_home_shard(PublicKey(key), bits) for bits in range(9)]
    assert homes[0] == 0
    assert all(after >> 1 == before for before, after in pairwise(homes))


# ── multiset ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("vector", SUMS, ids=lambda vector: vector["digest"][:8])
def test_published_sums(vector: dict[str, Any]) -> None:
    entries = [bytes.fromhex(entry) for entry in vector["entries"]]
    total = MultisetHash()
    for entry in entries:
        total.add(entry)
    assert total.compute_digest().hex() == vector["digest"]
    assert compute_multiset_digest(entries).hex() == vector["digest"]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=8), st.randoms(), st.data())
def test_sums_depend_on_the_entries_alone(entries: list[bytes], random: Any, data: st.DataObject) -> None:
    straight, mixed = MultisetHash(), MultisetHash()
    for entry in entries:
        straight.add(entry)
    shuffled = list(entries)
    random.shuffle(shuffled)
    mixed.add(b"guest")
    for entry in shuffled:
        mixed.add(entry)
    mixed.remove(b"guest")
    continued = MultisetHash(mixed.get_state())
    assert continued.compute_digest() == straight.compute_digest()
    left_out = data.draw(st.sampled_from(entries))
    continued.remove(left_out)
    assert continued.compute_digest() != straight.compute_digest()
    for entry in entries:
        straight.remove(entry)
    assert straight.get_state() == bytes(STATE_SIZE)


def test_a_continued_sum_does_not_share_memory() -> None:
    first = MultisetHash()
    first.add(b"a")
    second = MultisetHash(first.get_state())
    second.add(b"b")
    assert first.compute_digest() != second.compute_digest()
