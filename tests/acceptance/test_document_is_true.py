"""Thousands of requests made from the OpenAPI document against a real node: each answer is one that it names.

schemathesis invents the requests, within the document and against it; half of those within it ask for things
that exist. What a node answers is compared with what the document says of that operation: status, type,
header fields and content; and what breaks the document must be refused.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import anyio
import cbor2
import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tangle.api.registry import CBOR, EVENT_STREAM, JSON
from tangle.client.client import TangleClient
from tangle.core.address import encode_address
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transfer
from tangle.core.types import Grains
from tests.acceptance.support import NetworkUnderTest

CASES_MIN: Final = 5_000
"""Requests that an API is held to survive here."""

CASES_EACH: Final = 110
"""Requests of an operation within the document, and as many against it."""

ANSWER_TIMEOUT_S: Final = 30.0
"""For one answer; a node that thinks longer has hung."""

ALICE, BOB = SigningKey(b"a" * 32), SigningKey(b"b" * 32)

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]

FAILURE_LENGTH_MAX: Final = 3_000
"""Characters told of one operation's first failure."""

Operation = schemathesis.APIOperation[Any, Any, Any, Any]
Case = schemathesis.Case[Any]

Known = dict[str, str]
"""Values of path fields that exist, by the path's beginning and the field's name."""


@schemathesis.serializer(CBOR)
def write_cbor(_: object, value: object) -> bytes:
    """A CBOR body, of which the document says no more than its type."""
    return value if isinstance(value, bytes) else cbor2.dumps(value)


@schemathesis.deserializer(CBOR)
def read_cbor(_: object, response: schemathesis.Response) -> object:
    """A CBOR answer."""
    return cbor2.loads(response.content)


async def make_history(network: NetworkUnderTest) -> Known:
    """Let things happen on the node, and say what they are called."""
    (node,) = network.nodes
    await node.wait_ready()
    async with TangleClient(node.url) as client:
        await client.wait_transaction(await client.request_faucet(ALICE.public_key))
        sent = await client.send(ALICE, Transfer(BOB.public_key, Grains(5)))
        (model, *_) = await client.get_models()
        kept = await client.put_blob(b"content")
    prefix = network.genesis.parameters.address_prefix.decode()
    return {
        "/v1/transactions id": sent.id.hex(),
        "/v1/accounts address": encode_address(prefix, ALICE.public_key),
        "/v1/models job": model.job.hex(),
        "/v1/checkpoints shard": "0",
        "/v1/checkpoints index": "1",
        "/v1/blobs id": kept.id,
    }


def name_known(case: Case, known: Known) -> None:
    """Let the request ask for what exists."""
    beginning = "/".join(case.operation.path.split("/")[:3])
    for name in case.path_parameters or {}:
        value = known.get(f"{beginning} {name}")
        if value is not None:
            case.path_parameters[name] = value


def shorten_wait(case: Case) -> None:
    """Nobody waits a minute for what will not come."""
    if any(item.name == "timeout_s" for item in case.operation.query):
        stated = (case.query or {}).get("timeout_s")
        if stated is None or (isinstance(stated, int | float) and 0 <= stated <= 60):
            case.query = {**(case.query or {}), "timeout_s": 0}


class Examiner:
    """Asks one node, and holds each answer against the document."""

    def __init__(self, url: str, known: Known) -> None:
        self.answers: Counter[int] = Counter()
        self.url = url
        self._known = known

    def examine(self, operation: Operation, mode: GenerationMode) -> None:
        """Make requests of one operation, within the document or against it."""

        @hypothesis.settings(
            max_examples=CASES_EACH,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(operation.as_strategy(mode), st.booleans(), st.sampled_from([JSON, CBOR, "*/*"]))
        def check(case: Case, is_known: bool, accept: str) -> None:
            if is_known and mode is GenerationMode.POSITIVE:
                name_known(case, self._known)
            shorten_wait(case)
            self._ask(case, accept)

        try:
            check()
        except Unsatisfiable:  # without fields that could be wrong nothing breaks the document
            assert mode is GenerationMode.NEGATIVE, operation.label

    def _ask(self, case: Case, accept: str) -> None:
        statuses = case.operation.definition.raw["responses"]
        if EVENT_STREAM in statuses.get("200", {}).get("content", {}):
            options = case.as_transport_kwargs(base_url=self.url)
            with requests.request(**options, stream=True, timeout=ANSWER_TIMEOUT_S) as stream:
                self.answers[stream.status_code] += 1
                assert str(stream.status_code) in statuses, stream.text
            return
        response = case.call(base_url=self.url, headers={"Accept": accept}, timeout=ANSWER_TIMEOUT_S)
        self.answers[response.status_code] += 1
        # The document's ``default`` is for clients older than the node; here every status has a name.
        assert str(response.status_code) in statuses, f"{case.as_curl_command()} {response.content[:300]!r}"
        case.validate_response(response, checks=CHECKS)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_answer_is_one_that_the_document_names(
    one_node: NetworkUnderTest, record_property: Callable[[str, object], None]
) -> None:
    known = anyio.run(make_history, one_node)
    examiner = Examiner(one_node.urls[0], known)
    failures: list[str] = []
    for found in schemathesis.openapi.from_url(f"{examiner.url}/v1/openapi.json").get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for mode in GenerationMode:
            try:
                examiner.examine(operation, mode)
            except (Exception, FailureGroup) as error:
                failures.append(
                    f"{operation.label} {mode}: {error!r} {getattr(error, 'exceptions', '')}"[
                        :FAILURE_LENGTH_MAX
                    ]
                )
    answers = examiner.answers
    record_property("requests", answers.total())
    record_property("answers by status", dict(sorted(answers.items())))
    assert not failures, "\n\n".join(failures)
    assert answers.total() >= CASES_MIN
    assert "Traceback" not in one_node.nodes[0].read_log()
