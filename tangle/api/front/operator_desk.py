"""The operator's door of a node with several shards: what it asks is done in every shard.

A list is the lists of all shards one after the other; other answers are the first shard's that did it. Each
shard's own door checks the token.
"""

import os
import signal
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from tangle.api.config import ApiConfig
from tangle.api.front.asking import ask_all
from tangle.api.front.merged import get_target
from tangle.api.front.shard_door import ShardDoor, ShardReply, make_fields
from tangle.api.problems import make_problem_response
from tangle.api.registry import JSON_BODY_MAX
from tangle.api.requests import read_bytes
from tangle.api.schemas.admin import DoneAnswer
from tangle.api.schemas.common import AnswerMeta, Envelope
from tangle.api.tokens import check_token
from tangle.api.wire import HexBytes, encode_json
from tangle.core.errors import TangleError
from tangle.core.types import ChainId

STOP_PATH: Final = "/v1/admin/stop"
"""Stopping is the whole node's affair."""


class OperatorDesk:
    """Has the operator's requests done by all shards."""

    def __init__(self, doors: Sequence[ShardDoor], chain: ChainId, token: str, config: ApiConfig) -> None:
        self._doors = doors
        self._chain = chain
        self._token = token
        self._config = config

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer ``request``."""
        assert isinstance(request, web.Request)
        try:
            check_token(request, self._token)
            if request.method == "POST" and request.path == STOP_PATH:
                os.kill(os.getpid(), signal.SIGTERM)
                return self._reply(DoneAnswer("the node is stopping"), 202)
            body = None
            if request.body_exists:
                body = await read_bytes(JSON_BODY_MAX, request, self._config.body_timeout_s)
            return await self._ask(request, body)
        except TangleError as error:
            return make_problem_response(error, request.path)

    async def _ask(self, request: web.Request, body: bytes | None) -> web.StreamResponse:
        target, fields = get_target(request), make_fields(request)

        async def ask(door: ShardDoor) -> ShardReply:
            return await door.ask(request.method, target, fields, body, is_admin=True)

        replies = await ask_all(self._doors, ask)
        done = [reply for reply in replies.values() if isinstance(reply, ShardReply) and reply.is_success]
        if not done:
            first = next(iter(replies.values()))
            if isinstance(first, TangleError):
                raise first
            return first.make_response()
        lists = [_read_list(reply) for reply in done]
        if all(each is not None for each in lists):
            return self._reply([item for each in lists if each is not None for item in each], done[0].status)
        return done[0].make_response()

    def _reply(self, data: object, status: int) -> web.Response:
        envelope = Envelope(data, AnswerMeta(HexBytes(self._chain)))
        return web.Response(status=status, body=encode_json(envelope), content_type="application/json")


def _read_list(reply: ShardReply) -> list[Any] | None:
    """The items of an answer that is a list; none for other answers."""
    try:
        data = msgspec.json.decode(reply.content)["data"]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return None
    return data if isinstance(data, list) else None
