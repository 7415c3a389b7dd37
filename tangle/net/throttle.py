"""Token buckets: how much a sender may do per second, and when it may try again.

Pure and exact: time is handed in, and tokens are counted in thousandths, so that no rounding ever gives or
takes any.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from msgspec import Struct

from tangle.net.errors import Throttled

SENDERS_MAX: Final = 10_000
"""Most senders with a bucket of their own; the one unheard of for longest is forgotten, and starts with a
full one."""

Sender = TypeVar("Sender", bound=Hashable)

_THOUSAND: Final = 1_000


class Rate(Struct, frozen=True):
    """A limit on a flow of anything that can be counted: bytes, transactions, requests."""

    per_second: int
    """Tokens that flow in each second, at least 1."""

    burst: int
    """Tokens that a rested bucket holds."""


class TokenBucket:
    """One sender's allowance."""

    __slots__ = ("_filled_ms", "_rate", "_thousandths")

    def __init__(self, rate: Rate, now_ms: int) -> None:
        """A full bucket."""
        self._rate = rate
        self._thousandths = rate.burst * _THOUSAND
        self._filled_ms = now_ms

    def take(self, amount: int, now_ms: int) -> None:
        """Take ``amount`` tokens; all or none.

        An amount over the burst passes when the bucket is full, and leaves a debt, so that no size is
        impossible.

        :raises Throttled: too few are left; it says how long to wait.
        """
        elapsed_ms = max(0, now_ms - self._filled_ms)
        self._filled_ms = max(self._filled_ms, now_ms)
        full = self._rate.burst * _THOUSAND
        self._thousandths = min(full, self._thousandths + elapsed_ms * self._rate.per_second)
        missing = min(amount * _THOUSAND, full) - self._thousandths
        if missing > 0:
            raise Throttled(-(-missing // self._rate.per_second))
        self._thousandths -= amount * _THOUSAND


class Throttle(Generic[Sender]):
    """A bucket for each of many senders."""

    def __init__(self, rate: Rate, *, senders_max: int = SENDERS_MAX) -> None:
        """:param senders_max: how many senders to remember."""
        self._rate = rate
        self._senders_max = senders_max
        self._buckets: OrderedDict[Sender, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, sender: Sender, amount: int, now_ms: int) -> None:
        """Take ``amount`` tokens of ``sender``.

        :raises Throttled: too few are left.
        """
        bucket = self._buckets.get(sender)
        if bucket is None:
            bucket = self._buckets[sender] = TokenBucket(self._rate, now_ms)
            if len(self._buckets) > self._senders_max:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(sender)
        bucket.take(amount, now_ms)
