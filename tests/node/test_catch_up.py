"""When a node is level, and whom it asks while it is not: what validators signed decides the one, and what
peers bring decides the other.
"""

from typing import Any, cast

import anyio

from shards.committee import Committee
from tangle.core.genesis import Validator
from tangle.core.types import PublicKey, Shard
from tangle.net.errors import RequestTimeout, SessionClosed
from tangle.net.ledger_messages import BlockItems, GetRounds, OrderedItems
from tangle.node.catch_up import LAG_ROUNDS, WINDOW_ROUNDS, CatchUp, Progress
from tangle.node.peering import Peering
from tangle.node.vouched_rounds import VouchedRounds
from tests.node.twins import make_key


class Teller:
    """A peer that says it is at ``round``, and has as many rounds of blocks as it has."""

    def __init__(
        self, name: str, told_round: int, rounds: int, *, delay_s: float = 0.01, is_outbound: bool = False
    ) -> None:
        """:param delay_s: what it takes to answer; without end, it keeps silent."""
        self.name = name
        self.public_key = PublicKey(name.encode())
        self.epoch = 0
        self.round = told_round
        self.rounds = rounds
        self.delay_s = delay_s
        self.is_outbound = is_outbound
        self.is_leaving = False
        self.asked = 0

    async def request(self, request: Any, *, timeout_s: float) -> Any:
        self.asked += isinstance(request, GetRounds)
        await anyio.sleep(min(self.delay_s, timeout_s))
        if self.is_leaving:
            raise SessionClosed(b"closed")
        if self.delay_s > timeout_s:
            raise RequestTimeout("GetRounds", timeout_s)
        if not isinstance(request, GetRounds):
            return OrderedItems(0, request.first_index, ())
        numbers = range(request.first_round, min(request.last_round, self.rounds) + 1)
        return BlockItems(0, tuple(number.to_bytes(3) for number in numbers), is_last=True)


def make_silent(count: int) -> list[Teller]:
    return [Teller(f"silent {number}", 10**6, 0, delay_s=float("inf")) for number in range(count)]


class Follower:
    """A node that has accepted blocks of some rounds, one of a committee of four."""

    def __init__(self, *peers: Teller, vouched: int) -> None:
        self.peers = list(peers)
        self.is_epoch_over = False
        self.rounds = {0}
        keys = [make_key(f"validator {index}").public_key for index in range(4)]
        self.vouched = VouchedRounds(Committee(0, tuple(Validator(key, 1) for key in keys)))
        self.vouch(vouched)
        self.catch_up = CatchUp(
            peering=cast(Peering, self),
            shard=Shard(0),
            get_vouched=lambda: self.vouched,
            is_epoch_over=lambda: self.is_epoch_over,
            get_progress=lambda: Progress(0, max(self.rounds), 0),
            on_transactions=lambda items, peer: None,
            on_blocks=lambda items, peer: self.rounds.update(int.from_bytes(item) for item in items),
        )

    def vouch(self, round_number: int) -> None:
        """Two of four validators sign that they are there."""
        for author in (1, 2):
            self.vouched.on_word(author, round_number)

    def get_peers(self) -> list[Teller]:
        return list(self.peers)

    async def follow(self, timeout_s: float) -> int:
        """The round that it reaches until it is level, which takes no longer than this."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.catch_up.run)
            with anyio.fail_after(timeout_s):
                await self.catch_up.wait_level()
            tasks.cancel_scope.cancel()
        return max(self.rounds)


async def test_a_node_follows_who_is_ahead() -> None:
    follower = Follower(Teller("slow", 50, 50), Teller("honest", 200, 200), vouched=200)
    assert await follower.follow(5) >= 200 - LAG_ROUNDS


async def test_who_boasts_of_what_nobody_signed_is_not_even_asked() -> None:
    boasters = [Teller("boaster", 10**6, 0), *make_silent(4)]
    follower = Follower(*boasters, vouched=LAG_ROUNDS)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.catch_up.run)
        await anyio.sleep(20)
        assert follower.catch_up.is_level
        tasks.cancel_scope.cancel()
    assert [peer.asked for peer in boasters] == [0] * 5


async def test_one_validator_that_boasts_with_its_signature_does_not_keep_a_node_waiting() -> None:
    follower = Follower(*make_silent(1), vouched=5)
    follower.vouched.on_word(3, 10**6)
    assert follower.catch_up.is_level


async def test_a_node_that_is_behind_is_not_level_whatever_it_is_told() -> None:
    modest = [Teller(f"modest {number}", 0, 0) for number in range(8)]
    follower = Follower(*modest, *make_silent(8), vouched=200)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.catch_up.run)
        await anyio.sleep(120)
        assert not follower.catch_up.is_level
        assert follower.catch_up.lag_rounds == 200
        follower.peers.append(Teller("honest", 200, 200))
        with anyio.fail_after(15):
            await follower.catch_up.wait_level()
        tasks.cancel_scope.cancel()


async def test_silent_boasters_hold_a_node_up_for_moments_each() -> None:
    honest = Teller("honest", 200, 200)
    follower = Follower(*make_silent(16), honest, vouched=200)
    assert await follower.follow(45) >= 200 - LAG_ROUNDS


async def test_whom_one_has_dialled_comes_before_strangers() -> None:
    silent, honest = make_silent(16), Teller("honest", 200, 200, is_outbound=True)
    follower = Follower(*silent, honest, vouched=200)
    assert await follower.follow(2) >= 200 - LAG_ROUNDS
    assert not any(peer.asked for peer in silent)


async def test_who_delivered_is_asked_again_before_all_others() -> None:
    silent, honest = make_silent(3), Teller("honest", 200, 200)
    follower = Follower(*silent, honest, vouched=200)
    await follower.follow(15)
    asked = [peer.asked for peer in silent]
    honest.round = honest.rounds = 600
    follower.vouch(600)
    follower.peers += make_silent(3)
    assert await follower.follow(2) >= 600 - LAG_ROUNDS
    assert [peer.asked for peer in silent] == asked


async def test_who_keeps_silent_is_asked_later_and_later_also_when_it_comes_again() -> None:
    stubborn, other = make_silent(2)
    follower = Follower(stubborn, vouched=200)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.catch_up.run)
        await anyio.sleep(20)
        asked = stubborn.asked
        assert asked > 1
        again = Teller(stubborn.name, 10**6, 0, delay_s=float("inf"))
        follower.peers[:] = [again, other]
        await anyio.sleep(30)
        assert again.asked <= 1
        assert other.asked > 1
        tasks.cancel_scope.cancel()


async def test_who_answers_and_brings_nothing_does_not_live_on_what_others_bring() -> None:
    boaster, honest = Teller("boaster", 10**6, 0), Teller("honest", 1_000, 1_000)
    follower = Follower(boaster, honest, vouched=1_000)

    async def learn_from_others() -> None:
        while True:
            await anyio.sleep(0.5)
            follower.rounds.add(max(follower.rounds) + 1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(learn_from_others)
        assert await follower.follow(20) >= 1_000 - LAG_ROUNDS
        tasks.cancel_scope.cancel()


async def test_who_answers_and_brings_nothing_is_doubted_more_each_time() -> None:
    """Somebody honest has been out of reach for a while, and comes to its turn all the same."""
    honest = Teller("honest", 200, 200, delay_s=float("inf"))
    follower = Follower(Teller("boaster", 10**6, 0), honest, vouched=200)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.catch_up.run)
        await anyio.sleep(30)
        honest.delay_s = 0.01
        with anyio.fail_after(60):
            await follower.catch_up.wait_level()
        tasks.cancel_scope.cancel()


async def test_who_answers_slowly_is_left_for_who_is_faster() -> None:
    sluggish = Teller("sluggish", 10**6, 10**6, delay_s=1.9)
    honest = Teller("honest", 100 * WINDOW_ROUNDS, 100 * WINDOW_ROUNDS)
    follower = Follower(sluggish, honest, vouched=100 * WINDOW_ROUNDS)
    await follower.follow(15)
    assert sluggish.asked == 1


async def test_who_brings_one_round_at_a_time_is_left_for_who_brings_more() -> None:
    trickling = Teller("trickling", 10**6, 0)
    follower = Follower(trickling, Teller("honest", 10_000, 10_000), vouched=10_000)

    async def trickle() -> None:
        """What it shows is always one round more than the node has; that is less than the committee makes."""
        while True:
            await anyio.sleep(0.2)
            trickling.rounds = max(follower.rounds) + 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(trickle)
        assert await follower.follow(30) >= 10_000 - LAG_ROUNDS
        tasks.cancel_scope.cancel()


async def test_a_slow_peer_alone_is_given_the_time_that_it_needs() -> None:
    follower = Follower(Teller("far away", 100, 100, delay_s=5.5), vouched=100)
    assert await follower.follow(60) >= 100 - LAG_ROUNDS


async def test_a_peer_that_leaves_in_the_middle_is_no_fault_of_ours() -> None:
    leaving = Teller("leaving", 300, 300)
    leaving.is_leaving = True
    follower = Follower(leaving, vouched=200)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.catch_up.run)
        await anyio.sleep(5)
        follower.peers[:] = [Teller("honest", 300, 300)]
        with anyio.fail_after(5):
            await follower.catch_up.wait_level()
        tasks.cancel_scope.cancel()


async def test_the_memory_for_strangers_is_bounded() -> None:
    follower = Follower(vouched=200)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.catch_up.run)
        for number in range(1_100):
            stranger = Teller(f"stranger {number}", 10**6, 0)
            stranger.is_leaving = True
            follower.peers[:] = [stranger]
            await anyio.sleep(0.6)
        tasks.cancel_scope.cancel()
    assert len(follower.catch_up._delays_s) == 1_024  # a bound shows in nothing else
