"""Web pages of other origins: none may use the API unless its operator names their origin.

Without ``cors_origins`` no answer carries a field that would let a browser show it to another page, and no
preflight succeeds. Source: Fetch Standard, section 3.2.
"""

from collections.abc import Collection
from typing import Final

from aiohttp import web

from tangle.api.errors import OriginRefused

ASKS_FOR: Final = "Access-Control-Request-Method"
"""What makes an ``OPTIONS`` request a preflight."""

ALLOWED: Final = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": "Accept, Content-Type, Idempotency-Key, Last-Event-ID",
    "Access-Control-Max-Age": "600",
}
"""What pages may do: nothing that changes the node's disk."""


def is_preflight(request: web.BaseRequest) -> bool:
    """Whether a browser asks on behalf of a page before it sends the request itself."""
    return request.method == "OPTIONS" and ASKS_FOR in request.headers and "Origin" in request.headers


def answer_preflight(request: web.BaseRequest, origins: Collection[str]) -> web.Response:
    """Tell a browser what pages of an origin may do.

    :raises OriginRefused: nothing.
    """
    if request.headers["Origin"] not in origins:
        raise OriginRefused(request.headers["Origin"])
    return web.Response(status=204, headers=ALLOWED)


def make_origin_fields(request: web.BaseRequest, origins: Collection[str]) -> dict[str, str]:
    """Header fields that let a browser show an answer to the page that asked; none for other origins."""
    if not origins:
        return {}
    origin = request.headers.get("Origin", "")
    if origin not in origins:
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "RateLimit, RateLimit-Policy, Retry-After",
    }
