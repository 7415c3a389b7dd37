"""Fast answers of real nodes: the ledger settles what was answered; money that is gone buys nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from msgspec.structs import replace

from aivm.backends.program_protocol import OracleBackend
from aivm.oracle.graph.run import run_program
from aivm.program.binding import BoundProgram, Tensor
from poi.market.errors import LacksFunds, ProgramUnconfirmed, UnknownProgram
from poi.market.operations import OpenJob, RegisterProgram, encode_operation
from poi.market.outcomes import Ending, JobEnded
from tangle.core.transactions import MarketCall, Transaction
from tangle.core.types import Grains, Milliseconds, PublicKey, Sequence, TransactionId
from tangle.node.jobs.bench import InlineBench
from tangle.node.ledgerbook import LedgerBook
from tangle.node.replicas.errors import ReplicasSilent, ReplicasWithheld, Unpaid
from tangle.node.replicas.opening import open_replicas
from tangle.node.replicas.orders import read_order
from tangle.node.replicas.room import ReplicaRoom
from tangle.node.sandbox.runner import InlineRunner
from tests.node.jobs.bazaar import Bazaar, bazaar_of, make_program, make_rows
from tests.node.wallets import Wallet, submit, wait_final
from tests.node.world import RICHES, wait_until

BOUND = make_program(64)
ESCROW = 10**7

LATE = 6
"""Looks at what comes before a transaction that find nothing yet: two of each validator."""


class Fast:
    """A bazaar whose nodes give fast answers."""

    def __init__(self, bazaar: Bazaar, rooms: list[ReplicaRoom]) -> None:
        self.bazaar = bazaar
        self.rooms = rooms

    async def build(
        self,
        inputs: tuple[Tensor, ...],
        *,
        wallet: Wallet | None = None,
        escrow: int = ESCROW,
        ahead: int = 0,
    ) -> Transaction:
        """A signed transaction that opens a job over these rows."""
        bazaar = self.bazaar
        task = await bazaar.make_task(BOUND, inputs)
        now_ms = bazaar.node.executor.machine.state.timestamp_ms
        operation = OpenJob(
            task, Grains(10**6), Grains(ESCROW), Milliseconds(now_ms + 600_000), Milliseconds(20_000)
        )
        wallet = wallet or bazaar.customer
        sequence = None
        if ahead:
            sequence = (await bazaar.service.prepare(wallet.address, with_work=False)).sequence + ahead
        return await wallet.build(
            bazaar.service,
            sequence=sequence,
            bend=lambda body: replace(body, operation=MarketCall(encode_operation(operation))),
        )


@asynccontextmanager
async def fast_nodes(bound: BoundProgram | None = BOUND) -> AsyncIterator[Fast]:
    async with bazaar_of(4) as bazaar, anyio.create_task_group() as tasks:
        rooms = []
        for shop in bazaar.shops:
            runner = InlineRunner(OracleBackend())
            room = open_replicas(shop.member.node, shop.blobs, runner, InlineBench())
            await tasks.start(room.run)
            rooms.append(room)
        if bound is not None:
            await bazaar.register(bound)
        yield Fast(bazaar, rooms)
        tasks.cancel_scope.cancel()


async def test_an_answer_comes_at_once_and_the_job_is_paid_afterwards() -> None:
    async with fast_nodes() as fast:
        inputs = make_rows(BOUND, 2)
        transaction = await fast.build(inputs)
        begun_s = anyio.current_time()
        answer = await fast.rooms[0].answer(transaction.encoded, tuple(each.tobytes() for each in inputs))
        assert anyio.current_time() - begun_s < 0.3
        assert answer.outputs == tuple(each.tobytes() for each in run_program(BOUND, inputs))
        assert (answer.level, len(answer.assigned)) == (4, 3)
        found = await fast.bazaar.wait_event(answer.job, lambda event: isinstance(event, JobEnded))
        assert isinstance(found, JobEnded)
        assert found.ending is Ending.PAID
        fast.bazaar.check_books()


async def test_the_answer_of_a_job_that_is_open_already_is_the_same() -> None:
    async with fast_nodes() as fast:
        inputs = make_rows(BOUND, 1)
        transaction = await fast.build(inputs)
        await submit(fast.bazaar.service, transaction)
        await wait_final(fast.bazaar.service, transaction.id)
        data = tuple(each.tobytes() for each in inputs)
        job = read_order(transaction.encoded, data).job
        await wait_until(lambda: job in fast.bazaar.market_jobs)
        answer = await fast.rooms[1].answer(transaction.encoded, data)
        assert answer.outputs == tuple(each.tobytes() for each in run_program(BOUND, inputs))


async def test_several_in_a_row_before_any_is_ordered() -> None:
    async with fast_nodes() as fast:
        for seed in range(4):
            inputs = make_rows(BOUND, 1, seed)
            transaction = await fast.build(inputs)
            answer = await fast.rooms[0].answer(transaction.encoded, tuple(each.tobytes() for each in inputs))
            assert answer.outputs == tuple(each.tobytes() for each in run_program(BOUND, inputs))


async def test_what_is_not_registered_or_not_confirmed_is_not_run() -> None:
    async with fast_nodes(None) as fast:
        inputs = make_rows(BOUND, 1)
        data = tuple(each.tobytes() for each in inputs)
        transaction = await fast.build(inputs)
        with pytest.raises(UnknownProgram):
            await fast.rooms[0].answer(transaction.encoded, data)
        blob = await fast.bazaar.shops[0].blobs.put(b"no package", is_pinned=False)
        cost = BOUND.plan.cost
        registration = RegisterProgram(BOUND.plan.program_id, cost.macs, cost.steps, cost.bytes_moved, blob)
        await fast.bazaar.call(registration)
        # Validators find no program in it and vote against it; until they have, it is not confirmed.
        transaction = await fast.build(inputs)
        with pytest.raises((ProgramUnconfirmed, UnknownProgram)):
            await fast.rooms[0].answer(transaction.encoded, data)


async def test_an_account_without_the_money_gets_nothing() -> None:
    async with fast_nodes() as fast:
        inputs = make_rows(BOUND, 1)
        pauper = Wallet("pauper")
        await fast.bazaar.customer.send(fast.bazaar.service, recipient=pauper.address, amount=ESCROW)
        await fast.bazaar.world.wait_level()
        transaction = await fast.build(inputs, wallet=pauper)
        with pytest.raises(LacksFunds):
            await fast.rooms[0].answer(transaction.encoded, tuple(each.tobytes() for each in inputs))


async def test_money_that_an_earlier_transaction_takes_buys_nothing() -> None:
    async with fast_nodes() as fast:
        inputs, spender = make_rows(BOUND, 1), Wallet("dave")
        await spender.send(fast.bazaar.service, amount=RICHES - ESCROW)
        transaction = await fast.build(inputs, wallet=spender)
        with pytest.raises((ReplicasWithheld, ReplicasSilent, LacksFunds)) as caught:
            await fast.rooms[0].answer(transaction.encoded, tuple(each.tobytes() for each in inputs))
        if isinstance(caught.value, ReplicasWithheld):
            assert "replica-unpaid" in caught.value.reasons


async def test_a_number_that_cannot_be_next_buys_nothing() -> None:
    async with fast_nodes() as fast:
        inputs = make_rows(BOUND, 1)
        transaction = await fast.build(inputs, ahead=2)
        with pytest.raises(ReplicasWithheld) as caught:
            await fast.rooms[0].answer(transaction.encoded, tuple(each.tobytes() for each in inputs))
        assert caught.value.reasons == ("replica-unpaid",)


async def test_what_comes_before_may_come_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fast_nodes() as fast:
        inputs, looks = make_rows(BOUND, 1), [0]
        find = LedgerBook.find_pending

        def find_late(book: LedgerBook, issuer: PublicKey, sequence: int) -> TransactionId | None:
            looks[0] += 1
            return None if looks[0] <= LATE else find(book, issuer, sequence)

        await fast.bazaar.customer.send(fast.bazaar.service)
        transaction = await fast.build(inputs)
        monkeypatch.setattr(LedgerBook, "find_pending", find_late)
        answer = await fast.rooms[0].answer(transaction.encoded, tuple(each.tobytes() for each in inputs))
        assert answer.outputs == tuple(each.tobytes() for each in run_program(BOUND, inputs))
        assert looks[0] > 0


async def test_a_number_that_was_used_is_refused() -> None:
    async with fast_nodes() as fast:
        inputs = make_rows(BOUND, 1)
        transaction = await fast.build(inputs)
        body = replace(transaction.body, sequence=Sequence(0))
        old = await fast.bazaar.customer.build(fast.bazaar.service, bend=lambda _: body)
        with pytest.raises(Unpaid):
            await fast.rooms[0].answer(old.encoded, tuple(each.tobytes() for each in inputs))
