"""What the reading routes answer."""

from typing import Any

import pytest

from shards.certificates import Certificate
from shards.checkpoints import Checkpoint, compute_checkpoint_digest
from tangle.api.config import ApiConfig
from tangle.core.address import encode_address
from tangle.core.encoding import decode
from tangle.core.genesis import compute_chain_id, decode_genesis
from tangle.core.types import PublicKey
from tests.api.ledger_double import ALICE, BOB, ENDOWMENT, LedgerDouble
from tests.api.serving import Http, connect, serve


def as_address(account: PublicKey) -> str:
    return encode_address("tmst", account)


async def fill(ledger: LedgerDouble, count: int) -> list[str]:
    """Apply ``count`` transfers, each in a checkpoint of its own; returns their ids, oldest first."""
    ids = []
    for amount in range(1, count + 1):
        transaction = await ledger.make_transfer(ALICE, BOB.public_key, amount)
        await ledger.submit((transaction.encoded,))
        ids.append(transaction.id.hex())
    return ids


async def test_every_answer_names_its_chain(http: Http, ledger: LedgerDouble) -> None:
    _, answer, response = await http.ask("GET", "/v1/status")
    assert answer["meta"] == {"chain": ledger.chain.hex(), "next_cursor": None}
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["RateLimit"].startswith('"default";r=')


async def test_account_by_address_and_by_hex_with_numbers_as_strings(http: Http) -> None:
    by_address = await http.get(f"/v1/accounts/{as_address(ALICE.public_key)}")
    by_hex = await http.get(f"/v1/accounts/{ALICE.public_key.hex().upper()}")
    assert by_address == by_hex
    assert by_address["balance"] == str(ENDOWMENT)
    assert by_address["address"] == as_address(ALICE.public_key)
    assert by_address["sequence"] == "0"


async def test_account_that_never_was_is_zero(http: Http) -> None:
    assert (await http.get(f"/v1/accounts/{as_address(BOB.public_key)}"))["balance"] == "0"


async def test_account_waits_for_a_checkpoint(http: Http, ledger: LedgerDouble) -> None:
    await fill(ledger, 1)
    path = f"/v1/accounts/{as_address(BOB.public_key)}"
    assert (await http.get(path, params={"min_checkpoint": "1"}))["balance"] == "1"
    refusal = await http.refuse("GET", path, params={"min_checkpoint": "99", "timeout_s": "0.01"})
    assert refusal == (409, "wait-timeout")


async def test_history_pages_are_stable_while_new_transactions_come(http: Http, ledger: LedgerDouble) -> None:
    ids = await fill(ledger, 5)
    path = f"/v1/accounts/{as_address(BOB.public_key)}/transactions"
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        _, answer, _ = await http.ask("GET", path, params=params)
        seen += [item["id"] for item in answer["data"]]
        cursor = answer["meta"]["next_cursor"]
        if cursor is None:
            break
        await fill(ledger, 1)
    assert seen == ids[::-1]


async def test_history_from_its_beginning(http: Http, ledger: LedgerDouble) -> None:
    ids = await fill(ledger, 5)
    path = f"/v1/accounts/{as_address(BOB.public_key)}/transactions"
    seen: list[str] = []
    params: dict[str, str] = {"limit": "2", "order": "oldest"}
    while True:
        _, answer, _ = await http.ask("GET", path, params=params)
        seen += [item["id"] for item in answer["data"]]
        if answer["meta"]["next_cursor"] is None:
            break
        params["cursor"] = answer["meta"]["next_cursor"]
    assert seen == ids
    refusal = await http.refuse("GET", path, params={"cursor": params["cursor"]})
    assert refusal == (400, "cursor-invalid")  # it was made for the other order


async def test_history_and_earnings_wait_for_a_checkpoint(http: Http, ledger: LedgerDouble) -> None:
    ids = await fill(ledger, 1)
    for route in ("transactions", "earnings"):
        path = f"/v1/accounts/{as_address(BOB.public_key)}/{route}"
        page = await http.get(path, params={"min_checkpoint": "1"})
        assert [item["id"] for item in page] == (ids if route == "transactions" else [])
        refusal = await http.refuse("GET", path, params={"min_checkpoint": "99", "timeout_s": "0.01"})
        assert refusal == (409, "wait-timeout")


async def test_earnings_tell_fees_from_pay_for_work_page_by_page(http: Http, ledger: LedgerDouble) -> None:
    await fill(ledger, 3)
    leader = ledger.genesis.allocations[0].account
    path = f"/v1/accounts/{as_address(leader)}/earnings"
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        _, answer, _ = await http.ask("GET", path, params=params)
        seen += answer["data"]
        cursor = answer["meta"]["next_cursor"]
        if cursor is None:
            break
    assert [int(item["amount"]) for item in seen] == list(range(len(seen), 0, -1))
    assert [item["job"] is None for item in seen] == [number % 2 == 1 for number in range(len(seen))]
    assert len(seen) == 2 * len(ledger.checkpoints)
    other = await http.get(f"/v1/accounts/{as_address(BOB.public_key)}/earnings")
    assert other == []


async def test_checkpoint_by_index_and_latest_in_json_and_cbor(http: Http, ledger: LedgerDouble) -> None:
    await fill(ledger, 2)
    latest = await http.get("/v1/checkpoints/0/latest")
    assert latest == await http.get("/v1/checkpoints/0/2")
    assert latest["index"] == "2"
    assert latest["ordered_count"] == "1"
    assert latest["certificate"][0]["author"] == 0
    _, content, _ = await http.ask("GET", "/v1/checkpoints/0/2", headers={"Accept": "application/cbor"})
    checkpoint, certificates = decode(tuple[Checkpoint, list[Certificate]], content, limit=10_000)
    assert compute_checkpoint_digest(checkpoint).hex() == latest["digest"]
    assert [certificate.index for certificate in certificates] == [2]


async def test_genesis_hashes_to_the_chain(http: Http, ledger: LedgerDouble) -> None:
    _, content, response = await http.ask("GET", "/v1/genesis")
    assert response.content_type == "application/cbor"
    assert compute_chain_id(decode_genesis(content)) == ledger.chain


async def test_models_curve_weights_and_lineage(http: Http, ledger: LedgerDouble) -> None:
    ids = await fill(ledger, 3)
    models = await http.get("/v1/models")
    path = f"/v1/models/{models[0]['job']}"
    detail = await http.get(path)
    assert detail["model"] == models[0]
    assert [item["score"] for item in detail["curve"]] == [40]
    _, weights, response = await http.ask("GET", f"{path}/weights")
    assert weights == ledger.weights
    assert response.content_type == "application/octet-stream"
    _, first, _ = await http.ask("GET", f"{path}/lineage", params={"limit": "2"})
    _, second, _ = await http.ask(
        "GET", f"{path}/lineage", params={"limit": "2", "cursor": first["meta"]["next_cursor"]}
    )
    assert [item["transaction"] for item in first["data"] + second["data"]] == ids
    assert first["data"][0]["results"] == ["-7"]
    assert second["meta"]["next_cursor"] is None


@pytest.mark.parametrize("path", ["/v1/shards", "/v1/committee", "/v1/peers", "/v1/status", "/livez"])
async def test_views_for_people_and_dashboards(http: Http, path: str) -> None:
    assert await http.get(path)


async def test_recent_and_neighbours(http: Http, ledger: LedgerDouble) -> None:
    ids = await fill(ledger, 4)
    recent = await http.get("/v1/transactions", params={"limit": "3"})
    assert [item["id"] for item in recent] == ids[1:]
    near = await http.get(f"/v1/transactions/{ids[1]}/neighbours")
    assert [item["id"] for item in near] == [ids[0], ids[2], ids[3]]


async def test_readiness_names_what_is_missing(http: Http, ledger: LedgerDouble) -> None:
    assert await http.get("/readyz") == {"is_ok": True, "checks": []}
    assert (await http.get("/readyz?verbose"))["checks"][0]["name"] == "synced"
    ledger.is_synced = False
    status, answer, _ = await http.ask("GET", "/readyz")
    assert (status, answer["code"], answer["errors"][0]["path"]) == (503, "not-ready", "synced")
    assert await http.get("/livez") == {"is_ok": True, "checks": []}


async def test_head_is_get_without_a_body(http: Http) -> None:
    status, content, response = await http.ask("HEAD", "/v1/genesis")
    assert (status, content) == (200, b"")
    assert int(response.headers["Content-Length"]) > 0


async def test_metrics_have_their_own_port_and_bounded_labels(ledger: LedgerDouble) -> None:
    ledger.is_synced = False
    async with serve(ledger, ApiConfig(port=0, metrics_port=0)) as addresses, connect(addresses.api) as http:
        await http.ask("GET", f"/v1/transactions/{'00' * 32}")
        await http.ask("GET", "/v1/made-up")
        assert addresses.metrics is not None
        async with connect(addresses.metrics) as scraper:
            status, content, _ = await scraper.ask("GET", "/metrics")
            missing, _, _ = await scraper.ask("GET", "/")
    assert (status, missing) == (200, 404)
    text = content.decode()
    assert 'tangle_api_requests_total{method="GET",route="/v1/transactions/{id}",status="404"} 1.0' in text
    assert 'route="unmatched"' in text
    assert "made-up" not in text
