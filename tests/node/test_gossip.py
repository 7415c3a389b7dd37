"""Who is told of a new transaction, how, and when."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import anyio

from simnet.scheduling import run_in_virtual_time
from tangle.core.transactions import Transaction
from tangle.core.types import TransactionId
from tangle.net.messages import Announce, Prepared, Transactions, decode_message
from tangle.node.gossip import (
    FLUSH_INTERVAL_S,
    NEWS_MAX,
    PUSH_OTHERS,
    PUSH_VALIDATORS,
    RELAY_INTERVAL_S,
    Gossip,
)
from tangle.node.peer import Peer
from tangle.node.peering import Peering
from tests.node.twins import SeededRandomness


class Listener:
    """A peer that notes what it is sent, and when."""

    def __init__(self, number: int = 0, *, is_validator: bool = False) -> None:
        self.public_key = number.to_bytes(32, "big")
        self.is_validator = is_validator
        self.heard: list[tuple[float, object]] = []

    def send(self, message: Prepared) -> None:
        self.heard.append((round(anyio.current_time(), 6), decode_message(message.payload)))


def make_transaction(number: int) -> Transaction:
    identity, encoded = number.to_bytes(32, "big"), number.to_bytes(4, "big")
    return cast(Transaction, SimpleNamespace(id=TransactionId(identity), encoded=encoded))


def play(peers: Sequence[Listener], act: Callable[[Gossip], None]) -> None:
    async def main() -> None:
        gossip = Gossip(
            cast(Peering, cast(Any, SimpleNamespace(get_peers=lambda: peers))),
            SeededRandomness("g"),
            lambda _: (),
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gossip.run)
            act(gossip)
            await anyio.sleep(10 * RELAY_INTERVAL_S)
            assert gossip.depth == 0
            tasks.cancel_scope.cancel()

    run_in_virtual_time(main, 1)


def test_own_transactions_are_pushed_to_validators_and_some_and_announced_to_the_rest_later() -> None:
    validators = [Listener(number, is_validator=True) for number in range(PUSH_VALIDATORS + 1)]
    others = [Listener(100 + number) for number in range(PUSH_OTHERS + 3)]
    own = [make_transaction(1), make_transaction(2)]

    def act(gossip: Gossip) -> None:
        for transaction in own:
            gossip.add([transaction], None)

    play([*validators, *others], act)
    pushed = (FLUSH_INTERVAL_S, Transactions((own[0].encoded, own[1].encoded)))
    announced = (round(FLUSH_INTERVAL_S + RELAY_INTERVAL_S, 6), Announce((own[0].id, own[1].id)))
    at_once = (FLUSH_INTERVAL_S, announced[1])
    assert [peer.heard for peer in validators] == [[pushed]] * PUSH_VALIDATORS + [[at_once]]
    assert sorted(peer.heard == [pushed] for peer in others) == [False] * 3 + [True] * PUSH_OTHERS
    assert all(peer.heard in ([pushed], [announced]) for peer in others)


def test_whom_others_are_is_drawn_anew_each_time() -> None:
    others = [Listener(number) for number in range(4 * PUSH_OTHERS)]

    async def main() -> None:
        peering = cast(Peering, cast(Any, SimpleNamespace(get_peers=lambda: others)))
        gossip = Gossip(peering, SeededRandomness("g"), lambda _: ())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gossip.run)
            for number in range(40):
                gossip.add([make_transaction(number)], None)
                await anyio.sleep(1)
            tasks.cancel_scope.cancel()

    run_in_virtual_time(main, 1)
    pushes = [sum(isinstance(message, Transactions) for _, message in peer.heard) for peer in others]
    assert sum(pushes) == 40 * PUSH_OTHERS
    assert all(2 <= pushed <= 20 for pushed in pushes)
    assert all(len(peer.heard) == 40 for peer in others)


def test_a_committee_of_ten_has_everything_without_asking() -> None:
    validators = [Listener(number, is_validator=True) for number in range(9)]
    play(validators, lambda gossip: gossip.add([make_transaction(1)], None))
    assert all(isinstance(message, Transactions) for peer in validators for _, message in peer.heard)


def test_what_peers_brought_is_announced_later_and_not_to_them() -> None:
    peers = [Listener() for _ in range(3)]
    brought = [make_transaction(number) for number in range(3)]

    def act(gossip: Gossip) -> None:
        for transaction, source in zip(brought, peers, strict=True):
            gossip.add([transaction], cast(Peer, source))

    play(peers, act)
    for index, peer in enumerate(peers):
        ids = tuple(transaction.id for place, transaction in enumerate(brought) if place != index)
        assert peer.heard == [(RELAY_INTERVAL_S, Announce(ids))]


def test_news_of_both_kinds_has_one_limit() -> None:
    gossip = Gossip(cast(Peering, None), SeededRandomness("g"), lambda _: ())
    some = [make_transaction(number) for number in range(NEWS_MAX // 2 + 1)]
    gossip.add(some, None)
    gossip.add(some, cast(Peer, Listener()))
    assert gossip.depth == NEWS_MAX
