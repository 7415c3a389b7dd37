"""Idempotency keys: a request that is sent again gets the first answer and does nothing."""

import anyio
import pytest

from tangle.api import keyed_answers
from tests.api.ledger_double import ALICE, BOB, PORTION, LedgerDouble
from tests.api.serving import Http

PATH = "/v1/faucet"


async def ask(http: Http, key: str, account: bytes = BOB.public_key) -> tuple[int, str]:
    """Status, and id or code."""
    status, answer, _ = await http.ask(
        "POST", PATH, json={"account": account.hex()}, headers={"Idempotency-Key": key}
    )
    return status, answer["data"]["id"] if status == 202 else answer["code"]


async def test_the_same_key_pays_once(http: Http, ledger: LedgerDouble) -> None:
    first = await ask(http, "one")
    assert await ask(http, "one") == first
    assert first[0] == 202
    assert ledger.balances[BOB.public_key] == PORTION
    assert await ask(http, "two") != first
    assert ledger.balances[BOB.public_key] == 2 * PORTION


async def test_a_key_belongs_to_one_request(http: Http, ledger: LedgerDouble) -> None:
    await ask(http, "one")
    assert await ask(http, "one", ALICE.public_key) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["", "with space", "x" * 129, "\xe4"])
async def test_what_is_no_key_is_refused(http: Http, ledger: LedgerDouble, key: str) -> None:
    assert await ask(http, key) == (400, "request-invalid")
    assert BOB.public_key not in ledger.balances


async def test_a_key_whose_first_request_runs_is_busy_and_free_again_after_a_fault(
    http: Http, ledger: LedgerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = anyio.Event(), anyio.Event()
    submit = ledger.submit

    async def submit_slowly(items: tuple[bytes, ...]) -> object:
        begun.set()
        await go_on.wait()
        return await submit(items)

    monkeypatch.setattr(ledger, "submit", submit_slowly)
    answers: list[tuple[int, str]] = []

    async def ask_first() -> None:
        answers.append(await ask(http, "one"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask_first)
        await begun.wait()
        assert await ask(http, "one") == (409, "idempotency-key-busy")
        go_on.set()
    assert await ask(http, "one") == answers[0]
    monkeypatch.setattr(ledger, "has_faucet", False)
    assert await ask(http, "other") == (404, "faucet-absent")
    monkeypatch.setattr(ledger, "has_faucet", True)
    assert (await ask(http, "other"))[0] == 202


async def test_old_answers_make_room(
    http: Http, ledger: LedgerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed_answers, "KEPT_MAX", 2)
    first = await ask(http, "one")
    await ask(http, "two")
    await ask(http, "three")
    assert await ask(http, "one") != first
