"""Requests that no handler should see: each is a problem with a code of its own, and never a 500."""

import json
from typing import Any

import anyio
import pytest

from tangle.api.config import ApiConfig, RateLimit
from tangle.core.address import encode_address
from tests.api.ledger_double import ALICE, BOB, LedgerDouble
from tests.api.serving import Http, connect, serve

HEX = "ab" * 32
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/events/log?shard=null", (400, "request-invalid")),
        ("GET", "/v1/events/log?after=NULL", (400, "request-invalid")),
        ("GET", "/nowhere", (404, "route-unknown")),
        ("GET", "/v2/status", (404, "route-unknown")),
        ("GET", "/v1/transactions/", (404, "route-unknown")),
        ("GET", "/v1/../etc/passwd", (404, "route-unknown")),
        ("DELETE", "/v1/status", (405, "method-not-allowed")),
        ("POST", "/v1/status", (405, "method-not-allowed")),
        ("GET", "/v1/prepare", (405, "method-not-allowed")),
        ("HEAD", "/v1/events", (405, "method-not-allowed")),
        ("GET", "/v1/status?verbose=1", (400, "request-invalid")),
        ("GET", f"/v1/transactions/{HEX}", (404, "not-found")),
        ("GET", f"/v1/transactions/{HEX}0", (400, "request-invalid")),
        ("GET", "/v1/transactions/zz", (400, "request-invalid")),
        ("GET", "/v1/transactions/%ff%00", (400, "request-invalid")),
        ("GET", f"/v1/transactions/{HEX}?wait=soon", (400, "request-invalid")),
        ("GET", f"/v1/transactions/{HEX}?wait=ordered&timeout_s=61", (400, "request-invalid")),
        ("GET", f"/v1/transactions/{HEX}?wait=ordered&timeout_s=nan", (400, "request-invalid")),
        ("GET", f"/v1/transactions/{HEX}?wait=ordered&wait=ordered", (400, "request-invalid")),
        ("GET", f"/v1/transactions/{HEX}/neighbours?depth=4", (400, "request-invalid")),
        ("GET", "/v1/transactions?limit=501", (400, "request-invalid")),
        ("GET", "/v1/transactions?limit=-1", (400, "request-invalid")),
        ("GET", "/v1/transactions?limit=1.5", (400, "request-invalid")),
        ("GET", "/v1/accounts/nobody", (400, "address-invalid")),
        ("GET", "/v1/accounts/" + "1" * 4_000, (400, "address-invalid")),
        ("GET", "/v1/accounts/mst1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", None),
        ("GET", f"/v1/accounts/{HEX}?min_checkpoint=01", (400, "request-invalid")),
        ("GET", f"/v1/accounts/{HEX}?min_checkpoint=9223372036854775808", (400, "request-invalid")),
        ("GET", f"/v1/accounts/{HEX}/transactions?cursor=!", (400, "cursor-invalid")),
        ("GET", f"/v1/accounts/{HEX}/transactions?cursor=ggIB", (400, "cursor-invalid")),
        ("GET", f"/v1/accounts/{HEX}/transactions?limit=201", (400, "request-invalid")),
        ("GET", "/v1/checkpoints/0/99", (404, "not-found")),
        ("GET", "/v1/checkpoints/7/latest", (404, "not-found")),
        ("GET", "/v1/checkpoints/0/newest", (400, "request-invalid")),
        ("GET", "/v1/checkpoints/999/0", (400, "request-invalid")),
        ("GET", f"/v1/models/{HEX}", (404, "not-found")),
        ("GET", f"/v1/models/{HEX}/lineage?cursor=ggEB", (400, "cursor-invalid")),
        ("GET", "/v1/committee?shard=9", (404, "not-found")),
        ("GET", "/v1/events?topics=" + "a," * 64, (400, "request-invalid")),
        ("GET", "/v1/events?accounts=x", (400, "address-invalid")),
        ("GET", "/v1/events?after=99", (409, "event-ahead")),
        ("GET", "/v1/events/log?limit=1001", (400, "request-invalid")),
    ],
)
async def test_reads(http: Http, method: str, path: str, expected: tuple[int, str] | None) -> None:
    if method == "HEAD":
        status, _, response = await http.ask(method, path)
        assert (status, response.headers["Allow"]) == (405, "GET")
    elif expected is None:
        assert (await http.refuse(method, path))[0] == 400
    else:
        assert await http.refuse(method, path) == expected


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "json-malformed"),
        (b"{", "json-malformed"),
        (b"\xff\xfe", "json-malformed"),
        (b"[" * 5_000, None),
        (b"null", "request-invalid"),
        (b"{}", "request-invalid"),
        (b'{"issuer": 1}', "request-invalid"),
        (b'{"issuer": "x", "extra": 1}', "request-invalid"),
        (b'{"issuer": "x", "work": "yes"}', "request-invalid"),
        (b'{"issuer": "x", "sequence": 5}', "request-invalid"),
        (b'{"issuer": "x", "sequence": "-5"}', "request-invalid"),
        (b'{"issuer": "x"}', "address-invalid"),
        (b'{"issuer": "\\ud800"}', None),
    ],
)
async def test_json_bodies(http: Http, body: bytes, code: str | None) -> None:
    status, found = await http.refuse("POST", "/v1/prepare", data=body, headers=JSON)
    assert status == 400
    assert code is None or found == code


async def test_the_faulty_field_is_named(http: Http) -> None:
    _, answer, _ = await http.ask("POST", "/v1/prepare", json={"issuer": "x", "sequence": 5})
    assert [item["path"] for item in answer["errors"]] == ["$.sequence"]
    _, answer, _ = await http.ask("GET", "/v1/transactions?limit=no")
    assert [item["path"] for item in answer["errors"]] == ["limit"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/cbor"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "/"},
    ],
)
async def test_media_types(http: Http, headers: dict[str, str]) -> None:
    body = json.dumps({"issuer": ALICE.public_key.hex()}).encode()
    refusal = await http.refuse("POST", "/v1/prepare", data=body, headers=headers)
    assert refusal == (415, "media-type-unsupported")


async def test_an_unknown_expectation(http: Http) -> None:
    refusal = await http.refuse("GET", "/v1/status", headers={"Expect": "the-best"})
    assert refusal == (417, "expectation-unsupported")


async def test_oversize_bodies_stated_and_streamed(http: Http) -> None:
    body = b" " * 20_000
    assert await http.refuse("POST", "/v1/prepare", data=body, headers=JSON) == (413, "body-oversize")

    async def stream() -> Any:
        for _ in range(10):
            yield b" " * 4_000

    assert await http.refuse("POST", "/v1/prepare", data=stream(), headers=JSON) == (413, "body-oversize")


async def test_an_address_of_another_network(http: Http) -> None:
    address = encode_address("mst", BOB.public_key)
    assert await http.refuse("GET", f"/v1/accounts/{address}") == (400, "address-network")


async def test_a_programming_error_shows_nothing_of_the_inside(http: Http, ledger: LedgerDouble) -> None:
    def fail() -> Any:
        raise ZeroDivisionError("a secret")

    ledger.get_status = fail  # type: ignore[method-assign] # the fault that no client can cause
    status, answer, _ = await http.ask("GET", "/v1/status")
    assert (status, answer["code"]) == (500, "internal")
    assert "secret" not in json.dumps(answer)


async def test_an_answer_that_takes_too_long(ledger: LedgerDouble) -> None:
    async def sleep(*_: Any, **__: Any) -> Any:
        await anyio.sleep_forever()

    ledger.prepare = sleep  # type: ignore[method-assign] # a node that hangs
    config = ApiConfig(port=0, metrics_port=None, answer_timeout_s=0.01)
    async with serve(ledger, config) as addresses, connect(addresses.api) as http:
        refusal = await http.refuse("POST", "/v1/prepare", json={"issuer": HEX})
    assert refusal == (504, "timeout")


async def test_the_rate_limit_says_when_to_come_back(ledger: LedgerDouble) -> None:
    tight = RateLimit(burst=3, per_second=0.001)
    config = ApiConfig(port=0, metrics_port=None, loopback_limit=tight)
    async with serve(ledger, config) as addresses, connect(addresses.api) as http:
        left = [(await http.ask("GET", "/livez"))[2].headers["RateLimit"] for _ in range(3)]
        assert [field.split(";")[1] for field in left] == ["r=2", "r=1", "r=0"]
        status, answer, response = await http.ask("GET", "/livez")
    assert (status, answer["code"]) == (429, "rate-limited")
    assert int(response.headers["Retry-After"]) >= 1000


async def test_batches_pay_for_each_item(ledger: LedgerDouble) -> None:
    tight = RateLimit(burst=3, per_second=0.001)
    config = ApiConfig(port=0, metrics_port=None, loopback_limit=tight)
    async with serve(ledger, config) as addresses, connect(addresses.api) as http:
        refusal = await http.refuse(
            "POST",
            "/v1/transactions/batch",
            data=b"\x84\x40\x40\x40\x40",
            headers={"Content-Type": "application/cbor"},
        )
    assert refusal == (429, "rate-limited")
