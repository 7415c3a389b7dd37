"""The market's routes against the real market: prices, programs, jobs, their stories, and every refusal."""

from typing import Any

import pytest

from poi.market.operations import (
    CancelJob,
    OpenJob,
    Operation,
    RegisterProgram,
    SealAnswer,
    encode_operation,
)
from poi.market.problems import Packing, encode_problem
from poi.market.records import Inference, Optimisation
from tangle.core.blob_id import format_blob_id, make_blob_id
from tangle.core.signing import SigningKey
from tangle.core.transactions import MarketCall
from tangle.core.types import Digest, Grains, Milliseconds, TransactionId
from tests.api.ledger_double import ALICE, BOB, LedgerDouble
from tests.api.serving import Http

PROGRAM = Digest(b"p" * 32)
PACKAGE = make_blob_id(Digest(b"k" * 32))
REGISTER = RegisterProgram(PROGRAM, macs=10**6, steps=1_000, bytes_moved=5_000, package=PACKAGE)
INPUTS = (Digest(b"i" * 32),)
PROBLEM = encode_problem(Packing(10, (4, 6, 7)))


async def call(ledger: LedgerDouble, key: SigningKey, operation: Operation) -> TransactionId:
    """Have an operation ordered."""
    transaction = await ledger.make_transfer(
        key, key.public_key, 1, operation=MarketCall(encode_operation(operation))
    )
    (outcome,) = await ledger.submit((transaction.encoded,))
    assert outcome.error is None
    return transaction.id


def make_opening(ledger: LedgerDouble, task: Inference | Optimisation, **changes: int) -> OpenJob:
    """A job that can be paid."""
    now_ms = ledger.market.get_market().now_ms
    result_ms = 10_000 if isinstance(task, Inference) else 0
    numbers = {"price_limit": 10**6, "escrow": 10**8, "deadline_ms": now_ms + 60_000, "result_ms": result_ms}
    numbers |= changes
    return OpenJob(
        task,
        Grains(numbers["price_limit"]),
        Grains(numbers["escrow"]),
        Milliseconds(numbers["deadline_ms"]),
        Milliseconds(numbers["result_ms"]),
    )


async def register(ledger: LedgerDouble) -> None:
    """A program that jobs may run."""
    await call(ledger, ALICE, REGISTER)
    ledger.jobs.confirm(PROGRAM)


async def open_job(ledger: LedgerDouble, http: Http, task: Inference | Optimisation) -> dict[str, Any]:
    """A live job as the API tells it."""
    identity = await call(ledger, ALICE, make_opening(ledger, task))
    transaction = await http.get(f"/v1/transactions/{identity.hex()}")
    assert transaction["status"] == "checkpointed", transaction["reason"]
    job: dict[str, Any] = await http.get(f"/v1/jobs/{transaction['operation']['job']}")
    return job


async def test_the_market_tells_prices_and_rules(ledger: LedgerDouble, http: Http) -> None:
    market = await http.get("/v1/market")
    assert [price["kind"] for price in market["prices"]] == [
        "inference",
        "transformation",
        "optimisation",
        "training",
    ]
    assert market["prices"][0]["unit_price"] == "1000"
    assert market["rules"]["program_deposit"] == "1000000000"
    assert market["live_jobs"] == market["programs"] == market["workers"] == 0
    assert await http.get("/v1/workers") == []


async def test_programs_have_costs_and_prices_and_a_story(ledger: LedgerDouble, http: Http) -> None:
    await call(ledger, ALICE, REGISTER)
    path = f"/v1/programs/{PROGRAM.hex()}"
    program = await http.get(path)
    assert (program["macs"], program["is_confirmed"], program["is_in_use"]) == ("1000000", False, False)
    assert program["package"] == format_blob_id(PACKAGE)
    first = program["row_prices"][0]
    assert (first["kind"], first["level"], first["units"], first["price"]) == ("inference", 2, "18", "18000")
    ledger.jobs.confirm(PROGRAM)
    assert (await http.get(path))["is_confirmed"] is True
    names = [event["name"] for event in await http.get(f"{path}/events")]
    assert names == ["program-registered", "vote-counted", "program-confirmed"]
    await open_job(ledger, http, Inference(PROGRAM, INPUTS, 1, 3, INPUTS))
    assert (await http.get(path))["is_in_use"] is True


async def test_programs_are_listed_by_pages(ledger: LedgerDouble, http: Http) -> None:
    programs = [Digest(bytes([place]) * 32) for place in range(5)]
    for program in programs:
        await call(ledger, ALICE, RegisterProgram(program, 1, 1, 1, PACKAGE))
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        _, answer, _ = await http.ask("GET", f"/v1/programs?limit=2{more}")
        found += [item["program"] for item in answer["data"]]
        cursor = answer["meta"]["next_cursor"]
    assert found == [program.hex() for program in programs]
    for cursor in ("zz", "ab"):
        assert await http.refuse("GET", f"/v1/programs?cursor={cursor}") == (400, "cursor-invalid")


async def test_a_job_is_shown_listed_and_explained(ledger: LedgerDouble, http: Http) -> None:
    await register(ledger)
    job = await open_job(ledger, http, Inference(PROGRAM, INPUTS, 3, 3, INPUTS))
    assert (job["kind"], job["phase"], job["is_live"]) == ("inference", "waiting", True)
    assert job["task"] == {
        "of": "program",
        "program": PROGRAM.hex(),
        "rows": 3,
        "level": 3,
        "inputs": [{"tensor": INPUTS[0].hex(), "chunk_root": INPUTS[0].hex()}],
    }
    (event,) = await http.get(f"/v1/jobs/{job['id']}/events")
    assert event["name"] == "job-opened"
    assert len(event["transaction"]) == 64
    story = await http.get(f"/v1/jobs/{job['id']}/explain")
    assert "inference job" in story["title"]
    assert "It is waiting" in story["summary"]
    assert "A worker is drawn" in story["outlook"]
    await call(ledger, ALICE, CancelJob(Digest(bytes.fromhex(job["id"]))))
    ended = await http.get(f"/v1/jobs/{job['id']}")
    assert (ended["phase"], ended["is_live"], ended["refunded"]) == ("cancelled", False, "100000000")
    story = await http.get(f"/v1/jobs/{job['id']}/explain")
    assert story["outlook"] is None
    assert story["money"] == ["0.1 MST went back to the customer"]
    assert "the customer took it back" in story["lines"][-1]["text"]


async def test_jobs_are_filtered_and_paged(ledger: LedgerDouble, http: Http) -> None:
    await register(ledger)
    opened = [(await open_job(ledger, http, Optimisation(PROBLEM)))["id"] for _ in range(3)]
    run = (await open_job(ledger, http, Inference(PROGRAM, INPUTS, 1, 2, INPUTS)))["id"]
    await call(ledger, ALICE, CancelJob(Digest(bytes.fromhex(opened[0]))))
    await call(ledger, ALICE, SealAnswer(Digest(bytes.fromhex(opened[1])), Digest(b"s" * 32)))
    alice, bob = ALICE.public_key.hex(), BOB.public_key.hex()
    for query, wanted in (
        ("", [run, *opened[::-1]]),
        ("?kind=optimisation", opened[::-1]),
        ("?kind=optimisation&live=true", opened[:0:-1]),
        ("?phase=cancelled", opened[:1]),
        ("?phase=waiting", [run]),
        (f"?customer={alice}&limit=2", [run, opened[2]]),
        (f"?customer={bob}", []),
        (f"?worker={alice}", [opened[1]]),
    ):
        assert [job["id"] for job in await http.get(f"/v1/jobs{query}")] == wanted, query
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        _, answer, _ = await http.ask("GET", f"/v1/jobs?limit=3{more}")
        found += [item["id"] for item in answer["data"]]
        cursor = answer["meta"]["next_cursor"]
    assert found == [run, *opened[::-1]]


async def test_a_price_is_known_before_anything_is_ordered(ledger: LedgerDouble, http: Http) -> None:
    await register(ledger)
    body = {"kind": "inference", "program": PROGRAM.hex(), "rows": 10, "level": 2}
    _, answer, _ = await http.ask("POST", "/v1/quote", json=body)
    quote = answer["data"]
    assert (quote["units"], quote["price"]) == ("166", "166000")
    assert int(quote["suggested_escrow"]) == 2 * 166_000
    assert int(quote["worker_bond"]) == 2 * 166_000
    body = {"kind": "optimisation", "problem": PROBLEM.hex()}
    _, answer, _ = await http.ask("POST", "/v1/quote", json=body)
    assert (answer["data"]["units"], answer["data"]["worker_bond"]) == ("2", "0")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "inference", "program": "77" * 32}, "job-task-invalid"),
        ({"kind": "inference"}, "job-task-invalid"),
        ({"kind": "inference", "program": PROGRAM.hex(), "level": 4}, "job-level"),
        ({"kind": "inference", "program": PROGRAM.hex(), "rows": 1_025}, "job-task-invalid"),
        ({"kind": "inference", "program": PROGRAM.hex(), "rows": 0}, "request-invalid"),
        ({"kind": "optimisation", "problem": "00"}, "problem-invalid"),
        ({"kind": "training", "parameters": "00"}, "job-task-invalid"),
        ({"kind": "painting"}, "request-invalid"),
    ],
)
async def test_what_nobody_could_order_has_no_price(
    ledger: LedgerDouble, http: Http, body: dict[str, Any], code: str
) -> None:
    await register(ledger)
    status, found = await http.refuse("POST", "/v1/quote", json=body)
    assert (found, status) == (code, 400 if code == "request-invalid" else 422)


async def test_an_operation_is_tried_before_it_is_signed(ledger: LedgerDouble, http: Http) -> None:
    alice = ALICE.public_key.hex()

    async def refuse(operation: Operation, issuer: str = alice) -> tuple[int, str]:
        body = {"issuer": issuer, "operation": encode_operation(operation).hex()}
        return await http.refuse("POST", "/v1/prepare", json=body)

    task = Inference(PROGRAM, INPUTS, 1, 3, INPUTS)
    assert await refuse(make_opening(ledger, task)) == (422, "program-unknown")
    assert await refuse(REGISTER, BOB.public_key.hex()) == (422, "market-funds")
    await call(ledger, ALICE, REGISTER)
    assert await refuse(make_opening(ledger, task)) == (422, "program-unconfirmed")
    ledger.jobs.confirm(PROGRAM)
    assert await refuse(make_opening(ledger, task, escrow=1)) == (422, "job-unfunded")
    assert await refuse(make_opening(ledger, task, price_limit=1)) == (422, "job-price")
    assert await refuse(CancelJob(PROGRAM)) == (422, "job-not-live")
    held = ledger.market.get_market().held
    body: dict[str, Any] = {
        "issuer": alice,
        "operation": encode_operation(make_opening(ledger, task)).hex(),
    }
    status, answer, _ = await http.ask("POST", "/v1/prepare", json=body)
    assert status == 200
    plain, without, _ = await http.ask("POST", "/v1/prepare", json={"issuer": alice})
    assert plain == 200
    assert int(answer["data"]["suggested_max_fee"]) > int(without["data"]["suggested_max_fee"])
    assert ledger.market.get_market().held == held, "trying moves nothing"
    body = {"issuer": alice, "operation": encode_operation(CancelJob(PROGRAM)).hex(), "is_tried": False}
    assert (await http.ask("POST", "/v1/prepare", json=body))[0] == 200
    body["operation"] = "8100"
    assert await http.refuse("POST", "/v1/prepare", json=body) == (400, "encoding-malformed")


async def test_a_refused_operation_is_a_conflict_with_the_markets_code(
    ledger: LedgerDouble, http: Http
) -> None:
    identity = await call(ledger, ALICE, CancelJob(PROGRAM))
    answer = await http.get(f"/v1/transactions/{identity.hex()}")
    assert (answer["status"], answer["reason_code"], answer["fee"]) == ("conflicting", "job-not-live", "0")
    assert answer["operation"]["kind"] == "market"
    assert answer["operation"]["name"] == "cancel-job"
    assert answer["operation"]["job"] == PROGRAM.hex()


async def test_what_is_not_there_is_said(http: Http) -> None:
    for path in (
        f"/v1/jobs/{'0' * 64}",
        f"/v1/jobs/{'0' * 64}/events",
        f"/v1/jobs/{'0' * 64}/explain",
        f"/v1/programs/{'0' * 64}",
        f"/v1/programs/{'0' * 64}/events",
    ):
        assert await http.refuse("GET", path) == (404, "not-found")
    for path in ("/v1/jobs?phase=asleep", "/v1/jobs?limit=0", "/v1/jobs/ab", "/v1/programs/ab"):
        assert await http.refuse("GET", path) == (400, "request-invalid")
    assert await http.refuse("GET", "/v1/jobs?customer=nobody") == (400, "address-invalid")
    assert await http.refuse("GET", "/v1/jobs?cursor=x") == (400, "cursor-invalid")
