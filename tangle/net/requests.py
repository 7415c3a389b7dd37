"""Which requests of one session wait for their response. Pure bookkeeping; ``tangle.net.session`` does the
waiting.
"""

from collections import OrderedDict
from typing import Final

import anyio
from msgspec.structs import replace

from tangle.net.errors import UnsolicitedResponse
from tangle.net.messages import EXPECTED_RESPONSE, Refused, Request, Response

LATE_MAX: Final = 256
"""Requests given up whose late responses are still forgiven; a peer that is later than that is of no use."""

REQUEST_MAX: Final = 0xFFFF_FFFF
"""Numbers of requests start again after this one."""


class PendingRequest:
    """One request on its way."""

    def __init__(self, message: Request) -> None:
        """:param message: with its number filled in."""
        self.message = message
        self.response: Response | None = None
        self.done = anyio.Event()


class PendingRequests:
    """All of them, by number."""

    def __init__(self) -> None:
        """None yet."""
        self._pending: dict[int, PendingRequest] = {}
        self._late: OrderedDict[int, type[Response]] = OrderedDict()
        self._next = 1

    def __len__(self) -> int:
        return len(self._pending)

    def open(self, message: Request) -> PendingRequest:
        """Number a request and expect its response."""
        number, self._next = self._next, self._next % REQUEST_MAX + 1
        pending = self._pending[number] = PendingRequest(replace(message, request=number))
        return pending

    def resolve(self, response: Response) -> None:
        """Hand a response to whoever waits for it; one that comes after its asker gave up is dropped.

        :raises UnsolicitedResponse: it answers nothing that was asked, or in another kind.
        """
        pending = self._pending.get(response.request)
        expected = EXPECTED_RESPONSE[type(pending.message)] if pending else self._late.get(response.request)
        if expected is None or not isinstance(response, expected | Refused):
            raise UnsolicitedResponse(type(response).__name__, response.request)
        if pending is None:
            del self._late[response.request]
            return
        del self._pending[response.request]
        pending.response = response
        pending.done.set()

    def abandon(self, pending: PendingRequest) -> None:
        """Expect the response no longer; without effect once it has come."""
        number = pending.message.request
        if self._pending.pop(number, None) is not None:
            self._late[number] = EXPECTED_RESPONSE[type(pending.message)]
            if len(self._late) > LATE_MAX:
                self._late.popitem(last=False)

    def close(self) -> None:
        """Wake everybody who waits; they find no response."""
        for pending in self._pending.values():
            pending.done.set()
        self._pending.clear()
