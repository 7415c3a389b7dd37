"""The fetcher: who mentioned it is asked first, then one peer after the other, a few requests each."""

from collections.abc import Sequence

import anyio
import pytest

from tangle.core.errors import TangleError
from tangle.core.transactions import Transaction
from tangle.core.types import Shard, TransactionId
from tangle.net.errors import RequestTimeout
from tangle.net.ledger_messages import BlockItems, GetBlocks, GetTransactions, TransactionItems
from tangle.net.messages import Request
from tangle.node.fetcher import ANNOUNCED_MAX, ATTEMPTS_MAX, OUTSTANDING_MAX, RETRY_S, WANTED_MAX, Fetcher
from tests.drawing.subdag import GENESIS_ID, make_transaction
from tests.node.test_finality import make_block

UNKNOWN = TransactionId(b"?" * 32)


class FakePeer:
    """Answers from what it has, after a while, or not at all."""

    def __init__(self, name: str, *has: Transaction, is_silent: bool = False) -> None:
        self.name = name
        self.has = {transaction.id: transaction.encoded for transaction in has}
        self.is_silent = is_silent
        self.outstanding = 0
        self.asked: list[Request] = []

    async def request(self, message: Request) -> TransactionItems | BlockItems:
        self.asked.append(message)
        self.outstanding += 1
        try:
            assert self.outstanding <= OUTSTANDING_MAX
            await anyio.sleep(10.0 if self.is_silent else 0.01)
            if self.is_silent:
                raise RequestTimeout(type(message).__name__, 10.0)
        finally:
            self.outstanding -= 1
        if isinstance(message, GetBlocks):
            return BlockItems(0, (), True)
        assert isinstance(message, GetTransactions)
        return TransactionItems(0, tuple(self.has[each] for each in message.ids if each in self.has))


class FakePeering:
    """A list of peers, and who was blamed."""

    def __init__(self, *peers: FakePeer) -> None:
        self.peers = list(peers)
        self.blamed: list[tuple[str, str]] = []

    def get_peers(self) -> list[FakePeer]:
        return self.peers

    def blame(self, peer: FakePeer, error: TangleError) -> None:
        self.blamed.append((peer.name, error.code))


class Bench:
    """A fetcher between fake peers."""

    def __init__(self, *peers: FakePeer) -> None:
        self.peering = FakePeering(*peers)
        self.came: list[bytes] = []
        self.news: list[bytes] = []
        self.fetcher = Fetcher(
            peering=self.peering,  # type: ignore[arg-type]  # the two methods that a fetcher uses
            shard=Shard(0),
            on_transactions=lambda items, _, is_needed: self.take(items, is_needed),
            on_blocks=lambda items, _: self.take(items),
            get_epoch=lambda: 0,
        )

    def take(self, items: Sequence[bytes], is_needed: bool = True) -> None:
        (self.came if is_needed else self.news).extend(items)


@pytest.fixture
def wanted() -> list[Transaction]:
    return [make_transaction([GENESIS_ID], name=f"wanted {number}") for number in range(12)]


async def test_who_mentioned_it_is_asked_first(wanted: list[Transaction]) -> None:
    peers = [FakePeer(name, *wanted) for name in "abcd"]
    it = Bench(*peers)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.fetcher.run)
        it.fetcher.want_transactions([transaction.id for transaction in wanted], peers[2])  # type: ignore[arg-type]  # a fake
        await anyio.sleep(0.1)
        tasks.cancel_scope.cancel()
    assert sorted(it.came) == sorted(transaction.encoded for transaction in wanted)
    assert [len(peer.asked) for peer in peers] == [0, 0, 1, 0]


async def test_the_others_are_asked_in_turn_until_it_comes(wanted: list[Transaction]) -> None:
    """Only the last has it, one is silent; the wishes begin at different peers."""
    peers = [FakePeer("a"), FakePeer("b", is_silent=True), FakePeer("c"), FakePeer("d", *wanted)]
    it = Bench(*peers)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.fetcher.run)
        it.fetcher.want_transactions([transaction.id for transaction in wanted], None)
        for _ in range(100):
            await anyio.sleep(RETRY_S / 4)
            here = set(it.came)
            it.fetcher.on_transactions_here(t.id for t in wanted if t.encoded in here)
        assert it.fetcher.depth == 0
        assert {transaction.encoded for transaction in wanted} == set(it.came)
        tasks.cancel_scope.cancel()


async def test_what_never_comes_is_given_up() -> None:
    peers = [FakePeer("a"), FakePeer("b")]
    it = Bench(*peers)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.fetcher.run)
        it.fetcher.want_transactions([UNKNOWN], None)
        it.fetcher.want_blocks([make_block(1).reference], None)
        await anyio.sleep(RETRY_S * (ATTEMPTS_MAX + 20))
        assert it.fetcher.depth == 0
        asked = [request for peer in peers for request in peer.asked if isinstance(request, GetTransactions)]
        assert len(asked) == ATTEMPTS_MAX
        tasks.cancel_scope.cancel()


async def test_nobody_to_ask_is_no_reason_to_forget(wanted: list[Transaction]) -> None:
    it = Bench()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.fetcher.run)
        it.fetcher.want_transactions([wanted[0].id], None)
        await anyio.sleep(100)
        assert it.fetcher.depth == 1
        it.peering.peers.append(FakePeer("late", *wanted))
        await anyio.sleep(1)
        assert set(it.came) == {wanted[0].encoded}
        tasks.cancel_scope.cancel()


async def test_what_was_not_asked_for_is_not_taken(wanted: list[Transaction]) -> None:
    liar = FakePeer("liar")
    liar.has = {wanted[0].id: wanted[1].encoded}
    it = Bench(liar)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.fetcher.run)
        it.fetcher.want_transactions([wanted[0].id], None)
        await anyio.sleep(0.1)
        tasks.cancel_scope.cancel()
    assert not it.came
    assert it.peering.blamed == [("liar", "response-unsolicited")]


def test_wishes_are_bounded() -> None:
    it = Bench()
    it.fetcher.want_transactions(
        (TransactionId(number.to_bytes(32, "big")) for number in range(WANTED_MAX + 10)), None
    )
    assert it.fetcher.depth == WANTED_MAX


async def test_what_was_only_announced_is_news_and_asked_for_no_more_once_it_came(
    wanted: list[Transaction],
) -> None:
    """It gets no privilege, unless somebody comes to need it meanwhile."""
    announcer = FakePeer("a", *wanted)
    it = Bench(announcer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.fetcher.run)
        it.fetcher.want_announced([transaction.id for transaction in wanted], announcer)  # type: ignore[arg-type]  # a fake
        it.fetcher.want_transactions([wanted[3].id], None)
        await anyio.sleep(RETRY_S / 2)
        assert it.came == [wanted[3].encoded]
        assert sorted(it.news) == sorted(each.encoded for each in wanted if each is not wanted[3])
        assert it.fetcher.depth == 1
        tasks.cancel_scope.cancel()


async def test_announcements_leave_room_for_what_is_needed(wanted: list[Transaction]) -> None:
    announcer, other = FakePeer("a", is_silent=True), FakePeer("b", *wanted)
    it = Bench(announcer, other)
    made_up = [TransactionId(number.to_bytes(32, "big")) for number in range(WANTED_MAX + 10)]
    it.fetcher.want_announced(made_up, announcer)  # type: ignore[arg-type]  # a fake
    assert it.fetcher.depth == ANNOUNCED_MAX
    it.fetcher.want_transactions([transaction.id for transaction in wanted], other)  # type: ignore[arg-type]  # a fake
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.fetcher.run)
        await anyio.sleep(RETRY_S)
        assert sorted(it.came) == sorted(transaction.encoded for transaction in wanted)
        tasks.cancel_scope.cancel()
