"""The front's pure parts: where requests go, event ids of several shards, figures of several pages."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.exposition import generate_latest

from tangle.api.front.batches import group_by_shard, put_in_order
from tangle.api.front.merging import interleave
from tangle.api.front.metrics_page import merge_pages
from tangle.api.front.positions import POSITION_BITS, join_positions, split_positions
from tangle.api.front.routing import (
    Anywhere,
    ByBody,
    Merged,
    Target,
    ToFinder,
    ToHome,
    ToShard,
    find_account,
    find_target,
    find_transaction_shard,
    read_shard,
    split_batch,
)

POSITIONS = st.lists(st.integers(0, 2**POSITION_BITS - 1), min_size=1, max_size=256)


@pytest.mark.parametrize(
    ("method", "path", "query", "target"),
    [
        ("GET", "/v1/transactions", {}, Merged.TRANSACTIONS),
        ("GET", "/v1/epochs", {}, ToShard(0)),
        ("GET", "/v1/epochs", {"shard": "1"}, ToShard(1)),
        ("GET", "/v1/transactions", {"shard": "3"}, ToShard(3)),
        ("POST", "/v1/transactions", {}, ByBody.TRANSACTION),
        ("POST", "/v1/transactions/simulate", {}, ByBody.TRANSACTION),
        ("POST", "/v1/transactions/batch", {}, ByBody.BATCH),
        ("GET", "/v1/transactions/ab/proof", {}, ToFinder("ab")),
        ("POST", "/v1/prepare", {}, ByBody.ISSUER),
        ("POST", "/v1/faucet", {}, ByBody.ACCOUNT),
        ("GET", "/v1/accounts/me/earnings", {}, ToHome("me")),
        ("GET", "/v1/checkpoints/2/latest", {}, ToShard(2)),
        ("GET", "/v1/checkpoints/two/latest", {}, Anywhere()),
        ("GET", "/v1/blocks/3/1", {"shard": "1"}, ToShard(1)),
        ("GET", "/v1/models/ab/weights", {}, Anywhere()),
        ("GET", "/v1/fees", {"shard": "\u0661"}, Anywhere()),
        ("GET", "/v1/jobs/ab/explain", {}, ToShard(0)),
        ("PUT", "/v1/blobs/ab/pin", {}, ToShard(0)),
        ("GET", "/v1/status", {"shard": "1"}, ToShard(1)),
        ("GET", "/v1/events/log", {}, Merged.EVENT_LOG),
        ("GET", "/livez", {}, Anywhere()),
        ("GET", "/", {}, Anywhere()),
        ("GET", "/web/app.js", {}, Anywhere()),
    ],
)
def test_where_a_request_goes(method: str, path: str, query: dict[str, str], target: Target) -> None:
    assert find_target(method, path, query) == target


@given(POSITIONS)
def test_positions_survive_being_one_number(positions: list[int]) -> None:
    assert split_positions(join_positions(positions), len(positions)) == positions


@given(POSITIONS, st.data())
def test_an_event_makes_the_number_grow(positions: list[int], data: st.DataObject) -> None:
    shard = data.draw(st.integers(0, len(positions) - 1))
    later = positions.copy()
    later[shard] = data.draw(st.integers(positions[shard], 2**POSITION_BITS - 1))
    assert (join_positions(later) > join_positions(positions)) == (later != positions)


def test_a_number_for_more_shards_is_none_of_these() -> None:
    assert split_positions(1 << (2 * POSITION_BITS), 2) is None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading(data: bytes) -> None:
    shard = read_shard(data)
    assert shard is None or isinstance(shard, int)
    split_batch(data)
    for kind in (ByBody.ISSUER, ByBody.ACCOUNT):
        assert find_account(kind, data) is None or isinstance(find_account(kind, data), str)
    named = find_transaction_shard(data, is_json=True)
    assert named is None or isinstance(named, int)


def test_the_shard_is_the_third_field_of_the_body() -> None:
    body = cbor2.dumps([1, b"chain", 5, b"issuer"])
    assert read_shard(cbor2.dumps([body, b"signature"])) == 5
    assert read_shard(cbor2.dumps([cbor2.dumps([1, b"chain", b"5"]), b""])) is None
    assert read_shard(cbor2.dumps([cbor2.dumps([1, b"chain"]), b""])) is None
    assert read_shard(cbor2.dumps([7, b""])) is None


@given(st.lists(st.sampled_from([0, 1, 2, 9]), max_size=20))
def test_every_item_of_a_batch_is_answered_at_its_place(shards: list[int]) -> None:
    items = [
        cbor2.dumps([cbor2.dumps([1, b"", shard]), bytes([place])]) for place, shard in enumerate(shards)
    ]
    places = group_by_shard(items, (1, 2))
    assert all(shards[place] == 2 for place in places.get(2, []))
    parts = {shard: [items[place] for place in of] for shard, of in places.items()}
    assert put_in_order(places, parts, len(items)) == items


def test_pages_share_the_room() -> None:
    assert interleave([[1, 3, 5], [2, 4, 6]], 4) == (4, 3, 6, 5)
    assert set(interleave([[1, 3, 5], [2, 4, 6]], 4)) == {3, 4, 5, 6}
    assert interleave([[1], []], 4) == (1,)
    assert interleave([], 4) == ()


def test_figures_of_all_shards_are_told_apart() -> None:
    page = '# HELP a_total Counts.\n# TYPE a_total counter\na_total{route="x"} 3.0\n'

    class Collected:
        def collect(self) -> list[object]:
            return list(merge_pages({0: page, 1: page, 2: None}))

    text = generate_latest(Collected()).decode()  # type: ignore[arg-type] # it only asks to collect
    assert 'a_total{route="x",shard="0"} 3.0' in text
    assert 'a_total{route="x",shard="1"} 3.0' in text
    assert text.count("# TYPE a_total counter") == 1
    assert 'tangle_shard_up{shard="2"} 0.0' in text
