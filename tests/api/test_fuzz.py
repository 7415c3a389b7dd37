"""Whatever a client sends to whatever route, it gets an answer or a problem with a code; never a 5xx."""

from typing import Any
from urllib.parse import quote

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tangle.api.registry import Route
from tangle.api.server import ROUTES
from tests.api.ledger_double import ALICE, LedgerDouble
from tests.api.serving import connect, serve

texts = st.one_of(
    st.text(max_size=20),
    st.binary(max_size=20).map(lambda data: data.hex()),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from([ALICE.public_key.hex(), "latest", "0", "1", "checkpointed", "true", "ab" * 32]),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["wait", "limit", "cursor", "after", "topics", "accounts", "shard", "first", "generation", "depth", "x"]
)
bodies = st.one_of(
    st.binary(max_size=200).map(lambda data: {"data": data, "headers": {"Content-Type": "application/cbor"}}),
    st.binary(max_size=200).map(lambda data: {"data": data, "headers": {"Content-Type": "application/json"}}),
    values.map(lambda value: {"json": value}),
    st.dictionaries(st.sampled_from(["issuer", "work", "worker", "sequence", "account"]), values).map(
        lambda value: {"json": value}
    ),
)
routes = st.sampled_from([route for route in ROUTES if route.path != "/v1/events" and route.method != "HEAD"])
pieces = st.lists(texts, min_size=2, max_size=2)
queries = st.dictionaries(names, texts, max_size=3)
requests = st.lists(
    st.tuples(routes, pieces, queries, bodies),
    min_size=1,
    max_size=20,
)


def fill(route: Route, pieces: list[str]) -> str:
    """The route's path with ``pieces`` in the places of its fields."""
    left = iter(pieces)
    return "/".join(
        quote(next(left), safe="") if part.startswith("{") else part for part in route.path.split("/")
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(requests)
def test_never_a_server_error(batch: list[tuple[Route, list[str], dict[str, str], dict[str, Any]]]) -> None:
    async def run() -> None:
        async with serve(LedgerDouble()) as addresses, connect(addresses.api) as http:
            for route, pieces, query, body in batch:
                options = body if route.method == "POST" else {}
                params = query | {"timeout_s": "0"} if "wait" in query else query
                status, answer, response = await http.ask(
                    route.method, fill(route, pieces), params=params, **options
                )
                assert status < 500, (route.path, pieces, query, answer)
                if status >= 400:
                    assert response.content_type == "application/problem+json"
                    assert answer["code"]

    anyio.run(run, backend="asyncio")
