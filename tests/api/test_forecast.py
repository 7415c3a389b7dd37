"""What the API tells of a transaction before it is sent."""

import pytest

from tests.api.ledger_double import ALICE, BOB, ENDOWMENT, LedgerDouble
from tests.api.serving import Http

PATH = "/v1/transactions/simulate"
CBOR = {"Content-Type": "application/cbor"}


async def test_fees_hold_longer_the_higher_they_are(http: Http, ledger: LedgerDouble) -> None:
    fees = await http.get("/v1/fees")
    assert [level["name"] for level in fees["levels"]] == ["now", "likely", "safe", "sure"]
    assert fees["price"] == str(ledger.price)
    assert {int(level["transfer_fee"]) for level in fees["levels"]} == {400 * ledger.price}


async def test_a_simulation_tells_the_fee_and_keeps_nothing(http: Http, ledger: LedgerDouble) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    in_cbor = await http.ask("POST", PATH, data=transaction.encoded, headers=CBOR)
    in_json = await http.ask("POST", PATH, json={"transaction": transaction.encoded.hex()})
    told = in_cbor[1]["data"]
    assert (in_cbor[0], in_json[1]["data"]) == (200, told)
    assert (told["would_apply"], told["reason"], told["known"]) == (True, None, None)
    assert int(told["balance_after"]) == ENDOWMENT - 5 - int(told["fee"])
    assert await http.refuse("GET", f"/v1/transactions/{told['id']}") == (404, "not-found")
    _, sent, _ = await http.ask("POST", "/v1/transactions", data=transaction.encoded, headers=CBOR)
    assert sent["data"]["is_new"]


@pytest.mark.parametrize(
    ("amount", "changes", "code"),
    [(ENDOWMENT, {}, "funds"), (1, {"sequence": 7}, "sequence"), (1, {"max_fee": 1}, "fee")],
)
async def test_a_simulation_tells_the_conflict(
    http: Http, ledger: LedgerDouble, amount: int, changes: dict[str, object], code: str
) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, amount, **changes)
    _, answer, _ = await http.ask("POST", PATH, data=transaction.encoded, headers=CBOR)
    assert (answer["data"]["would_apply"], answer["data"]["reason_code"]) == (False, code)
    assert answer["data"]["balance_after"] is None


async def test_a_simulation_refuses_what_a_submission_refuses(http: Http, ledger: LedgerDouble) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    forged = transaction.encoded[:-1] + bytes([transaction.encoded[-1] ^ 1])
    for path in (PATH, "/v1/transactions"):
        assert await http.refuse("POST", path, data=forged, headers=CBOR) == (422, "signature-invalid")
        assert await http.refuse("POST", path, data=b"\xff", headers=CBOR) == (400, "encoding-malformed")
        assert (await http.refuse("POST", path, json={"transaction": "zz"}))[0] == 400


async def test_what_is_known_already_is_told_so(http: Http, ledger: LedgerDouble) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    await ledger.submit((transaction.encoded,))
    _, answer, _ = await http.ask("POST", PATH, data=transaction.encoded, headers=CBOR)
    assert (answer["data"]["known"], answer["data"]["reason_code"]) == ("checkpointed", "sequence")
