"""Answers by idempotency key, for requests that would do something twice when they are sent twice.

Transactions need none of this: the same bytes have the same id. The stored answer is sent again; 409 while
the first request runs, 422 when the key comes with another body.
Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, cast

from aiohttp import web
from msgspec import Struct

from tangle.api.errors import InvalidRequest, KeyBusy, KeyReused
from tangle.api.schemas.common import ProblemItem

FIELD: Final = "Idempotency-Key"
"""Header in which a client names a request that it may send again."""

KEPT_MAX: Final = 10_000
"""Answers kept, some hundred bytes each; the oldest goes first."""

KEPT_S: Final = 24 * 3600.0
"""How long an answer is kept."""

_FORM: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)

Answer = TypeVar("Answer")


class _Kept(Struct):
    body: object
    begun_s: float
    reply: Any


class KeyedAnswers:
    """What was answered lately, by client, route and key."""

    def __init__(self, now: Callable[[], float]) -> None:
        """:param now: a monotonic clock in seconds."""
        self._now = now
        self._kept: OrderedDict[tuple[str, str, str], _Kept] = OrderedDict()

    async def answer(
        self, request: web.Request, body: object, act: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Do ``act`` once for each key; without a key, each time.

        :raises InvalidRequest: the key is no key.
        :raises KeyReused, KeyBusy: it came with another body; the first request is not answered yet.
        """
        key = request.headers.get(FIELD)
        if key is None:
            return await act()
        if _FORM.fullmatch(key) is None:
            raise InvalidRequest((ProblemItem(FIELD, "Expected 1 to 128 visible ASCII characters"),))
        self._forget()
        place = (request.remote or "", request.path, key)
        kept = self._kept.get(place)
        if kept is not None:
            if kept.body != body:
                raise KeyReused(key)
            if kept.reply is None:
                raise KeyBusy(key)
            return cast("Answer", kept.reply)
        kept = self._kept[place] = _Kept(body, self._now(), None)
        try:
            kept.reply = answer = await act()
        finally:
            if kept.reply is None:  # a refusal did nothing, so the same key may be tried again
                self._kept.pop(place, None)
        return answer

    def _forget(self) -> None:
        oldest_s = self._now() - KEPT_S
        while self._kept:
            first = next(iter(self._kept.values()))
            if len(self._kept) < KEPT_MAX and first.begun_s >= oldest_s:
                break
            self._kept.popitem(last=False)
