"""Faults that the HTTP door itself finds, beside those that the node reports."""

from collections.abc import Sequence

from tangle.api.schemas.common import ProblemItem
from tangle.core.errors import TangleError


class UnknownRoute(TangleError):
    """No route has this path."""

    code = "route-unknown"

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"there is no route {path}; /v1/openapi.json lists all routes")


class MethodNotAllowed(TangleError):
    """The path exists, but not for this method."""

    code = "method-not-allowed"

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        self.method = method
        self.allowed = tuple(sorted(allowed))
        super().__init__(f"this route does not take {method}; it takes {', '.join(self.allowed)}")


class UnsupportedExpectation(TangleError):
    """An ``Expect`` header that is not ``100-continue``."""

    code = "expectation-unsupported"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(f"this server cannot meet the expectation {found!r}; leave it out")


class MalformedHttp(TangleError):
    """Bytes that are not an HTTP request, or a head over its limits."""

    code = "http-malformed"

    def __init__(self) -> None:
        super().__init__("this is not an HTTP/1.1 request that this server reads")


class InvalidRequest(TangleError):
    """A path, query or body field is missing, unknown or not of its form."""

    code = "request-invalid"

    def __init__(self, items: Sequence[ProblemItem]) -> None:
        self.items = tuple(items)
        super().__init__("; ".join(f"{item.path}: {item.message}" for item in self.items))


class MalformedJson(TangleError):
    """A body that is not JSON."""

    code = "json-malformed"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the body is not JSON: {reason}")


class MalformedBody(TangleError):
    """A body that broke off or contradicts its own framing."""

    code = "body-malformed"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the body could not be read: {reason}")


class OversizeBody(TangleError):
    """A body over the route's limit."""

    code = "body-oversize"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"the body is over this route's limit of {limit} bytes")


class OversizeBatch(TangleError):
    """A batch with more items than the limit."""

    code = "batch-oversize"

    def __init__(self, items: int, limit: int) -> None:
        self.items = items
        self.limit = limit
        super().__init__(f"the batch has {items} items, the limit is {limit}; send several batches")


class BodyTimeout(TangleError):
    """A body that did not arrive in time."""

    code = "body-timeout"

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(f"the body was not complete after {timeout_s:g} s")


class UnsupportedMediaType(TangleError):
    """A body of a type that the route does not read."""

    code = "media-type-unsupported"

    def __init__(self, found: str, expected: Sequence[str]) -> None:
        self.found = found
        self.expected = tuple(expected)
        super().__init__(f"the body is {found or 'of no stated type'}; send {' or '.join(self.expected)}")


class InvalidCursor(TangleError):
    """A page cursor that this node did not make."""

    code = "cursor-invalid"

    def __init__(self) -> None:
        super().__init__("the cursor was not made by this route; start without one")


class RateLimited(TangleError):
    """The client spent its tokens."""

    code = "rate-limited"

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"too many requests from this address; retry in {retry_after_s:.1f} s")


class TooManyWaits(TangleError):
    """The limit on waiting requests or event streams is reached."""

    code = "waits-exhausted"

    def __init__(self, what: str, limit: int, retry_after_s: float) -> None:
        self.what = what
        self.limit = limit
        self.retry_after_s = retry_after_s
        super().__init__(f"{limit} {what} are open already; close one or retry in {retry_after_s:.0f} s")


class AnswerTimeout(TangleError):
    """The node did not answer in time."""

    code = "timeout"

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(f"the node did not answer within {timeout_s:g} s")


class NoFaucet(TangleError):
    """A faucet exists on the devnet only."""

    code = "faucet-absent"

    def __init__(self) -> None:
        super().__init__("this network has no faucet; only a devnet has one")


class EventAhead(TangleError):
    """A resume point that this node's event log has not reached: the log is another one."""

    code = "event-ahead"

    def __init__(self, after: int, latest: int) -> None:
        self.after = after
        self.latest = latest
        super().__init__(
            f"event {after} does not exist yet, the latest is {latest}; start without a resume point"
        )


class AckMissing(TangleError):
    """A reader with a window did not acknowledge for too long."""

    code = "ack-missing"

    def __init__(self, event_id: int, size: int, timeout_s: float) -> None:
        self.event_id = event_id
        self.size = size
        self.timeout_s = timeout_s
        super().__init__(
            f"event {event_id} and the {size - 1} after it were not acknowledged within {timeout_s:g} s; "
            "read on after the last event that you have"
        )


class AckAhead(TangleError):
    """An acknowledgement of an event that was not sent."""

    code = "ack-ahead"

    def __init__(self, event_id: int, latest: int) -> None:
        self.event_id = event_id
        self.latest = latest
        super().__init__(f"event {event_id} was not sent to this subscription, the latest is {latest}")


class NotReady(TangleError):
    """A readiness check is not met."""

    code = "not-ready"

    def __init__(self, items: Sequence[ProblemItem]) -> None:
        self.items = tuple(items)
        super().__init__("not ready: " + ", ".join(item.path for item in self.items))


class Stopping(TangleError):
    """The node is shutting down."""

    code = "node-stopping"

    def __init__(self) -> None:
        self.retry_after_s = 5.0
        super().__init__("the node is stopping; ask again when it is back, or ask another node")


class OperatorOnly(TangleError):
    """A change of the node's own disk, asked for from another machine."""

    code = "operator-only"

    def __init__(self) -> None:
        super().__init__("this changes what the node keeps on its disk; ask from the machine it runs on")


class TokenRequired(TangleError):
    """The operator's door was tried without its token."""

    code = "token-required"

    def __init__(self) -> None:
        super().__init__("send the token of the node's admin.token file as Authorization: Bearer TOKEN")


class OriginRefused(TangleError):
    """A web page of an origin that this node does not serve asked whether it may."""

    code = "origin-refused"

    def __init__(self, origin: str) -> None:
        self.origin = origin
        super().__init__(f"pages of {origin!r} may not use this API; its operator can add it to cors_origins")


class KeyReused(TangleError):
    """An idempotency key that came with another request before."""

    code = "idempotency-key-reused"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the idempotency key {key!r} came with another request; take a new one for this")


class KeyBusy(TangleError):
    """The first request with an idempotency key is not answered yet."""

    code = "idempotency-key-busy"

    def __init__(self, key: str) -> None:
        self.key = key
        self.retry_after_s = 1.0
        super().__init__(f"the first request with the idempotency key {key!r} is not answered yet")


class RangeUnsatisfiable(TangleError):
    """A ``Range`` that lies behind the end."""

    code = "range-unsatisfiable"

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"there are {size} bytes; ask for a range within them")


class InternalFault(TangleError):
    """A programming error; its cause is in the node's log only."""

    code = "internal"

    def __init__(self) -> None:
        super().__init__("the node failed on this request; its log has the cause")
