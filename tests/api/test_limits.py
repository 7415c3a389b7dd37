"""The token buckets and the places for those who wait, by a clock of the test's own."""

import anyio
import pytest

from tangle.api.config import ApiConfig, RateLimit
from tangle.api.errors import RateLimited, Stopping, TooManyWaits
from tangle.api.limits import Places, RateLimiter, is_loopback, make_rate_fields


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def make_limiter(clock: Clock, clients_max: int = 10) -> RateLimiter:
    remote = RateLimit(burst=10, per_second=2.0)
    return RateLimiter(ApiConfig(remote_limit=remote, rate_clients_max=clients_max), clock)


def test_a_bucket_empties_and_fills_again() -> None:
    clock = Clock()
    limiter = make_limiter(clock)
    limiter.spend("192.0.2.1", 10)
    with pytest.raises(RateLimited) as caught:
        limiter.spend("192.0.2.1", 3)
    assert caught.value.retry_after_s == 1.5
    clock.now_s += 1.5
    limiter.spend("192.0.2.1", 3)
    clock.now_s += 1_000
    assert limiter.spend("192.0.2.1", 1)["RateLimit"] == '"default";r=9;t=1'


def test_clients_do_not_pay_for_each_other_and_this_machine_has_more() -> None:
    limiter = make_limiter(Clock())
    limiter.spend("192.0.2.1", 10)
    limiter.spend("192.0.2.2", 10)
    limiter.spend("127.0.0.1", 1_000)
    limiter.spend("::1", 1_000)


def test_more_than_a_whole_bucket_leaves_a_debt() -> None:
    clock = Clock()
    limiter = make_limiter(clock)
    limiter.spend("192.0.2.1", 30)
    clock.now_s += 9.5
    with pytest.raises(RateLimited):
        limiter.spend("192.0.2.1", 1)
    clock.now_s += 1.0
    limiter.spend("192.0.2.1", 1)


def test_buckets_are_bounded_and_the_longest_unseen_is_forgotten() -> None:
    limiter = make_limiter(Clock(), clients_max=2)
    limiter.spend("192.0.2.1", 10)
    limiter.spend("192.0.2.2", 10)
    with pytest.raises(RateLimited):
        limiter.spend("192.0.2.1", 1)
    limiter.spend("192.0.2.3", 1)
    limiter.spend("192.0.2.2", 10)  # forgotten, so it begins anew
    with pytest.raises(RateLimited):
        limiter.spend("192.0.2.2", 1)


def test_header_fields() -> None:
    fields = make_rate_fields(RateLimit(burst=100, per_second=50.0), 25.0)
    assert fields == {"RateLimit-Policy": '"default";q=100;w=2', "RateLimit": '"default";r=25;t=2'}


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("", True), ("192.0.2.1", False), ("x", False)],
)
def test_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


async def test_places_are_limited_in_all_and_for_each_address() -> None:
    places = Places("waits", 3, 2)
    with places.take("a"), places.take("a"):
        with pytest.raises(TooManyWaits, match="2 waits"), places.take("a"):
            pass
        with places.take("b"):
            assert len(places) == 3
            with pytest.raises(TooManyWaits, match="3 waits"), places.take("c"):
                pass
    assert len(places) == 0
    with places.take("a"), places.take("a"):
        pass


async def test_closing_ends_all_and_lets_nobody_in() -> None:
    places = Places("waits", 3, 3)
    ended = []

    async def hold() -> None:
        try:
            with places.take("a"):
                await anyio.sleep_forever()
        except Stopping as error:
            ended.append(error.code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold)
        tasks.start_soon(hold)
        await anyio.wait_all_tasks_blocked()
        places.close()
    assert ended == ["node-stopping"] * 2
    with pytest.raises(Stopping), places.take("a"):
        pass
