"""What is missing is asked for as long as somebody needs it, also when it is far below what they named."""

from typing import cast

import anyio

from tangle.core.parameters import MINIMAL
from tangle.ledger.events import SubDagEvent, Waiting
from tangle.ledger.subdag import SubDag
from tangle.net.ledger_messages import GetTransactions
from tangle.node.archive import Archive
from tangle.node.fetcher import ATTEMPTS_MAX, RETRY_S
from tangle.node.ingest import Intake
from tangle.node.missing import MissingTransactions
from tangle.node.peer import Peer
from tangle.store.memory_store import MemoryStore
from tests.drawing.subdag import GENESIS_ID, SubDagDrawing
from tests.node.test_fetcher import Bench, FakePeer


class EmptyIntake:
    """Nothing is on its way in."""

    def has(self, _: object) -> bool:
        return False


def make_missing(it: Bench, subdag: SubDag, told: list[SubDagEvent]) -> MissingTransactions:
    return MissingTransactions(
        subdag=subdag,
        archive=Archive(MemoryStore()),
        intake=cast(Intake, EmptyIntake()),
        fetcher=it.fetcher,
        on_subdag_events=told.extend,
        get_ordered_total=lambda: 0,
    )


async def test_what_a_waiting_transaction_lacks_is_asked_for_again_after_it_was_given_up() -> None:
    drawing = SubDagDrawing("b: ghost\n c: b\n d: c other")
    peer = FakePeer("a")
    it = Bench(peer)
    subdag = SubDag(MINIMAL, GENESIS_ID)
    told: list[SubDagEvent] = []
    missing = make_missing(it, subdag, told)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.fetcher.run)
        for name in "bcd":
            for event in subdag.process_transaction(drawing[name]):
                assert isinstance(event, Waiting)
                missing.want(event.missing, None)
        await anyio.sleep(RETRY_S * (ATTEMPTS_MAX + 20))
        assert it.fetcher.depth == 0
        peer.asked.clear()
        missing.want([drawing["d"].id], None)
        await anyio.sleep(RETRY_S)
        asked = {
            each for request in peer.asked if isinstance(request, GetTransactions) for each in request.ids
        }
        assert asked == {drawing.get_id("ghost"), drawing.get_id("other")}
        tasks.cancel_scope.cancel()
    assert not told


async def test_the_past_of_news_is_news_until_a_block_needs_it() -> None:
    drawing = SubDagDrawing("a: genesis; b: a")
    a, orphan = drawing["a"], drawing["b"]
    peer = FakePeer("a")
    it = Bench(peer)
    subdag = SubDag(MINIMAL, GENESIS_ID)
    missing = make_missing(it, subdag, [])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.fetcher.run)
        (event,) = subdag.process_transaction(orphan)
        assert event == Waiting(orphan.id, (a.id,), False)
        missing.want((a.id,), None, is_needed=event.is_needed)
        peer.has[a.id] = a.encoded
        await anyio.sleep(1)
        assert (it.came, it.news) == ([], [a.encoded])
        assert it.fetcher.depth == 0
        # There was no room for it as news. Now a block names the orphan, which is here and waits.
        missing.want((orphan.id,), cast(Peer, peer))
        await anyio.sleep(1)
        assert (set(it.came), it.news) == ({a.encoded}, [a.encoded])
        tasks.cancel_scope.cancel()
