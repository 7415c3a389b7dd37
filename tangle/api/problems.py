"""Problem documents (RFC 9457): the one place where faults become HTTP answers."""

import math
from http import HTTPStatus
from typing import Final

from aiohttp import web

from tangle.api.errors import InvalidRequest, MethodNotAllowed, NotReady, RangeUnsatisfiable, TokenRequired
from tangle.api.schemas.common import Problem, ProblemItem
from tangle.api.wire import encode_json
from tangle.core.errors import TangleError

PROBLEM_TYPE: Final = "application/problem+json"
"""Media type of every refusal."""

DETAIL_LENGTH_MAX: Final = 1_000
"""Longest detail in characters: a hostile value that is quoted back stays short."""

DEFAULT_STATUS: Final = HTTPStatus.UNPROCESSABLE_ENTITY
"""A rule of the ledger refused the request: every code that is not in the table."""

PROBLEM_STATUS: Final = {
    "address-invalid": HTTPStatus.BAD_REQUEST,
    "address-network": HTTPStatus.BAD_REQUEST,
    "batch-oversize": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "body-malformed": HTTPStatus.BAD_REQUEST,
    "body-oversize": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "blob-damaged": HTTPStatus.CONFLICT,
    "blob-id-malformed": HTTPStatus.BAD_REQUEST,
    "blob-id-unsupported": HTTPStatus.BAD_REQUEST,
    "blob-oversize": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "blob-quota-reached": HTTPStatus.INSUFFICIENT_STORAGE,
    "blob-storage-failed": HTTPStatus.INSUFFICIENT_STORAGE,
    "blob-unavailable": HTTPStatus.CONFLICT,
    "blob-unknown": HTTPStatus.NOT_FOUND,
    "body-timeout": HTTPStatus.REQUEST_TIMEOUT,
    "cursor-invalid": HTTPStatus.BAD_REQUEST,
    "disk-low": HTTPStatus.SERVICE_UNAVAILABLE,
    "encoding-malformed": HTTPStatus.BAD_REQUEST,
    "encoding-oversize": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "event-ahead": HTTPStatus.CONFLICT,
    "ack-ahead": HTTPStatus.CONFLICT,
    "expectation-unsupported": HTTPStatus.EXPECTATION_FAILED,
    "faucet-absent": HTTPStatus.NOT_FOUND,
    "idempotency-key-busy": HTTPStatus.CONFLICT,
    "idempotency-key-reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "history-pruned": HTTPStatus.GONE,
    "http-malformed": HTTPStatus.BAD_REQUEST,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
    "json-malformed": HTTPStatus.BAD_REQUEST,
    "media-type-unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "method-not-allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "node-stopping": HTTPStatus.SERVICE_UNAVAILABLE,
    "not-found": HTTPStatus.NOT_FOUND,
    "not-ready": HTTPStatus.SERVICE_UNAVAILABLE,
    "operator-only": HTTPStatus.FORBIDDEN,
    "origin-refused": HTTPStatus.FORBIDDEN,
    "overloaded": HTTPStatus.TOO_MANY_REQUESTS,
    "program-absent": HTTPStatus.SERVICE_UNAVAILABLE,
    "range-unsatisfiable": HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    "rate-limited": HTTPStatus.TOO_MANY_REQUESTS,
    "replica-not-offered": HTTPStatus.CONFLICT,
    "replica-taken": HTTPStatus.CONFLICT,
    "replicas-disagree": HTTPStatus.CONFLICT,
    "replicas-silent": HTTPStatus.SERVICE_UNAVAILABLE,
    "replicas-withheld": HTTPStatus.CONFLICT,
    "request-invalid": HTTPStatus.BAD_REQUEST,
    "route-unknown": HTTPStatus.NOT_FOUND,
    "shard-answer": HTTPStatus.BAD_GATEWAY,
    "shard-down": HTTPStatus.SERVICE_UNAVAILABLE,
    "shard-lost": HTTPStatus.BAD_GATEWAY,
    "shard-not-served": HTTPStatus.NOT_FOUND,
    "token-required": HTTPStatus.UNAUTHORIZED,
    "timeout": HTTPStatus.GATEWAY_TIMEOUT,
    "wait-timeout": HTTPStatus.CONFLICT,
    "waits-exhausted": HTTPStatus.TOO_MANY_REQUESTS,
}
"""HTTP status by code. A wait that was not fulfilled is no fault of the node: the state is not there yet."""


UNREAD_STATUSES: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE}
)
"""Refusals that come before the whole body was read; the connection ends with them."""


def get_status(error: TangleError) -> HTTPStatus:
    """HTTP status of a fault."""
    return PROBLEM_STATUS.get(error.code, DEFAULT_STATUS)


def make_problem(error: TangleError, instance: str) -> Problem:
    """The problem document of a fault.

    :param instance: path of the request.
    """
    items: tuple[ProblemItem, ...] = ()
    if isinstance(error, InvalidRequest | NotReady):
        items = tuple(ProblemItem(_clean(item.path), _clean(item.message)) for item in error.items)
    return Problem(
        type=f"urn:tangle:problem:{error.code}",
        title=error.code.replace("-", " ").capitalize(),
        status=get_status(error),
        detail=_clean(str(error)),
        instance=_clean(instance),
        code=error.code,
        errors=items,
        retry_after_s=get_retry_after_s(error),
    )


def get_retry_after_s(error: TangleError) -> float | None:
    """Seconds after which the same request may succeed, where the fault knows."""
    found = getattr(error, "retry_after_s", None)
    return float(found) if isinstance(found, int | float) else None


def make_problem_response(error: TangleError, instance: str) -> web.Response:
    """The HTTP answer to a fault, with ``Retry-After`` and ``Allow`` where they belong."""
    problem = make_problem(error, instance)
    headers = {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(problem.retry_after_s)))
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, TokenRequired):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RangeUnsatisfiable):
        headers["Content-Range"] = f"bytes */{error.size}"
    response = web.Response(
        status=problem.status, body=encode_json(problem), content_type=PROBLEM_TYPE, headers=headers
    )
    if problem.status in UNREAD_STATUSES:
        response.force_close()  # the rest of the body is not worth reading
    return response


def _clean(text: str) -> str:
    # Hostile header and path bytes arrive as lone surrogates, which have no UTF-8 form.
    return text[:DETAIL_LENGTH_MAX].encode("utf-8", "replace").decode()
