"""Fixtures of the API's tests: one node, one server, one plain HTTP client. aiohttp runs on asyncio only."""

from collections.abc import AsyncIterator

import pytest

from tests.api.ledger_double import LedgerDouble
from tests.api.serving import Http, connect, serve


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def ledger() -> LedgerDouble:
    return LedgerDouble()


@pytest.fixture
async def http(ledger: LedgerDouble) -> AsyncIterator[Http]:
    async with serve(ledger) as addresses, connect(addresses.api) as client:
        yield client
