"""docs/openapi.json is what the routes declare, and every refusal that a route makes is in it."""

import re
from typing import Any

import cbor2
import msgspec
import pytest

from tangle.api.accepting import prefers
from tangle.api.openapi import REFUSALS, list_refusals, make_openapi
from tangle.api.problems import PROBLEM_STATUS
from tangle.api.registry import CBOR, JSON
from tangle.api.server import ROUTES
from tests.api.ledger_double import ALICE, BOB, LedgerDouble
from tests.api.serving import Http
from tools.make_openapi import COMMAND, PATH, make_document


def test_the_committed_document_is_current() -> None:
    assert PATH.read_text(encoding="utf-8") == make_document(), f"run: {COMMAND}"


def test_every_status_of_a_problem_is_described() -> None:
    # 500 is a fault of this program, 405 and 417 concern no operation of the document.
    assert set(map(int, PROBLEM_STATUS.values())) - set(REFUSALS) == {500, 405, 417}


def test_every_reference_of_the_document_resolves() -> None:
    document = make_openapi(ROUTES, "1")
    for reference in re.findall(r'"\$ref":"(#[^"]+)"', msgspec.json.encode(document).decode()):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_each_route_tells_its_refusals_and_its_forms(route: Any) -> None:
    operation = make_openapi(ROUTES, "1")["paths"][route.path][route.method.lower()]
    statuses = {int(status) for status in operation["responses"] if status != "default"}
    assert statuses == {*route.statuses, *list_refusals(route)}
    content = operation["responses"][str(route.statuses[0])]["content"]
    assert (CBOR in content) == (CBOR in route.media_types or route.answer is not None)


@pytest.mark.parametrize(
    ("accept", "is_cbor"),
    [
        ("", False),
        ("*/*", False),
        (CBOR, True),
        (CBOR.upper(), True),
        (f"{CBOR};q=0", False),
        (f"{CBOR};q=x", False),
        (f"{CBOR};q=nan", False),
        (f"{JSON}, {CBOR};q=0.5", False),
        (f"{JSON};q=0.5, {CBOR}", True),
        (f"{JSON}, {CBOR}", False),
        (f"{CBOR}, {JSON}", True),
        (", ;" * 1_000 + CBOR, False),
    ],
)
def test_the_form_of_an_answer_follows_accept(accept: str, is_cbor: bool) -> None:
    assert prefers(accept, CBOR, JSON) is is_cbor


def widen(value: Any) -> Any:
    """What CBOR carries as numbers and bytes, as JSON writes it."""
    match value:
        case dict():
            return {name: widen(item) for name, item in value.items()}
        case list():
            return [widen(item) for item in value]
        case bytes():
            return value.hex()
        case bool() | None | float():
            return value
        case int():
            return str(value)
        case _:
            return value


async def test_every_json_answer_is_there_in_cbor_too(http: Http, ledger: LedgerDouble) -> None:
    transfer = await ledger.make_transfer(ALICE, BOB.public_key, 5)
    await ledger.submit((transfer.encoded,))
    account = f"/v1/accounts/{ALICE.public_key.hex()}"
    for path in ("/v1/status", "/v1/transactions", "/v1/models", "/v1/committee", account):
        _, told, _ = await http.ask("GET", path)
        status, content, response = await http.ask("GET", path, headers={"Accept": CBOR})
        assert (status, response.content_type) == (200, CBOR)
        found = cbor2.loads(content)
        assert widen(found) == widen(told)
        assert found["meta"]["chain"] == ledger.chain


async def test_a_refusal_is_a_problem_whatever_is_accepted(http: Http) -> None:
    refusal = await http.refuse("GET", "/v1/transactions/" + "00" * 32, headers={"Accept": CBOR})
    assert refusal == (404, "not-found")
