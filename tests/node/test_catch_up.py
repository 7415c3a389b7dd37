"""Whom a node follows that is behind: the furthest, as long as it brings something."""

from typing import Any, cast

import anyio

from tangle.core.types import Shard
from tangle.net.errors import SessionClosed
from tangle.net.messages import BlockItems, GetRounds, OrderedItems
from tangle.node.catch_up import LAG_ROUNDS, CatchUp, Progress
from tangle.node.peering import Peering


class Teller:
    """A peer that says it is at ``round``, and has as many rounds of blocks as it has."""

    def __init__(self, name: str, told_round: int, rounds: int, *, is_leaving: bool = False) -> None:
        self.name = name
        self.is_leaving = is_leaving
        self.round = told_round
        self.rounds = rounds

    async def request(self, request: Any) -> Any:
        await anyio.sleep(0.01)
        if self.is_leaving:
            raise SessionClosed(b"closed")
        if not isinstance(request, GetRounds):
            return OrderedItems(0, request.first_index, ())
        last = min(request.last_round, self.rounds)
        return BlockItems(
            0, tuple(bytes([number]) for number in range(request.first_round, last + 1)), is_last=True
        )


class Company:
    """Those who are connected."""

    def __init__(self, *peers: Teller) -> None:
        self.peers = list(peers)

    def get_peers(self) -> list[Teller]:
        return self.peers


def make_catch_up(company: Company, rounds: set[int]) -> CatchUp:
    """Of a node that has accepted blocks of these rounds."""
    return CatchUp(
        peering=cast(Peering, company),
        shard=Shard(0),
        get_progress=lambda: Progress(max(rounds), 0),
        on_transactions=lambda items, peer: None,
        on_blocks=lambda items, peer: rounds.update(item[0] for item in items),
    )


async def follow(*peers: Teller) -> int:
    """The round that a node reaches in a minute, which must then hold itself for level."""
    rounds = {0}
    catch_up = make_catch_up(Company(*peers), rounds)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(catch_up.run)
        await anyio.sleep(30)
        with anyio.fail_after(30):
            await catch_up.wait_level()
        tasks.cancel_scope.cancel()
    return max(rounds)


async def test_a_node_follows_who_is_ahead() -> None:
    assert await follow(Teller("honest", 200, 200), Teller("slow", 50, 50)) > 200 - LAG_ROUNDS - 1


async def test_a_boaster_is_not_followed_for_ever() -> None:
    assert await follow(Teller("boaster", 10**6, 0), Teller("honest", 200, 200)) > 200 - LAG_ROUNDS - 1


async def test_a_boaster_alone_does_not_keep_a_node_waiting() -> None:
    assert await follow(Teller("boaster", 10**6, 0)) == 0


async def test_a_peer_that_leaves_in_the_middle_is_no_fault_of_ours() -> None:
    company = Company(Teller("leaving", 300, 300, is_leaving=True))
    catch_up = make_catch_up(company, {0})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(catch_up.run)
        await anyio.sleep(5)
        company.peers.clear()
        await catch_up.wait_level()
        tasks.cancel_scope.cancel()
