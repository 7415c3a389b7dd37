"""What every handler has at hand: the node, the limits, and how this network writes addresses."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from time import monotonic
from typing import Any, Final, Generic, TypeVar

import anyio
from msgspec import Struct

from tangle.api.accounts import AccountCodec
from tangle.api.ack_windows import AckWindows
from tangle.api.config import ApiConfig
from tangle.api.convert_ledger import make_account_answer
from tangle.api.convert_network import make_status_answer
from tangle.api.errors import AnswerTimeout
from tangle.api.event_frames import EventFrames
from tangle.api.keyed_answers import KeyedAnswers
from tangle.api.limits import Places, RateLimiter
from tangle.api.schemas.ledger import AccountAnswer
from tangle.api.schemas.network import StatusAnswer
from tangle.api.wire import encode_json
from tangle.core.types import PublicKey
from tangle.node.crossing.desk import BundleDesk
from tangle.node.operator import Operator
from tangle.node.randomness import SystemRandomness
from tangle.node.views import AccountView, NodeService

STATUS_AGE_S: Final = 0.05
"""Status answers may be this old: fresher than anybody sees."""

ACCOUNTS_MAX: Final = 1_024
"""Accounts whose answers are remembered, some 1 kB each; the one asked for longest ago is forgotten."""

Answer = TypeVar("Answer")


class Page(Struct, Generic[Answer], frozen=True):
    """An answer that is given more than once."""

    answer: Answer
    """What the API tells."""

    encoded: bytes
    """The same in JSON."""


class ApiContext:
    """The node behind the door, and the door's limits; one per server."""

    def __init__(self, service: NodeService, config: ApiConfig) -> None:
        self.service = service
        self.config = config
        self.accounts = AccountCodec(service.genesis)
        self.frames = EventFrames(self.accounts)
        self.limiter = RateLimiter(config, monotonic)
        self.waits = Places("waiting requests", config.waits_max, config.waits_max)
        self.streams = Places("event streams", config.streams_max, config.streams_per_address_max)
        self.windows = AckWindows(SystemRandomness(), config.ack_timeout_s)
        self.transfers = Places("blob transfers", config.transfers_max, config.transfers_per_address_max)
        self._status: tuple[float, Page[StatusAnswer]] | None = None
        self._write_account = lru_cache(ACCOUNTS_MAX)(self._write_account_anew)
        self.answers = KeyedAnswers(monotonic)
        self.desk: BundleDesk | None = None
        """Gives bundles to other shards of the same node; on private doors only."""

        self.operator: Operator | None = None
        """Who changes the running node; on the operator's door only."""
        self.document: dict[str, Any] = {}
        """The OpenAPI document; the server fills it in, because it knows all routes."""

    def get_status(self) -> Page[StatusAnswer]:
        """The node's status, at most ``STATUS_AGE_S`` old: dashboards ask often, and it reads many rooms."""
        now_s = monotonic()
        if self._status is None or now_s - self._status[0] > STATUS_AGE_S:
            answer = make_status_answer(self.service.get_status())
            self._status = now_s, Page(answer, encode_json(answer))
        return self._status[1]

    def get_account(self, account: PublicKey) -> Page[AccountAnswer]:
        """An account as it is now; it is written anew only when something of it changed."""
        return self._write_account(self.service.get_account(account))

    def _write_account_anew(self, view: AccountView) -> Page[AccountAnswer]:
        answer = make_account_answer(view, self.accounts)
        return Page(answer, encode_json(answer))

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
