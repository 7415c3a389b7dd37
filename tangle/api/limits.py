"""How much one client may ask for: token buckets, and places for those who wait."""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

import anyio
from msgspec import Struct

from tangle.api.config import ApiConfig, RateLimit
from tangle.api.errors import RateLimited, Stopping, TooManyWaits

WAITS_RETRY_AFTER_S: Final = 5.0
"""What a client is told when all places for waiting are taken."""

FIELDS_MAX: Final = 1_024
"""Header fields that are remembered: most requests find a bucket nearly full, so they say the same."""


class _Bucket(Struct):
    tokens: float
    refilled_s: float


class RateLimiter:
    """Token buckets by client address; the number of buckets is bounded."""

    def __init__(self, config: ApiConfig, now: Callable[[], float]) -> None:
        """:param now: a monotonic clock in seconds."""
        self._config = config
        self._now = now
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def spend(self, address: str, tokens: int) -> Mapping[str, str]:
        """Take ``tokens`` from the bucket of ``address`` and return the RateLimit header fields.

        A request larger than the whole bucket passes when the bucket is full, and leaves a debt.

        :raises RateLimited: too few tokens are left.
        """
        limit = self._config.loopback_limit if is_loopback(address) else self._config.remote_limit
        bucket = self._get_bucket(address, limit)
        needed = min(tokens, limit.burst)
        if bucket.tokens < needed:
            raise RateLimited((needed - bucket.tokens) / limit.per_second)
        bucket.tokens -= tokens
        return make_rate_fields(limit, bucket.tokens)

    def _get_bucket(self, address: str, limit: RateLimit) -> _Bucket:
        now = self._now()
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = _Bucket(float(limit.burst), now)
            if len(self._buckets) > self._config.rate_clients_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(address)
            earned = (now - bucket.refilled_s) * limit.per_second
            bucket.tokens = min(float(limit.burst), bucket.tokens + earned)
            bucket.refilled_s = now
        return bucket


def make_rate_fields(limit: RateLimit, tokens: float) -> Mapping[str, str]:
    """Header fields of draft-ietf-httpapi-ratelimit-headers-10: the policy, and what is left of it."""
    reset_s = max(0, math.ceil((limit.burst - tokens) / limit.per_second))
    return _write_rate_fields(limit.burst, limit.per_second, max(0, int(tokens)), reset_s)


@lru_cache(FIELDS_MAX)
def _write_rate_fields(burst: int, per_second: float, remaining: int, reset_s: int) -> Mapping[str, str]:
    window_s = max(1, math.ceil(burst / per_second))
    return {
        "RateLimit-Policy": f'"default";q={burst};w={window_s}',
        "RateLimit": f'"default";r={remaining};t={reset_s}',
    }


@lru_cache(1_024)
def is_loopback(address: str) -> bool:
    """Whether a client address is this machine; local sockets, which have none, are."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return not address


class Places:
    """Bounded places for requests that stay long; all are emptied when the node stops."""

    def __init__(self, what: str, limit: int, limit_per_address: int) -> None:
        """:param what: what takes the places, for the refusal."""
        self._what = what
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._by_address: Counter[str] = Counter()
        self._scopes: set[anyio.CancelScope] = set()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._scopes)

    @contextmanager
    def take(self, address: str) -> Iterator[None]:
        """Hold a place while the block runs.

        :raises TooManyWaits: none is free, or this address has its share.
        :raises Stopping: the node is stopping, or began to while the block ran.
        """
        if self._is_closed:
            raise Stopping
        if len(self._scopes) >= self._limit:
            raise TooManyWaits(self._what, self._limit, WAITS_RETRY_AFTER_S)
        if self._by_address[address] >= self._limit_per_address:
            raise TooManyWaits(self._what, self._limit_per_address, WAITS_RETRY_AFTER_S)
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            self._by_address[address] += 1
            try:
                yield
            finally:
                self._scopes.discard(scope)
                self._by_address[address] -= 1
                if not self._by_address[address]:
                    del self._by_address[address]
        if scope.cancelled_caught:
            raise Stopping

    def close(self) -> None:
        """End all that hold a place, and let nobody in any more."""
        self._is_closed = True
        for scope in self._scopes:
            scope.cancel()
