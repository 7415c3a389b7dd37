"""A transaction that was dropped because its parent did not come is not lost for good: it may come again."""

from pathlib import Path
from typing import cast

import anyio
import pytest
from msgspec.structs import replace

from tangle.core.parameters import MINIMAL
from tangle.core.transactions import Transaction
from tangle.core.types import TransactionId
from tangle.ledger.accounts import EMPTY_ACCOUNT
from tangle.ledger.errors import SubDagFull
from tangle.ledger.events import Attached, Dropped, SubDagEvent
from tangle.ledger.limits import SubDagLimits
from tangle.ledger.pending import PendingBook
from tangle.ledger.subdag import SubDag
from tangle.node.computer import Computer
from tangle.node.disk_watch import DiskWatch
from tangle.node.gate import Gate
from tangle.node.ingest import Intake
from tangle.node.intake_entry import HandIn
from tangle.node.keeper import GIVEN_UP_KEPT_S
from tangle.node.ledgerbook import LedgerBook
from tangle.node.views import NotFound, TransactionStatus
from tangle.node.workboard import WorkBoard
from tangle.store.disk import MemoryDisk, Watermarks
from tangle.store.store import Table
from tests.drawing.subdag import GENESIS_ID, SubDagDrawing
from tests.node.wallets import Wallet, submit, wait_final, with_parents
from tests.node.world import PARAMETERS, Member, network_of, wait_until

pytestmark = pytest.mark.timeout(60)

LONG_EPOCH = replace(PARAMETERS, epoch_ms=3_600_000)
"""What a test does to a driver lasts an epoch."""

LASTING = replace(PARAMETERS, anchor_gap=1_000, expiry_gap=1_000)
"""Anchors last longer than the waiting room's patience."""

GHOST = TransactionId(b"?" * 32)
"""Nobody has it."""


async def test_a_dropped_transaction_may_be_sent_again_with_its_parent() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1, parameters=LASTING) as world:
        (service,) = world.services
        parent = await alice.build(service)
        child = await bob.build(service, bend=with_parents(parent.id))
        assert (await submit(service, child)).status is TransactionStatus.WAITING
        await wait_until(lambda: service.get_status().waiting == 0, timeout_s=120)
        view = service.get_transaction(child.id)
        assert (view.reason_code, view.is_final) == ("parents-missing", False)
        for transaction in (parent, child):
            assert (await submit(service, transaction)).error is None
        for transaction in (parent, child):
            assert (await wait_final(service, transaction.id)).status is TransactionStatus.CHECKPOINTED


async def test_a_dropped_transaction_leaves_the_disk_after_a_while() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1, parameters=LASTING) as world:
        (service,) = world.services
        parent = await alice.build(service)
        orphan = await bob.build(service, bend=with_parents(parent.id))
        await submit(service, orphan)
        await wait_until(lambda: service.get_status().waiting == 0, timeout_s=120)
        assert service.node.archive.find_transaction(orphan.id) is not None
        await wait_until(lambda: count_rows(world.members[0]) == 0, timeout_s=90)
        with pytest.raises(NotFound):
            service.get_transaction(orphan.id)


async def test_what_came_back_stays_on_the_disk_once() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1, parameters=LASTING) as world:
        (service,) = world.services
        parent = await alice.build(service)
        child = await bob.build(service, bend=with_parents(parent.id))
        await submit(service, child)
        await wait_until(lambda: service.get_status().waiting == 0, timeout_s=120)
        for transaction in (parent, child):
            assert (await submit(service, transaction)).error is None
        await wait_final(service, child.id)
        await anyio.sleep(GIVEN_UP_KEPT_S + 5)
        assert service.node.archive.get_transaction(child.id) is not None
        assert count_rows(world.members[0]) == 2


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_what_expired_unordered_leaves_the_disk(is_restarted: bool) -> None:
    """Also when the node restarts in between: it expires again, before a block could name it."""
    alice = Wallet("alice")
    async with network_of(1, parameters=LONG_EPOCH) as world:
        (member,) = world.members
        driver = member.node.driver
        driver._hooks = replace(driver._hooks, select_tips=lambda *_: ())
        sent = await alice.send(member.service)
        await wait_until(lambda: member.node.find_status(sent.id) is TransactionStatus.EXPIRED, timeout_s=120)
        if is_restarted:
            await member.stop()
            await member.start()
            assert member.node.find_status(sent.id) is TransactionStatus.EXPIRED
        await wait_until(lambda: count_rows(member) == 0, timeout_s=90)
        assert member.node.find_status(sent.id) is None
        assert member.service.get_account(alice.address).sequence == 0


async def test_what_was_dropped_before_a_restart_leaves_the_disk_too() -> None:
    alice = Wallet("alice")
    async with network_of(1, parameters=LASTING) as world:
        (member,) = world.members
        await submit(member.service, await alice.build(member.service, bend=with_parents(GHOST)))
        await wait_until(lambda: member.service.get_status().waiting == 0, timeout_s=120)
        # What others send meanwhile is ordered, and the place where a restart begins to look moves on.
        await wait_final(member.service, (await alice.send(member.service)).id)
        await member.stop()
        await member.start()
        await wait_until(lambda: count_rows(member) == 1, timeout_s=240)


def count_rows(member: Member) -> int:
    return len(member.disk[Table.TRANSACTIONS].keys)


class Anchors:
    """A work board that knows every anchor."""

    latest = 1_000

    def compute_fee(self, _: Transaction) -> int:
        """Nothing costs anything."""
        return 0


def test_a_stored_transaction_that_the_sub_dag_refuses_is_dropped_with_the_reason() -> None:
    drawing = SubDagDrawing("a: genesis; b: genesis; c: b")
    told: list[SubDagEvent] = []
    subdag = SubDag(MINIMAL, GENESIS_ID, SubDagLimits(unordered_max=1, needed_reserve=0))
    board = cast(WorkBoard, Anchors())
    intake = Intake(
        board=board,
        subdag=subdag,
        gate=Gate(board, LedgerBook(PendingBook(lambda _: EMPTY_ACCOUNT)), capacity=8, pending_max=1),
        computer=cast(Computer, None),
        hand_in=cast(HandIn, None),
        find_status=lambda _: None,
        on_events=lambda events, _: told.extend(events),
        on_refused=lambda *_: None,
        capacity=8,
        pending_max=1,
        disk=DiskWatch(MemoryDisk(), Watermarks(0, 0, 0), Path("home")),
    )
    intake.resubmit_stored(drawing["a"], is_needed=False)
    intake.resubmit_stored(drawing["b"], is_needed=False)
    attached, dropped = told
    assert attached == Attached(drawing["a"])
    assert isinstance(dropped, Dropped)
    assert (dropped.transaction_id, dropped.error.code) == (drawing["b"].id, SubDagFull.code)
    assert not intake.is_refused(drawing["b"].id)
    assert intake.depth == 0
