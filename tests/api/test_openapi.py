"""The OpenAPI document: valid, complete, and true to the answers."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import validate

from tangle.api.openapi import make_openapi
from tangle.api.server import ROUTES
from tangle.api.wire import HexBytes, HexDigest, Quantity, SignedQuantity, decode_json, encode_json
from tests.api.serving import Http


async def test_the_document_is_valid_and_names_every_route(http: Http) -> None:
    _, document, _ = await http.ask("GET", "/v1/openapi.json")
    validate(document)
    described = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }
    assert described == {(route.method, route.path) for route in ROUTES}
    assert len(described) >= 25


def test_every_route_of_the_protocol_is_there() -> None:
    required = {
        "POST /v1/prepare",
        "POST /v1/transactions",
        "POST /v1/transactions/batch",
        "GET /v1/transactions/{id}",
        "GET /v1/transactions/{id}/proof",
        "GET /v1/transactions/{id}/neighbours",
        "GET /v1/accounts/{address}",
        "GET /v1/accounts/{address}/earnings",
        "GET /v1/accounts/{address}/transactions",
        "GET /v1/checkpoints/{shard}/latest",
        "GET /v1/checkpoints/{shard}/{index}",
        "GET /v1/models",
        "GET /v1/models/{job}",
        "GET /v1/models/{job}/weights",
        "GET /v1/models/{job}/lineage",
        "GET /v1/shards",
        "GET /v1/committee",
        "GET /v1/peers",
        "GET /v1/status",
        "GET /v1/events",
        "GET /livez",
        "GET /readyz",
    }
    assert required <= {f"{route.method} {route.path}" for route in ROUTES}


def test_operations_have_names_of_their_own_and_parameters_of_their_place() -> None:
    document = make_openapi(ROUTES, "1.2.3")
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for path, item in document["paths"].items():
        for operation in item.values():
            in_path = {part["name"] for part in operation["parameters"] if part["in"] == "path"}
            assert in_path == {piece[1:-1] for piece in path.split("/") if piece.startswith("{")}


Number = st.integers(0, 2**63 - 1)


@given(Number)
def test_numbers_travel_as_decimal_strings(value: int) -> None:
    assert encode_json(Quantity(value)) == b'"%d"' % value
    assert decode_json(Quantity, encode_json(Quantity(value))) == value
    assert decode_json(SignedQuantity, encode_json(SignedQuantity(-value))) == -value


@given(st.binary(max_size=40))
def test_bytes_travel_as_hex(value: bytes) -> None:
    assert decode_json(HexBytes, encode_json(HexBytes(value))) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Quantity, "-1"),
        (Quantity, "01"),
        (Quantity, "+1"),
        (Quantity, "1_000"),
        (Quantity, " 1"),
        (Quantity, ""),
        (Quantity, "9223372036854775808"),
        (Quantity, "\u0661"),
        (SignedQuantity, "-0"),
        (SignedQuantity, "-9223372036854775809"),
        (HexBytes, "abc"),
        (HexBytes, "zz"),
        (HexBytes, "a b "),
        (HexDigest, "ab" * 31),
    ],
)
def test_other_spellings_are_refused(kind: type, text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_json(kind, msgspec.json.encode(text))
