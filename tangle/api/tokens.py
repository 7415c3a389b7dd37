"""Who may pass the operator's door: clients that show its token. Source: RFC 6750, section 2.1."""

import hmac

from aiohttp import web

from tangle.api.errors import TokenRequired

SCHEME = "Bearer "
"""How the token stands in the ``Authorization`` field."""


def check_token(request: web.BaseRequest, token: str) -> None:
    """Let a request pass.

    :raises TokenRequired: it shows no token, or another one; the time it takes tells nothing of the token.
    """
    shown = request.headers.get("Authorization", "")
    given = shown.removeprefix(SCHEME).strip().encode("utf-8", "replace")
    if not shown.startswith(SCHEME) or not hmac.compare_digest(given, token.encode()):
        raise TokenRequired
