"""Submitting, one or many, waiting, proving; and every way in which a submission is refused."""

from typing import Any

import anyio
import cbor2
import pytest

from shards.proofs import verify_transaction_proof
from tangle.api.config import ApiConfig
from tangle.core.errors import TangleError
from tangle.core.transactions import Transaction
from tangle.core.types import PublicKey
from tests.api.ledger_double import ALICE, BOB, LedgerDouble, make_genesis
from tests.api.serving import QUIET, Http, connect, serve

CBOR = {"Content-Type": "application/cbor"}


async def post(http: Http, transaction: Transaction, **params: str) -> tuple[int, Any]:
    status, answer, _ = await http.ask(
        "POST", "/v1/transactions", data=transaction.encoded, headers=CBOR, params=params
    )
    return status, answer


async def test_new_is_202_and_the_same_bytes_again_are_200(http: Http, ledger: LedgerDouble) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    status, answer = await post(http, transaction)
    assert (status, answer["data"]["id"], answer["data"]["is_new"]) == (202, transaction.id.hex(), True)
    status, answer = await post(http, transaction)
    assert (status, answer["data"]["is_new"]) == (200, False)
    assert (await http.get(f"/v1/accounts/{BOB.public_key.hex()}"))["balance"] == "5"


async def test_json_carries_the_same_bytes_in_hex(http: Http, ledger: LedgerDouble) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    status, answer, _ = await http.ask(
        "POST", "/v1/transactions", json={"transaction": transaction.encoded.hex()}
    )
    assert (status, answer["data"]["id"]) == (202, transaction.id.hex())


async def test_submitting_can_wait_until_final() -> None:
    ledger = LedgerDouble(is_automatic=False)
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    async with serve(ledger) as addresses, connect(addresses.api) as http, anyio.create_task_group() as tasks:

        async def certify_once_attached() -> None:
            await ledger.wait_transaction(transaction.id, ledger.get_recent(1)[0].status, 5)
            ledger.make_checkpoint()

        status, answer = await post(http, transaction, wait="attached")
        assert (status, answer["data"]["transaction"]["status"]) == (202, "attached")
        tasks.start_soon(certify_once_attached)
        status, answer = await post(http, transaction, wait="checkpointed", timeout_s="5")
    assert status == 200
    assert answer["data"]["transaction"]["is_final"] is True
    assert answer["data"]["transaction"]["operation"] == {
        "kind": "transfer",
        "recipient": answer["data"]["transaction"]["operation"]["recipient"],
        "amount": "5",
    }


async def test_a_wait_that_is_not_fulfilled_answers_with_where_it_is() -> None:
    ledger = LedgerDouble(is_automatic=False)
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    async with serve(ledger) as addresses, connect(addresses.api) as http:
        await post(http, transaction)
        path = f"/v1/transactions/{transaction.id.hex()}?wait=checkpointed&timeout_s=0.01"
        assert (await http.get(path))["status"] == "attached"


async def test_a_conflict_is_an_answer_with_a_reason_and_not_a_refusal(
    http: Http, ledger: LedgerDouble
) -> None:
    transaction = await ledger.make_transfer(BOB, ALICE.public_key, 5)
    status, answer = await post(http, transaction, wait="checkpointed")
    view = answer["data"]["transaction"]
    assert (status, view["status"], view["reason_code"], view["fee"]) == (202, "conflicting", "funds", "0")


async def test_encoded_bytes_by_accept(http: Http, ledger: LedgerDouble) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    await post(http, transaction)
    _, content, response = await http.ask(
        "GET", f"/v1/transactions/{transaction.id.hex()}", headers={"Accept": "application/cbor"}
    )
    assert (content, response.content_type) == (transaction.encoded, "application/cbor")


async def test_proof_holds_offline_and_no_changed_byte_does(http: Http, ledger: LedgerDouble) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    await post(http, transaction)
    _, proof, _ = await http.ask("GET", f"/v1/transactions/{transaction.id.hex()}/proof")
    assert verify_transaction_proof(proof, ledger.genesis).transaction.id == transaction.id
    for place in range(0, len(proof), 17):
        changed = proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1 :]
        with pytest.raises(TangleError):
            verify_transaction_proof(changed, ledger.genesis)


async def test_proof_of_what_is_not_final_does_not_exist() -> None:
    ledger = LedgerDouble(is_automatic=False)
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    await ledger.submit((transaction.encoded,))
    async with serve(ledger) as addresses, connect(addresses.api) as http:
        refusal = await http.refuse("GET", f"/v1/transactions/{transaction.id.hex()}/proof")
    assert refusal == (404, "not-found")


async def test_prepare_with_and_without_work(http: Http) -> None:
    body = {"issuer": ALICE.public_key.hex()}
    _, plain, _ = await http.ask("POST", "/v1/prepare", json=body)
    assert plain["data"]["work"] is None
    assert plain["data"]["sequence"] == "0"
    worker = BOB.public_key.hex()
    asked = body | {"work": True, "worker": worker, "sequence": "7"}
    _, done, _ = await http.ask("POST", "/v1/prepare", json=asked)
    assert done["data"]["sequence"] == "7"
    assert done["data"]["work"]["results"] == ["-7"]
    assert done["data"]["work"]["worker"] == (await http.get(f"/v1/accounts/{worker}"))["address"]


async def test_faucet_on_a_devnet_only(http: Http, ledger: LedgerDouble) -> None:
    body = {"account": BOB.public_key.hex()}
    status, answer, _ = await http.ask("POST", "/v1/faucet", json=body)
    assert status == 202
    assert (await http.get(f"/v1/transactions/{answer['data']['id']}"))["status"] == "checkpointed"
    ledger.has_faucet = False
    assert await http.refuse("POST", "/v1/faucet", json=body) == (404, "faucet-absent")


async def test_batch_answers_item_by_item(http: Http, ledger: LedgerDouble) -> None:
    good = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    items = [good.encoded, b"\x00", spoil(good), good.encoded]
    _, answer, _ = await http.ask("POST", "/v1/transactions/batch", data=cbor2.dumps(items), headers=CBOR)
    assert [item["outcome"] for item in answer["data"]] == ["new", "refused", "refused", "known"]
    assert [item["code"] for item in answer["data"]] == [
        None,
        "encoding-malformed",
        "signature-invalid",
        None,
    ]
    _, content, response = await http.ask(
        "POST",
        "/v1/transactions/batch",
        data=cbor2.dumps(items[:2]),
        headers=CBOR | {"Accept": "application/cbor"},
    )
    assert response.content_type == "application/cbor"
    assert cbor2.loads(content) == [[good.id, 0, b""], [b"", 0, b"encoding-malformed"]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x81\x00",
        b"\x81\x80",
        b"\x9f\x41\x00\xff",
        b"\xa0",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x81" * 500,
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
    ],
    ids=["empty", "integer", "integers", "nested", "indefinite", "map", "endless", "deep", "huge"],
)
async def test_a_batch_that_is_none(http: Http, body: bytes) -> None:
    refusal = await http.refuse("POST", "/v1/transactions/batch", data=body, headers=CBOR)
    assert refusal == (400, "encoding-malformed")


async def test_a_tag_around_a_batch_is_not_interpreted(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    monkeypatch.setattr("re.compile", compiled.append)
    # Tag 35: cbor2's own decoder would compile the text; a kilobyte of the right one takes seconds.
    body = b"\xd8\x23\x69(a{9}){9}"
    refusal = await http.refuse("POST", "/v1/transactions/batch", data=body, headers=CBOR)
    assert (refusal, compiled) == ((400, "encoding-malformed"), [])


async def test_a_batch_with_too_many_items(ledger: LedgerDouble) -> None:
    config = ApiConfig(port=0, metrics_port=None, batch_items_max=2)
    async with serve(ledger, config) as addresses, connect(addresses.api) as http:
        body = cbor2.dumps([b"", b"", b""])
        refusal = await http.refuse("POST", "/v1/transactions/batch", data=body, headers=CBOR)
    assert refusal == (413, "batch-oversize")


async def test_a_full_intake_is_429_with_the_time_to_come_back() -> None:
    ledger = LedgerDouble(is_automatic=False, intake_max=1)
    first = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    async with serve(ledger, QUIET) as addresses, connect(addresses.api) as http:
        await post(http, first)
        second = await ledger.make_transfer(ALICE, BOB.public_key, 6)
        status, answer, response = await http.ask(
            "POST", "/v1/transactions", data=second.encoded, headers=CBOR
        )
    assert (status, answer["code"], answer["retry_after_s"]) == (429, "overloaded", 0.5)
    assert response.headers["Retry-After"] == "1"


def spoil(transaction: Transaction) -> bytes:
    """The transaction with another last byte: another signature."""
    return transaction.encoded[:-1] + bytes([transaction.encoded[-1] ^ 1])


def make_malleable(transaction: Transaction) -> bytes:
    """The same record in CBOR of indefinite length."""
    return b"\x9f" + transaction.encoded[1:] + b"\xff"


async def test_every_bad_transaction_has_its_own_code(http: Http, ledger: LedgerDouble) -> None:
    good = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    parents = good.body.parents
    foreign = LedgerDouble(make_genesis(salt=1)).chain
    cases = {
        b"": (400, "encoding-malformed"),
        b"\xff" * 40: (400, "encoding-malformed"),
        good.encoded + b"\x00": (400, "encoding-malformed"),
        make_malleable(good): (400, "encoding-malformed"),
        bytes(4_097): (413, "encoding-oversize"),
        spoil(good): (422, "signature-invalid"),
    }
    changed: list[tuple[dict[str, object], tuple[int, str]]] = [
        ({"chain": foreign}, (422, "chain-wrong")),
        ({"shard": 1}, (422, "shard-wrong")),
        ({"version": 2}, (422, "version-unsupported")),
        ({"parents": parents * 2}, (422, "parents-duplicate")),
        ({"parents": tuple(bytes([place]) * 32 for place in range(9))}, (400, "encoding-malformed")),
        ({"parents": ()}, (400, "encoding-malformed")),
        ({"sequence": 2**63}, (400, "encoding-malformed")),
    ]
    for changes, expected in changed:
        forged = await ledger.make_transfer(ALICE, BOB.public_key, 5, **changes)
        cases[forged.encoded] = expected
    zero = await ledger.make_transfer(ALICE, BOB.public_key, 0)
    cases[zero.encoded] = (422, "transaction-invalid")
    for body, expected in cases.items():
        assert await http.refuse("POST", "/v1/transactions", data=body, headers=CBOR) == expected
    assert ledger.views == {}


async def test_a_low_order_key_never_signs(http: Http, ledger: LedgerDouble) -> None:
    good = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    low_order = PublicKey(bytes([1]) + bytes(31))
    forged = good.encoded.replace(bytes(ALICE.public_key), bytes(low_order))
    refusal = await http.refuse("POST", "/v1/transactions", data=forged, headers=CBOR)
    assert refusal == (422, "signature-invalid")
