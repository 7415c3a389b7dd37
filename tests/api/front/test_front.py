"""The front of two shards: who answers what, what is merged, and what becomes of a shard that is away."""

from collections.abc import AsyncIterator
from io import BytesIO

import cbor2
import msgspec
import pytest

from tangle.client.client import TangleClient
from tangle.client.transport import ClientConfig
from tangle.core.address import encode_address
from tangle.core.encoding import encode
from tangle.core.parameters import MINIMAL
from tangle.core.types import Shard
from tests.api.front.serving import FrontUnderTest, serve_shards
from tests.api.ledger_double import ALICE, BOB, FAUCET
from tests.api.serving import Http, connect
from tests.api.test_events import listen

PREFIX = MINIMAL.address_prefix.decode()
HOMES = {BOB.public_key: 0, FAUCET.public_key: 0, ALICE.public_key: 1}
CBOR = {"Content-Type": "application/cbor"}


@pytest.fixture
async def world() -> AsyncIterator[FrontUnderTest]:
    async with serve_shards() as world:
        yield world


@pytest.fixture
async def http(world: FrontUnderTest) -> AsyncIterator[Http]:
    async with connect(world.url) as client:
        yield client


async def make_pair(world: FrontUnderTest) -> tuple[bytes, bytes]:
    """A transfer of each shard."""
    first = await world.ledgers[0].make_transfer(FAUCET, BOB.public_key, 5)
    second = await world.ledgers[1].make_transfer(ALICE, ALICE.public_key, 7)
    return first.encoded, second.encoded


async def test_accounts_are_read_at_home(world: FrontUnderTest, http: Http) -> None:
    for ledger in world.ledgers:
        ledger.balances = dict.fromkeys(HOMES, 100 + ledger.shard)
    for key, home in HOMES.items():
        for name in (key.hex(), encode_address(PREFIX, key)):
            assert (await http.get(f"/v1/accounts/{name}"))["balance"] == str(100 + home)
    assert await http.refuse("GET", "/v1/accounts/mst1qqq") == (400, "address-invalid")


@pytest.mark.parametrize("is_json", [False, True])
async def test_transactions_go_to_the_shard_that_they_name(
    world: FrontUnderTest, http: Http, *, is_json: bool
) -> None:
    for shard, encoded in enumerate(await make_pair(world)):
        options = {"json": {"transaction": encoded.hex()}} if is_json else {"data": encoded, "headers": CBOR}
        status, answer, _ = await http.ask("POST", "/v1/transactions?wait=checkpointed", **options)
        assert (status, answer["data"]["transaction"]["shard"]) == (202, shard)
        identity = answer["data"]["id"]
        for path in ("", "/neighbours"):
            await http.get(f"/v1/transactions/{identity}{path}")
        status, proof, _ = await http.ask("GET", f"/v1/transactions/{identity}/proof")
        assert (status, len(proof) > 100) == (200, True)
    assert [len(ledger.ordered) for ledger in world.ledgers] == [1, 1]
    assert await http.refuse("GET", "/v1/transactions/" + "0" * 64) == (404, "not-found")


async def test_what_no_shard_can_read_is_refused_as_by_a_node(world: FrontUnderTest, http: Http) -> None:
    assert await http.refuse("POST", "/v1/transactions", data=b"\x00", headers=CBOR) == (
        400,
        "encoding-malformed",
    )
    assert await http.refuse("POST", "/v1/prepare", json={"nobody": 1}) == (400, "request-invalid")
    assert await http.refuse("POST", "/v1/transactions/batch", data=b"\x00", headers=CBOR) == (
        400,
        "encoding-malformed",
    )
    assert await http.refuse("DELETE", "/v1/status") == (405, "method-not-allowed")
    assert await http.refuse("GET", "/v2/status") == (404, "route-unknown")
    assert await http.refuse("GET", "/v1/transactions?limit=lots") == (400, "request-invalid")
    assert await http.refuse("GET", "/v1/committee?shard=5") == (404, "shard-not-served")
    assert await http.refuse("GET", "/v1/events?after=x") == (400, "request-invalid")
    assert await http.refuse("GET", "/v1/events?window=5") == (400, "request-invalid")
    too_far = str(1 << 200)
    assert await http.refuse("GET", f"/v1/events/log?after={too_far}") == (400, "request-invalid")


async def test_a_batch_is_answered_in_its_own_order(world: FrontUnderTest, http: Http) -> None:
    first, second = await make_pair(world)
    items = [second, b"rubbish", first, second]
    accept = {**CBOR, "Accept": "application/cbor"}
    _, content, _ = await http.ask("POST", "/v1/transactions/batch", data=encode(items), headers=accept)
    answers = cbor2.loads(content)
    assert [(len(identity), is_new, code) for identity, is_new, code in answers] == [
        (32, 1, b""),
        (0, 0, b"encoding-malformed"),
        (32, 1, b""),
        (32, 0, b""),
    ]
    _, answer, _ = await http.ask("POST", "/v1/transactions/batch", data=encode(items), headers=CBOR)
    assert [item["outcome"] for item in answer["data"]] == ["known", "refused", "known", "known"]
    assert [item["id"] for item in answer["data"] if item["id"]] == [
        identity.hex() for identity, *_ in answers if identity
    ]


async def test_items_of_a_lost_shard_are_refused_and_the_others_taken(
    world: FrontUnderTest, http: Http
) -> None:
    first, second = await make_pair(world)
    await world.close(1)
    _, answer, _ = await http.ask(
        "POST", "/v1/transactions/batch", data=encode([second, first]), headers=CBOR
    )
    assert [(item["outcome"], item["code"]) for item in answer["data"]] == [
        ("refused", "shard-down"),
        ("new", None),
    ]


async def test_all_shards_are_in_one_answer(world: FrontUnderTest, http: Http) -> None:
    for encoded in await make_pair(world):
        await http.ask("POST", "/v1/transactions", data=encoded, headers=CBOR)
    shards = await http.get("/v1/shards")
    assert [(each["shard"], each["ordered_total"]) for each in shards] == [(0, "1"), (1, "1")]
    status = await http.get("/v1/status")
    assert status["ordered_total"] == "2"
    assert (await http.get("/v1/status?shard=1"))["ordered_total"] == "1"
    assert {each["shard"] for each in await http.get("/v1/transactions")} == {0, 1}
    assert {each["shard"] for each in await http.get("/v1/transactions?shard=1")} == {1}
    verbose = await http.get("/readyz?verbose")
    assert {check["name"].partition(":")[0] for check in verbose["checks"]} == {"shard 0", "shard 1"}
    world.ledgers[1].is_synced = False
    _, problem, _ = await http.ask("GET", "/readyz")
    assert problem["code"] == "not-ready"
    assert all(item["path"].startswith("shard 1: ") for item in problem["errors"])


async def test_merged_answers_are_told_in_cbor_too(http: Http) -> None:
    accept = {"Accept": "application/cbor"}
    _, content, response = await http.ask("GET", "/v1/shards", headers=accept)
    assert response.content_type == "application/cbor"
    assert [each["shard"] for each in cbor2.loads(content)["data"]] == [0, 1]


async def test_a_lost_shard_is_found_again_where_it_listens_now(world: FrontUnderTest, http: Http) -> None:
    await http.get("/v1/committee?shard=1")
    await world.close(1)
    assert await http.refuse("GET", "/v1/committee?shard=1") == (503, "shard-down")
    assert await http.refuse("GET", "/readyz") == (503, "not-ready")
    shards = await http.get("/v1/shards")
    assert [each["checkpoint"] is None for each in shards] == [False, True]
    assert (await http.get("/v1/committee"))["shard"] == 0
    await world.open(1)
    assert (await http.get("/v1/committee?shard=1"))["shard"] == 1


async def test_the_page_and_long_contents_pass_through(http: Http) -> None:
    status, _, response = await http.ask("GET", "/")
    assert (status, response.content_type) == (200, "text/html")
    assert "Content-Security-Policy" in response.headers
    status, answer, _ = await http.ask(
        "POST",
        "/v1/blobs",
        data=BytesIO(b"x" * 1_500_000),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert status in (200, 201), answer
    identity = answer["data"]["id"]
    status, content, _ = await http.ask("GET", f"/v1/blobs/{identity}")
    assert (status, len(content)) == (200, 1_500_000)
    status, _, response = await http.ask("HEAD", f"/v1/blobs/{identity}")
    assert (status, response.headers["Content-Length"]) == (200, "1500000")


async def test_clients_of_other_machines_have_no_operators_rights_behind_the_front(
    world: FrontUnderTest,
) -> None:
    assert world.addresses[0] is not None
    async with connect(world.addresses[0].api) as http:
        headers = {"Content-Type": "application/octet-stream"}
        assert (await http.ask("POST", "/v1/blobs", data=b"x", headers=headers))[0] in (200, 201)
        foreign = {**headers, "X-Tangle-Client": "203.0.113.9"}
        assert await http.refuse("POST", "/v1/blobs", data=b"y", headers=foreign) == (403, "operator-only")


async def test_the_front_does_not_let_clients_say_who_they_are(http: Http) -> None:
    headers = {"Content-Type": "application/octet-stream", "X-Tangle-Client": "203.0.113.9"}
    assert (await http.ask("POST", "/v1/blobs", data=b"z", headers=headers))[0] in (200, 201)


# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_events_of_all_shards_come_once_and_resume_anywhere(world: FrontUnderTest, http: Http) -> None:
    seen: list[tuple[int, int]] = []
    last = None
    for turn in range(4):
        query = "" if last is None else f"?after={last}"
        async with listen(http, query) as listener:
            opening = await listener.next()
            assert opening.data == b""
            if last is not None:
                assert opening.id == last
            for ledger in world.ledgers:
                ledger.add_event("log", (), {"turn": turn})
            for _ in range(2):
                block = await listener.next()
                event = msgspec.json.decode(block.data)
                assert event["id"] == block.id
                assert last is None or int(block.id or 0) > int(last)
                last = block.id
                seen.append((event["body"]["turn"], event["shard"]))
    assert sorted(seen) == [(turn, shard) for turn in range(4) for shard in range(2)]


async def test_a_stream_outlives_a_shard(world: FrontUnderTest, http: Http) -> None:
    async with listen(http) as listener:
        await listener.next()
        await world.close(1)
        world.ledgers[0].add_event("log", (), {"n": 0})
        assert msgspec.json.decode((await listener.next()).data)["shard"] == 0
        world.ledgers[1].add_event("log", (), {"n": 1})
        await world.open(1)
        while not (block := await listener.next()).data:
            pass  # a stream that begins again says where
        event = msgspec.json.decode(block.data)
        assert (event["shard"], event["body"]) == (1, {"n": 1})


async def test_the_client_follows_a_front_as_it_follows_a_node(world: FrontUnderTest) -> None:
    async with TangleClient(world.url, config=ClientConfig(attempts_max=1)) as client:
        async for event in client.events(0):
            if event.topic == "checkpoint" and event.shard == 1:
                break
        await client.submit(await world.ledgers[1].make_transfer(ALICE, ALICE.public_key, 1))
        prepared = await client.prepare(ALICE.public_key)
        assert prepared.shard == Shard(1)


async def test_the_log_has_every_event_once(world: FrontUnderTest, http: Http) -> None:
    for place in range(7):
        world.ledgers[place % 2].add_event("log", (), {"place": place})
    found, after = [], "0"
    while True:
        status, page, _ = await http.ask("GET", f"/v1/events/log?topics=log&limit=2&after={after}")
        assert status == 200, page
        found += [event["body"]["place"] for event in page["data"]]
        if page["meta"]["next_cursor"] is None:
            break
        after = page["meta"]["next_cursor"]
    assert sorted(found) == list(range(7))


async def test_a_filter_that_no_shard_reads_is_refused(http: Http) -> None:
    assert await http.refuse("GET", "/v1/events?accounts=nobody") == (400, "address-invalid")
