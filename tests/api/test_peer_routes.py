"""The operator's routes about peers, over a real peering, and the client that asks them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tangle.api.config import ApiConfig
from tangle.api.server import OperatorDoor
from tangle.client.errors import ApiProblem
from tangle.client.operator import OperatorClient
from tangle.node.peer_desk import PeerDesk
from tests.api.ledger_double import LedgerDouble
from tests.api.serving import serve
from tests.api.test_operator_door import TOKEN, OperatorDouble
from tests.node.meeting import meet
from tests.node.twins import make_key

MALLORY = make_key("mallory").public_key.hex()


@asynccontextmanager
async def open_desk(ledger: LedgerDouble, token: str = TOKEN) -> AsyncIterator[OperatorClient]:
    async with meet() as meeting:
        operator = OperatorDouble(PeerDesk(await meeting.open(peers=["10.0.0.3"])))
        config = ApiConfig(port=0, metrics_port=None, admin_port=0)
        async with serve(ledger, config, door=OperatorDoor(operator, TOKEN)) as addresses:
            assert addresses.admin is not None
            async with OperatorClient(addresses.admin, token) as client:
                yield client


async def test_addresses_are_added_listed_and_removed(ledger: LedgerDouble) -> None:
    async with open_desk(ledger) as client:
        assert (
            await client.add_address("[2001:db8::1]:15600")
        ).done == "[2001:db8::1]:15600 is kept connected"
        found = {known.address: known for known in await client.list_addresses()}
        assert found["10.0.0.3:15600"].is_settled
        assert found["[2001:db8::1]:15600"].is_added
        assert found["[2001:db8::1]:15600"].public_key is None
        await client.remove_address("[2001:db8::1]:15600")
        assert [known.address for known in await client.list_addresses()] == ["10.0.0.3:15600"]


async def test_bans_are_made_listed_and_lifted(ledger: LedgerDouble) -> None:
    async with open_desk(ledger) as client:
        made = await client.ban(MALLORY, "spam")
        network = await client.ban("192.0.2.9/24", duration_s=60)
        assert (made.until_ms, made.is_manual, made.reason) == (None, True, "spam")
        assert network.until_ms == network.since_ms + 60_000
        assert [ban.subject for ban in await client.list_bans()] == [MALLORY, "192.0.2.0/24"]
        await client.unban("192.0.2.0/24")
        await client.unban(MALLORY)
        assert await client.list_bans() == ()


async def test_draining(ledger: LedgerDouble) -> None:
    async with open_desk(ledger) as client:
        assert (await client.drain(True)).is_draining
        answer = await client.drain(False)
        assert (answer.is_draining, answer.sessions) == (False, 0)


async def test_refusals(ledger: LedgerDouble) -> None:
    async with open_desk(ledger) as client:
        cases = (
            (lambda: client.add_address("nowhere"), 400, "address-invalid"),
            (lambda: client.add_address("x" * 1_000), 400, "request-invalid"),
            (lambda: client.remove_address("10.0.0.3:15600"), 422, "peer-settled"),
            (lambda: client.remove_address("10.0.0.4:15600"), 404, "not-found"),
            (lambda: client.ban("a.name"), 422, "ban-subject-invalid"),
            (lambda: client.ban(MALLORY, "x" * 201), 400, "request-invalid"),
            (lambda: client.ban(MALLORY, duration_s=0), 400, "request-invalid"),
            (lambda: client.unban("10.0.0.9"), 404, "not-found"),
        )
        for ask, status, code in cases:
            with pytest.raises(ApiProblem) as caught:
                await ask()
            assert (caught.value.status, caught.value.code) == (status, code)
        assert await client.list_bans() == ()


async def test_nothing_without_the_token(ledger: LedgerDouble) -> None:
    async with open_desk(ledger, token="guess") as client:
        with pytest.raises(ApiProblem) as caught:
            await client.ban(MALLORY)
        assert caught.value.code == "token-required"
