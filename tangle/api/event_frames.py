"""Events as bytes of a server-sent stream, each encoded once however many clients listen.

The frames are written here and not by the SSE library, because it formats every event anew for every client.
Source: HTML Living Standard section 9.2, server-sent events.
"""

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from tangle.api.accounts import AccountCodec
from tangle.api.convert_network import make_event_answer
from tangle.api.problems import make_problem
from tangle.api.wire import HexDigest, decode_json, encode_json
from tangle.core.errors import TangleError
from tangle.core.types import PublicKey
from tangle.node.event_log import TRANSACTION
from tangle.node.views import Event

FRAMES_MAX: Final = 4_096
"""Frames kept: clients that keep up share them; some 2 MB at the most common sizes."""

RETRY_MS: Final = 1_000
"""How long a browser waits before it connects again."""

ERROR_EVENT: Final = "error"
"""Name of the last event of a stream that the node ends; its data is a problem document."""


SUBSCRIPTION_EVENT: Final = "subscription"
"""Name of the event that tells a reader with a window how to acknowledge."""


class EventFilter(Struct, frozen=True):
    """Which events a client wants; an empty set wants all."""

    topics: frozenset[str]
    """Topics."""

    accounts: frozenset[PublicKey]
    """Accounts, of which one must be concerned."""

    shard: int | None
    """A shard; all for none."""

    transactions: frozenset[bytes] = frozenset()
    """Transactions: with some, only events of the topic ``transaction`` about one of them."""

    def is_wanted(self, event: Event) -> bool:
        """Whether the client wants ``event``."""
        return (
            (not self.topics or event.topic in self.topics)
            and (not self.accounts or not self.accounts.isdisjoint(event.accounts))
            and (self.shard is None or event.shard == self.shard)
            and (not self.transactions or _read_transaction(event) in self.transactions)
        )


class _Named(Struct, frozen=True):
    """The part of a transaction's event that says which one it is."""

    id: HexDigest
    """The transaction."""


def _read_transaction(event: Event) -> bytes | None:
    """The transaction that an event is about; none for other topics."""
    return bytes(decode_json(_Named, event.body).id) if event.topic == TRANSACTION else None


class EventFrames:
    """Frames by event id; the oldest are forgotten first."""

    def __init__(self, accounts: AccountCodec) -> None:
        self._accounts = accounts
        self._frames: OrderedDict[int, bytes] = OrderedDict()

    def get_frame(self, event: Event) -> bytes:
        """The frame of ``event``."""
        frame = self._frames.get(event.id)
        if frame is None:
            data = encode_json(make_event_answer(event, self._accounts))
            frame = b"id: %d\nevent: %b\ndata: %b\n\n" % (event.id, event.topic.encode(), data)
            self._frames[event.id] = frame
            if len(self._frames) > FRAMES_MAX:
                self._frames.popitem(last=False)
        return frame


def make_opening(after: int) -> bytes:
    """First frame, without data: it tells the client where the stream begins, so that it can resume there."""
    return b"retry: %d\nid: %d\n\n" % (RETRY_MS, after)


def make_subscription(name: str, window: int) -> bytes:
    """Second frame of a stream with a window: the name under which its events are acknowledged.

    It has no id, so that nobody's resume point moves.
    """
    data = encode_json({"subscription": name, "window": window})
    return b"event: %b\ndata: %b\n\n" % (SUBSCRIPTION_EVENT.encode(), data)


def make_progress(event_id: int) -> bytes:
    """A frame without data that moves the client's resume point past events it did not want."""
    return b"id: %d\n\n" % event_id


def make_ending(error: TangleError, instance: str) -> bytes:
    """Last frame of a stream that the node ends."""
    return b"event: %b\ndata: %b\n\n" % (ERROR_EVENT.encode(), encode_json(make_problem(error, instance)))
