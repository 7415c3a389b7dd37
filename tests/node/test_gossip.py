"""Who is told of a new transaction, how, and when."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import anyio

from simnet.scheduling import run_in_virtual_time
from tangle.core.transactions import Transaction
from tangle.core.types import TransactionId
from tangle.net.messages import Announce, Prepared, Transactions, decode_message
from tangle.node.gossip import FLUSH_INTERVAL_S, NEWS_MAX, PUSH_PEERS, RELAY_INTERVAL_S, Gossip
from tangle.node.peer import Peer
from tangle.node.peering import Peering


class Listener:
    """A peer that notes what it is sent, and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, object]] = []

    def send(self, message: Prepared) -> None:
        self.heard.append((round(anyio.current_time(), 6), decode_message(message.payload)))


def make_transaction(number: int) -> Transaction:
    identity, encoded = number.to_bytes(32, "big"), number.to_bytes(4, "big")
    return cast(Transaction, SimpleNamespace(id=TransactionId(identity), encoded=encoded))


def play(peers: Sequence[Listener], act: Callable[[Gossip], None]) -> None:
    async def main() -> None:
        gossip = Gossip(cast(Peering, cast(Any, SimpleNamespace(get_peers=lambda: peers))))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gossip.run)
            act(gossip)
            await anyio.sleep(10 * RELAY_INTERVAL_S)
            assert gossip.depth == 0
            tasks.cancel_scope.cancel()

    run_in_virtual_time(main, 1)


def test_own_transactions_are_pushed_to_the_first_peers_and_announced_to_the_rest() -> None:
    peers = [Listener() for _ in range(PUSH_PEERS + 2)]
    own = [make_transaction(1), make_transaction(2)]

    def act(gossip: Gossip) -> None:
        for transaction in own:
            gossip.add([transaction], None)

    play(peers, act)
    pushed = (FLUSH_INTERVAL_S, Transactions((own[0].encoded, own[1].encoded)))
    announced = (FLUSH_INTERVAL_S, Announce((own[0].id, own[1].id)))
    assert [peer.heard for peer in peers] == [[pushed]] * PUSH_PEERS + [[announced]] * 2


def test_a_committee_of_ten_has_everything_without_asking() -> None:
    validators = [Listener() for _ in range(9)]
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
    gossip = Gossip(cast(Peering, None))
    some = [make_transaction(number) for number in range(NEWS_MAX // 2 + 1)]
    gossip.add(some, None)
    gossip.add(some, cast(Peer, Listener()))
    assert gossip.depth == NEWS_MAX
