"""Fixtures of the web page's tests: a real node, a real browser, and some transfers to look at."""

import shutil
from collections.abc import AsyncIterator

import pytest
from msgspec import Struct

from tangle.api.schemas.transactions import TransactionAnswer
from tangle.client.client import TangleClient
from tangle.core.address import encode_address
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transfer
from tangle.core.types import Grains
from tests.acceptance.support import NodeUnderTest, found_devnet, running
from tools.headless_browser import Page, browse, find_browser

ALICE = SigningKey(b"a" * 32)
BOB = SigningKey(b"b" * 32)
TRANSFERS = 6


class Site(Struct, frozen=True):
    """A node with a few final transfers, and a browser that looks at it."""

    node: NodeUnderTest
    page: Page
    sent: tuple[TransactionAnswer, ...]
    alice: str
    bob: str

    async def open(self, place: str = "") -> None:
        """Open a place of the page and wait until the node is there."""
        await self.page.open(f"{self.node.url}/#/{place}")
        await self.page.wait("document.body.dataset.state === 'live'")
        await self.page.wait("document.querySelector('h1') && !document.querySelector('.loading')")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The client and the browser's driver use aiohttp."""
    return "asyncio"


@pytest.fixture(scope="module")
def browser() -> str:
    """A Chromium."""
    path = find_browser()
    if path is None:
        pytest.skip("there is no Chromium on this machine; on Debian: apt-get install chromium")
    return path


@pytest.fixture(scope="module")
def node_js() -> str:
    """A Node.js."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("there is no Node.js on this machine")
    return path


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NodeUnderTest]:
    """A network of one validator, for all tests of a module."""
    with running(found_devnet(tmp_path_factory.mktemp("web") / "net", 1)) as network:
        (node,) = network.nodes
        await node.wait_ready()
        yield node


@pytest.fixture(scope="module")
async def site(node: NodeUnderTest, browser: str) -> AsyncIterator[Site]:
    """That network with transfers from Alice to Bob, in a browser."""
    async with TangleClient(node.url) as client:
        await client.wait_transaction(await client.request_faucet(ALICE.public_key))
        sent = [await client.send(ALICE, Transfer(BOB.public_key, Grains(5))) for _ in range(TRANSFERS)]
    names = [encode_address("dmst", key.public_key) for key in (ALICE, BOB)]
    async with browse(browser) as page:
        await page.set_size(1280, 860)
        await page.set_theme("dark")
        yield Site(node, page, tuple(sent), *names)
