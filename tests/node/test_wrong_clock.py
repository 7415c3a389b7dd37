"""A clock that is wrong by an hour: what the node says, and that nobody else is harmed."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.blocks import BlockReference
from shards.committee import Committee
from tangle.core.genesis import Validator
from tangle.core.types import Digest, PublicKey
from tangle.node.clock_watch import AGE_MAX_MS, AHEAD_MAX_MS, BEHIND_MAX_MS, ClockWatch
from tangle.node.views import ReadinessCheck
from tests.node.traffic import send_everywhere
from tests.node.twins import START_MS, LoopClock
from tests.node.world import World, network_of, wait_all_final, wait_until

HOUR_MS = 3_600_000


class ShiftedClock:
    """Another machine's clock."""

    def __init__(self, clock: LoopClock, ahead_ms: int) -> None:
        self._clock = clock
        self.ahead_ms = ahead_ms

    def now_ms(self) -> int:
        return self._clock.now_ms() + self.ahead_ms

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s()


def get_check(world: World, index: int) -> ReadinessCheck:
    """What a node says of its clock."""
    return next(check for check in world.services[index].get_readiness() if check.name == "clock")


@pytest.mark.parametrize(
    ("ahead_ms", "sentence"),
    [
        (HOUR_MS, "this machine's clock is 60 min ahead of the validators'"),
        (-HOUR_MS, "this machine's clock is 60 min behind the validators'"),
        (26 * HOUR_MS, "this machine's clock is 26.0 h ahead of the validators'"),
    ],
)
async def test_a_validator_whose_clock_is_wrong_says_so_and_the_others_go_on(
    ahead_ms: int, sentence: str
) -> None:
    async with network_of(4, is_started=False) as world:
        clock = ShiftedClock(world.clock, 0)
        world.clocks[3] = clock
        for member in world.members:
            await member.start()
        await world.wait_ready()
        assert get_check(world, 3).is_met
        clock.ahead_ms = ahead_ms
        await wait_until(lambda: not get_check(world, 3).is_met)
        check = get_check(world, 3)
        assert check.detail.startswith(sentence)
        assert "NTP" in check.detail
        assert not world.services[3].get_status().is_ready
        sent = await send_everywhere(world, 4, members=3)
        await wait_all_final(world.members[:3], sent)
        assert all(get_check(world, index).is_met for index in range(3))
        clock.ahead_ms = 0
        await wait_until(lambda: get_check(world, 3).is_met)


@pytest.mark.parametrize("ahead_ms", [HOUR_MS, -HOUR_MS])
async def test_an_observer_whose_clock_is_wrong_says_so(ahead_ms: int) -> None:
    async with network_of(4, observers=1, is_started=False) as world:
        world.clocks[4] = ShiftedClock(world.clock, ahead_ms)
        for member in world.members:
            await member.start()
        await wait_until(lambda: not get_check(world, 4).is_met)
        await anyio.sleep(1.0)
        assert not get_check(world, 4).is_met


def make_committee(size: int) -> Committee:
    keys = [PublicKey(bytes([index + 1]) * 32) for index in range(size)]
    return Committee(0, tuple(Validator(key, 1) for key in keys))


def tell(watch: ClockWatch, committee: Committee, author: int, round_number: int, ahead_ms: int) -> None:
    """A block that makes the local clock look so far ahead."""
    reference = BlockReference(round_number, author, Digest(bytes(32)))
    watch.on_block(reference, START_MS - ahead_ms, committee, START_MS)


RIGHT = st.integers(-BEHIND_MAX_MS, AHEAD_MAX_MS)


@given(st.lists(RIGHT, min_size=3, max_size=3), st.integers(-(10**9), 10**9))
def test_one_liar_of_four_moves_nothing(honest: list[int], lie: int) -> None:
    committee, watch = make_committee(4), ClockWatch()
    for author, ahead_ms in enumerate([*honest, lie]):
        tell(watch, committee, author, 1, ahead_ms)
    found = watch.compute_ahead_ms(committee, START_MS)
    assert found is not None
    assert min(honest) <= found <= max(honest)
    assert watch.is_right(committee, START_MS)


def test_one_voice_of_four_is_not_enough() -> None:
    committee, watch = make_committee(4), ClockWatch()
    tell(watch, committee, 0, 1, HOUR_MS)
    assert watch.compute_ahead_ms(committee, START_MS) is None
    assert watch.is_right(committee, START_MS)
    assert "too few" in watch.describe(committee, START_MS)
    tell(watch, committee, 1, 1, HOUR_MS)
    assert watch.compute_ahead_ms(committee, START_MS) == HOUR_MS
    assert not watch.is_right(committee, START_MS)


def test_old_blocks_and_old_words_say_nothing() -> None:
    committee, watch = make_committee(4), ClockWatch()
    for author in range(4):
        tell(watch, committee, author, 9, 40)
        tell(watch, committee, author, 8, HOUR_MS)
    assert watch.compute_ahead_ms(committee, START_MS) == 40
    assert watch.describe(committee, START_MS) == "within 40 ms of the validators' clocks"
    assert watch.compute_ahead_ms(committee, START_MS + AGE_MAX_MS + 1) is None
