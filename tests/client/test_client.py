"""Every method of the client against a real server: reading, sending, waiting, verifying."""

import anyio
import msgspec
import pytest

from poi.market.operations import CancelJob
from poi.market.records import Optimisation
from tangle.api.schemas.transactions import BatchOutcome, MarketCallAnswer, PreparedAnswer, TransferAnswer
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem, JobNotReached, NotReached
from tangle.core.errors import TangleError, WrongChain
from tangle.core.transactions import Transfer, Work
from tangle.core.types import ChainId, Digest, Grains, JobId, TransactionId
from tangle.node.market_views import JobPhase
from tangle.node.views import TransactionStatus
from tests.api.ledger_double import ALICE, BOB, ENDOWMENT, PORTION, VALIDATOR, LedgerDouble, make_genesis
from tests.api.serving import serve
from tests.api.test_market import PROBLEM, make_opening


def pay(amount: int) -> Transfer:
    return Transfer(BOB.public_key, Grains(amount))


async def test_send_goes_the_whole_way_and_the_proof_holds(
    client: TangleClient, ledger: LedgerDouble
) -> None:
    answer = await client.send(ALICE, pay(7))
    assert isinstance(answer.operation, TransferAnswer)
    assert (answer.status, answer.is_final, answer.operation.amount) == (
        TransactionStatus.CHECKPOINTED,
        True,
        7,
    )
    account = await client.get_account(BOB.public_key, min_checkpoint=answer.checkpoint)
    assert account.balance == 7
    assert await client.get_account(account.address) == account
    proven = await client.verify(answer.id, ledger.genesis)
    assert proven.transaction.encoded == await client.get_transaction_bytes(answer.id)


async def test_a_proof_under_another_genesis_does_not_hold(client: TangleClient) -> None:
    answer = await client.send(ALICE, pay(7))
    with pytest.raises(WrongChain):
        await client.verify(answer.id, make_genesis(salt=1))


async def test_the_wallet_can_do_the_work_itself(client: TangleClient, ledger: LedgerDouble) -> None:
    asked: list[PreparedAnswer] = []

    async def prove(prepared: PreparedAnswer) -> Work:
        asked.append(prepared)
        return Work(1, JobId(bytes(prepared.job)), int(prepared.generation), VALIDATOR.public_key, (42,))

    answer = await client.send(ALICE, pay(7), prove=prove)
    assert asked[0].work is None
    assert answer.work.results == (42,)
    assert ledger.lineage[-1].results == (42,)


async def test_a_client_of_another_chain_signs_nothing(ledger: LedgerDouble) -> None:
    async with serve(ledger) as addresses, TangleClient(addresses.api, chain=ChainId(bytes(8))) as client:
        with pytest.raises(WrongChain):
            await client.send(ALICE, pay(7))
        with pytest.raises(WrongChain):
            await client.get_genesis()
    assert ledger.views == {}


async def test_many_sends_of_one_account_at_once_never_share_a_number(client: TangleClient) -> None:
    sent = []

    async def send(amount: int) -> None:
        sent.append(await client.send(ALICE, pay(amount)))

    async with anyio.create_task_group() as tasks:
        for amount in range(1, 9):
            tasks.start_soon(send, amount)
    assert {answer.status for answer in sent} == {TransactionStatus.CHECKPOINTED}
    assert sorted(answer.sequence for answer in sent) == list(range(8))


async def test_a_conflict_is_returned_with_its_reason(client: TangleClient) -> None:
    answer = await client.send(ALICE, pay(2 * ENDOWMENT))
    assert (answer.status, answer.reason_code) == (TransactionStatus.CONFLICTING, "funds")


async def test_a_wait_that_is_not_fulfilled_is_an_error_of_its_own() -> None:
    ledger = LedgerDouble(is_automatic=False)
    async with serve(ledger) as addresses, TangleClient(addresses.api) as client:
        with pytest.raises(NotReached) as caught:
            await client.send(ALICE, pay(7), timeout_s=0.02)
        assert caught.value.found == TransactionStatus.ATTACHED
        ledger.make_checkpoint()
        answer = await client.wait_transaction(caught.value.identity, "checkpointed", timeout_s=5)
    assert answer.is_final


async def test_who_waits_for_finality_waits_for_a_conflicts_certificate_too(
    client: TangleClient, ledger: LedgerDouble
) -> None:
    answer = await client.send(ALICE, pay(2 * ENDOWMENT))
    identity = TransactionId(bytes(answer.id))
    ledger.views[identity] = msgspec.structs.replace(ledger.views[identity], is_final=False)
    assert not (await client.wait_transaction(identity, "ordered")).is_final
    with pytest.raises(NotReached):
        await client.wait_transaction(identity, "checkpointed", timeout_s=0.01)


async def test_faucet_submit_and_batch(client: TangleClient, ledger: LedgerDouble) -> None:
    identity = await client.request_faucet(BOB.public_key)
    await client.wait_transaction(identity)
    assert (await client.get_account(BOB.public_key)).balance == PORTION
    first = await ledger.make_transfer(ALICE, BOB.public_key, 1)
    assert (await client.submit(first)).is_new
    assert not (await client.submit(first.encoded)).is_new
    outcomes = await client.submit_batch([first, b"\x00"])
    assert [item.outcome for item in outcomes] == [BatchOutcome.KNOWN, BatchOutcome.REFUSED]
    assert outcomes[1].code == "encoding-malformed"


async def test_histories_come_page_by_page(client: TangleClient, ledger: LedgerDouble) -> None:
    sent = [(await client.send(ALICE, pay(amount))).id for amount in range(1, 6)]
    history = [item.id async for item in client.get_account_transactions(BOB.public_key, page_size=2)]
    assert history == sent[::-1]
    lineage = [item.transaction async for item in client.get_lineage(ledger.job, page_size=2)]
    assert lineage == sent
    assert [item.id for item in await client.get_recent(2)] == sent[-2:]
    assert sent[0] in [item.id for item in await client.get_neighbours(sent[1])]


async def test_reads_of_every_kind(client: TangleClient, ledger: LedgerDouble) -> None:
    await client.send(ALICE, pay(1))
    latest = await client.get_checkpoint()
    assert latest == await client.get_checkpoint(0, latest.index)
    assert (await client.get_shards())[0].checkpoint_digest == latest.digest
    models = await client.get_models()
    detail = await client.get_model(models[0].job)
    assert (detail.model, detail.curve[0].score) == (models[0], 40)
    assert await client.get_weights(models[0].job) == ledger.weights
    assert (await client.get_committee()).quorum == 1
    assert (await client.get_peers())[0].round_trip_ms is None
    assert bytes((await client.get_status()).chain) == ledger.chain
    assert (await client.get_events(after=1, limit=1))[0].id == 2
    assert msgspec.json.decode(await client.get_openapi())["openapi"] == "3.1.0"
    assert await client.get_genesis() == ledger.genesis


async def test_health(client: TangleClient, ledger: LedgerDouble) -> None:
    assert await client.is_live()
    assert await client.is_ready()
    assert (await client.get_readiness()).checks[0].is_met
    ledger.is_synced = False
    assert not await client.is_ready()
    with pytest.raises(ApiProblem) as caught:
        await client.get_readiness()
    assert caught.value.errors[0].path == "synced"


async def test_refusals_carry_the_nodes_own_code(client: TangleClient) -> None:
    with pytest.raises(ApiProblem) as caught:
        await client.get_transaction(bytes(32))
    assert (caught.value.code, caught.value.status) == ("not-found", 404)
    assert isinstance(caught.value, TangleError)
    assert ApiProblem.code == "api-problem"


async def test_an_operation_of_the_market_goes_the_same_way_and_is_tried_first(
    client: TangleClient, ledger: LedgerDouble
) -> None:
    answer = await client.call_market(ALICE, make_opening(ledger, Optimisation(PROBLEM)))
    assert answer.status is TransactionStatus.CHECKPOINTED
    assert isinstance(answer.operation, MarketCallAnswer)
    job = answer.operation.job
    assert job is not None
    found = await client.wait_job(job, lambda each: each.is_live, 5)
    assert (found.phase, found.customer) == (JobPhase.COLLECTING, answer.issuer)
    with pytest.raises(JobNotReached):
        await client.wait_job(job, lambda each: not each.is_live, 0)
    assert [event.name async for event in client.get_job_events(job)] == ["job-opened"]
    assert "optimisation job" in (await client.explain_job(job)).title
    before = len(ledger.ordered)
    with pytest.raises(ApiProblem) as refused:
        await client.call_market(ALICE, CancelJob(Digest(bytes(32))))
    assert refused.value.code == "job-not-live"
    assert len(ledger.ordered) == before, "nothing was sent"
    await client.call_market(ALICE, CancelJob(Digest(bytes(job))))
    assert (await client.get_job(job)).phase is JobPhase.CANCELLED
