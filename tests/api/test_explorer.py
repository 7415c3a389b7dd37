"""What explorers are told: blocks of the committee, and what checkpoints hold."""

import pytest

from shards.blocks import decode_block
from tests.api.explorer_double import ROUNDS
from tests.api.ledger_double import ALICE, BOB, LedgerDouble
from tests.api.serving import Http, connect, serve


async def test_the_latest_rounds_are_shown_to_who_names_none(http: Http) -> None:
    blocks = await http.get("/v1/blocks")
    assert [int(block["round"]) for block in blocks] == list(range(ROUNDS - 15, ROUNDS + 1))
    assert blocks[1]["ancestors"][0] == {name: blocks[0][name] for name in ("round", "author", "digest")}


async def test_blocks_from_a_round_on(http: Http) -> None:
    blocks = await http.get("/v1/blocks", params={"first_round": "3", "limit": "2"})
    assert [block["round"] for block in blocks] == ["3", "4"]
    assert await http.get("/v1/blocks", params={"first_round": str(2**63 - 1)}) == []


async def test_one_block_with_all_its_lists(http: Http, ledger: LedgerDouble) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 1)
    await ledger.submit((transaction.encoded,))
    (block,) = await http.get("/v1/blocks/1/0")
    (held,) = ledger.explorer.get_slot(0, 1, 0)
    assert block["tips"] == [transaction.id.hex()]
    assert block["digest"] == decode_block(held.encoded).reference.digest.hex()
    assert block["attestations"] == [{"index": "0", "digest": ledger.checkpoints[0].digest.hex()}]
    assert block["size"] == len(held.encoded)


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("/v1/blocks/41/0", (404, "not-found")),
        ("/v1/blocks/1/7", (404, "not-found")),
        ("/v1/blocks/1/256", (400, "request-invalid")),
        ("/v1/blocks/-1/0", (400, "request-invalid")),
        ("/v1/blocks/1/0?shard=1", (404, "not-found")),
        ("/v1/blocks?shard=1", (404, "not-found")),
        ("/v1/blocks?limit=0", (400, "request-invalid")),
        ("/v1/blocks?limit=257", (400, "request-invalid")),
        ("/v1/blocks?first_round=9223372036854775808", (400, "request-invalid")),
        ("/v1/checkpoints/1", (404, "not-found")),
        ("/v1/checkpoints/0?cursor=x", (400, "cursor-invalid")),
        ("/v1/checkpoints/0/99/transactions", (404, "not-found")),
        ("/v1/checkpoints/1/0/transactions", (404, "not-found")),
        ("/v1/checkpoints/0/0/transactions?cursor=gwEA", (400, "cursor-invalid")),
    ],
)
async def test_refusals(http: Http, path: str, refusal: tuple[int, str]) -> None:
    assert await http.refuse("GET", path) == refusal


async def test_checkpoints_newest_first_page_by_page(http: Http, ledger: LedgerDouble) -> None:
    for _ in range(5):
        ledger.make_checkpoint()
    seen, cursor = [], None
    for _ in range(4):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        _, page, _ = await http.ask("GET", "/v1/checkpoints/0", params=query)
        seen += [int(item["index"]) for item in page["data"]]
        ledger.make_checkpoint()  # new ones move no page
        cursor = page["meta"]["next_cursor"]
        if cursor is None:
            break
    assert seen == [5, 4, 3, 2, 1, 0]
    assert cursor is None


async def test_what_a_checkpoint_ordered_in_order_page_by_page() -> None:
    ledger = LedgerDouble(is_automatic=False)
    sent = []
    for amount in range(1, 6):
        transaction = await ledger.make_transfer(ALICE, BOB.public_key, amount)
        await ledger.submit((transaction.encoded,))
        sent.append(transaction.id.hex())
    ledger.make_checkpoint()
    async with serve(ledger) as addresses, connect(addresses.api) as client:
        path = "/v1/checkpoints/0/1/transactions"
        _, first, _ = await client.ask("GET", path, params={"limit": "3"})
        cursor = first["meta"]["next_cursor"]
        _, second, _ = await client.ask("GET", path, params={"limit": "3", "cursor": cursor})
        assert [item["id"] for item in first["data"] + second["data"]] == sent
        assert second["meta"]["next_cursor"] is None
        assert await client.get("/v1/checkpoints/0/0/transactions") == []
