"""The OpenAPI 3.1 document, generated from the declarations that also drive the router."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tangle.api.problems import PROBLEM_TYPE
from tangle.api.registry import CBOR, JSON, OCTETS, BodyRule, Route
from tangle.api.routes_admin import TAG
from tangle.api.schemas.common import AnswerMeta, Problem
from tangle.api.wire import get_value_schema

OPENAPI_VERSION: Final = "3.1.0"
"""Version of the document's own format."""

_REFERENCE: Final = "#/components/schemas/{name}"
_BINARY: Final[dict[str, Any]] = {}
"""Schema of raw bytes: in OpenAPI 3.1 the media type says all."""

_REFUSED: Final = "#/components/responses/Refused{status}"

REFUSALS: Final = {
    400: "A field of path, query or body is missing, unknown or not of its form.",
    401: "The operator's token is missing or wrong.",
    403: "Only for clients on the node's own machine.",
    404: "There is no such thing here.",
    408: "The body did not arrive in time.",
    409: "Not in this state, or not yet.",
    410: "This node has let that history go; another may hold it.",
    413: "The body is over this route's limit.",
    415: "The body is of a type that this route does not read.",
    416: "The range lies behind the end.",
    422: "A rule of the ledger refuses it.",
    429: "Too much at once; ask again after `Retry-After` seconds.",
    502: "A shard's process ended, or answered nonsense; only a node of several shards says so.",
    503: "The node is not ready, or is stopping.",
    504: "The node did not answer in time.",
    507: "No room on the node's disk.",
}
"""What a refusal means, by HTTP status; each is a problem document whose `code` says more."""


def make_openapi(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """Describe ``routes``.

    :param version: version of the program.
    """
    kinds = _collect_kinds(routes)
    schemas, components = msgspec.json.schema_components(
        kinds, schema_hook=get_value_schema, ref_template=_REFERENCE
    )
    by_kind = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _describe(route, by_kind, components)
    kept = {name: schema for name, schema in components.items() if not name.endswith("Inputs")}
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Tangle node",
            "version": version,
            "description": "A node of a DAG ledger that learns. 64-bit numbers are decimal strings, hashes "
            "are lower-case hex, accounts are bech32m addresses. `Accept: application/cbor` gets the same "
            "answers in CBOR, with numbers as integers and hashes as bytes, where a route does not say "
            "otherwise. Every refusal is an RFC 9457 problem with a stable `code`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {"schemas": kept, "responses": _describe_refusals(by_kind)},
    }


def list_refusals(route: Route) -> tuple[int, ...]:
    """HTTP statuses with which ``route`` may refuse."""
    names = set(route.inputs.__struct_fields__)
    expected = {400, 429, 502, 503, *route.refusals}
    if route.tag == TAG:
        expected.add(401)
    if "{" in route.path or "shard" in names:
        expected |= {404, 410}
    if "timeout_s" in names:
        expected.add(409)
    if route.body is not None:
        expected |= {408, 413, 415, 422}
    if not route.is_long or route.body is not None:
        expected.add(504)
    return tuple(sorted(expected))


def _describe_refusals(by_kind: dict[Any, Any]) -> dict[str, Any]:
    content = {PROBLEM_TYPE: {"schema": by_kind[Problem]}}
    described: dict[str, Any] = {}
    for status, meaning in REFUSALS.items():
        response: dict[str, Any] = {"description": meaning, "content": content}
        if status == 429:
            response["headers"] = {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}}}
        described[f"Refused{status}"] = response
    return described


def _collect_kinds(routes: Sequence[Route]) -> tuple[Any, ...]:
    kinds: dict[Any, None] = {Problem: None, AnswerMeta: None}
    for route in routes:
        kinds[route.inputs] = None
        if route.answer is not None:
            kinds[route.answer] = None
        if route.body is not None and route.body.json is not None:
            kinds[route.body.json] = None
    return tuple(kinds)


def _describe(route: Route, by_kind: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    first, _, rest = route.summary.partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "tags": [route.tag],
        "summary": " ".join(first.split()),
        "parameters": _describe_parameters(route, components),
        "responses": _describe_responses(route, by_kind),
    }
    if rest:
        operation["description"] = " ".join(rest.split())
    if route.body is not None:
        operation["requestBody"] = _describe_body(route.body, by_kind)
    return operation


def _describe_parameters(route: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    record = components[route.inputs.__name__]
    parameters = []
    for name, schema in record["properties"].items():
        in_path = f"{{{name}}}" in route.path
        parameters.append(
            {
                "name": name,
                "in": "path" if in_path else "query",
                "required": in_path or name in record.get("required", ()),
                "schema": _drop_null(schema),
            }
        )
    return parameters


def _drop_null(schema: dict[str, Any]) -> dict[str, Any]:
    # A query field is absent, never null.
    kept = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    if "anyOf" in kept:
        choices = [choice for choice in kept.pop("anyOf") if choice != {"type": "null"}]
        kept |= choices[0] if len(choices) == 1 else {"anyOf": choices}
    if "enum" in kept:
        kept["enum"] = [value for value in kept["enum"] if value is not None]
    return kept


def _describe_body(rule: BodyRule, by_kind: dict[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if rule.json is not None:
        content[JSON] = {"schema": by_kind[rule.json]}
    if rule.is_cbor or rule.is_stream:
        content[CBOR if rule.is_cbor else OCTETS] = {"schema": _BINARY}
    return {"required": True, "description": f"At most {rule.limit} bytes.", "content": content}


def _describe_responses(route: Route, by_kind: dict[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.answer is not None:
        content[JSON] = {
            "schema": {
                "type": "object",
                "properties": {"data": by_kind[route.answer], "meta": by_kind[AnswerMeta]},
                "required": ["data", "meta"],
            }
        }
    others = (*route.media_types, CBOR) if route.is_translated else route.media_types
    for media_type in others:
        content[media_type] = {"schema": _BINARY}
    responses: dict[str, Any] = {
        str(status): {"description": _get_first_line(route), "content": content} for status in route.statuses
    }
    for status in list_refusals(route):
        responses[str(status)] = {"$ref": _REFUSED.format(status=status)}
    refused = {PROBLEM_TYPE: {"schema": by_kind[Problem]}}
    responses["default"] = {"description": "Refused; `code` says why.", "content": refused}
    return responses


def _get_first_line(route: Route) -> str:
    return " ".join(route.summary.partition("\n\n")[0].split())
