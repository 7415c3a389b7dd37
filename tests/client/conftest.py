"""The client's tests run against a real server over a node in memory; aiohttp runs on asyncio only."""

from collections.abc import AsyncIterator

import pytest

from tangle.client.client import TangleClient
from tests.api.ledger_double import LedgerDouble
from tests.api.serving import serve


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def ledger() -> LedgerDouble:
    return LedgerDouble()


@pytest.fixture
async def client(ledger: LedgerDouble) -> AsyncIterator[TangleClient]:
    async with serve(ledger) as addresses, TangleClient(addresses.api, chain=ledger.chain) as client:
        yield client
