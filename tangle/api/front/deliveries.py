"""What became of a transfer to another shard: its issuer's shard tells the first half, this the second."""

from collections.abc import Callable
from time import monotonic
from typing import Final

import msgspec
from aiohttp import web
from msgspec.structs import replace

from tangle.api.front.shard_door import ShardDoor, ShardReply, select_fields
from tangle.api.registry import JSON
from tangle.api.routes_private import PRIVATE_PREFIX
from tangle.api.schemas.common import Envelope
from tangle.api.schemas.transactions import ReceiptAnswer, SubmittedAnswer, TransactionAnswer
from tangle.api.wire import decode_json, encode_json
from tangle.core.errors import TangleError

MARK: Final = b'"receipt":{'
"""What is in every answer about a transfer to another shard."""

WAIT_S: Final = 10.0
"""How long ``wait=delivered`` waits where the request does not say."""

WAIT_S_MAX: Final = 60.0
"""Longest wait of one request."""


class Deliveries:
    """Asks the shard of the recipient."""

    def __init__(self, find_door: Callable[[int], ShardDoor | None]) -> None:
        """:param find_door: of a shard of this node; none where others serve it."""
        self._find_door = find_door

    async def complete(self, request: web.Request, reply: ShardReply, begun_s: float) -> web.Response:
        """An answer about a transaction, with what the target says where it left a receipt.

        :param begun_s: when the request came, by the monotonic clock.
        """
        is_json = reply.headers.get("Content-Type", "").startswith(JSON)
        if not (reply.is_success and is_json and MARK in reply.content):
            return reply.make_response()
        wait_s = 0.0
        if request.query.get("wait") == "delivered":
            left_s = _read_timeout(request) - (monotonic() - begun_s)
            wait_s = max(0.0, left_s)
        content = await self._amend(reply.content, wait_s, is_submitted=request.method == "POST")
        return web.Response(status=reply.status, body=content, headers=select_fields(reply.headers))

    async def _amend(self, content: bytes, wait_s: float, *, is_submitted: bool) -> bytes:
        if is_submitted:
            submitted = decode_json(Envelope[SubmittedAnswer], content)
            if submitted.data.transaction is None:
                return content
            told = await self._tell(submitted.data.transaction, wait_s)
            return encode_json(replace(submitted, data=replace(submitted.data, transaction=told)))
        found = decode_json(Envelope[TransactionAnswer], content)
        return encode_json(replace(found, data=await self._tell(found.data, wait_s)))

    async def _tell(self, answer: TransactionAnswer, wait_s: float) -> TransactionAnswer:
        receipt = answer.receipt
        door = None if receipt is None else self._find_door(receipt.target)
        if receipt is None or door is None or not answer.is_final:
            return answer
        asked = f"deliveries/{answer.shard}?sequence={receipt.sequence}&timeout_s={max(0.001, wait_s):.3f}"
        try:
            reply = await door.ask("GET", PRIVATE_PREFIX + asked, {"Accept": JSON})
            told = decode_json(Envelope[ReceiptAnswer], reply.content).data
        except (TangleError, msgspec.MsgspecError):  # that shard is away: nobody knows now
            return answer
        return replace(answer, receipt=told)


def _read_timeout(request: web.Request) -> float:
    try:
        return min(WAIT_S_MAX, float(request.query.get("timeout_s", WAIT_S)))
    except ValueError:
        return WAIT_S
