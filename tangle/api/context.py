"""What every handler has at hand: the node, the limits, and how this network writes addresses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio

from tangle.api.accounts import AccountCodec
from tangle.api.config import ApiConfig
from tangle.api.errors import AnswerTimeout
from tangle.api.event_frames import EventFrames
from tangle.api.keyed_answers import KeyedAnswers
from tangle.api.limits import Places, RateLimiter
from tangle.node.operator import Operator
from tangle.node.views import NodeService


class ApiContext:
    """The node behind the door, and the door's limits; one per server."""

    def __init__(self, service: NodeService, config: ApiConfig) -> None:
        self.service = service
        self.config = config
        self.accounts = AccountCodec(service.genesis)
        self.frames = EventFrames(self.accounts)
        self.limiter = RateLimiter(config, anyio.current_time)
        self.waits = Places("waiting requests", config.waits_max, config.waits_max)
        self.streams = Places("event streams", config.streams_max, config.streams_per_address_max)
        self.transfers = Places("blob transfers", config.transfers_max, config.transfers_per_address_max)
        self.answers = KeyedAnswers(anyio.current_time)
        self.operator: Operator | None = None
        """Who changes the running node; on the operator's door only."""
        self.document: dict[str, Any] = {}
        """The OpenAPI document; the server fills it in, because it knows all routes."""

    @contextmanager
    def limit_answer(self) -> Iterator[None]:
        """Bound the time of an ordinary answer.

        :raises AnswerTimeout: the node took longer.
        """
        with anyio.move_on_after(self.config.answer_timeout_s) as scope:
            yield
        if scope.cancelled_caught:
            raise AnswerTimeout(self.config.answer_timeout_s)

    def close(self) -> None:
        """End waits and streams; the node stops."""
        self.waits.close()
        self.streams.close()
        self.transfers.close()
