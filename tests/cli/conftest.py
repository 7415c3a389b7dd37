"""Fixtures of the command line's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tangle.wallet.keystore import DerivationCost
from tests.cli.builders import Terminal
from tests.cli.running import run_single_node


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A home that does not exist yet, and nobody at the keyboard."""
    return Terminal(tmp_path / "home")


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Wallets whose passwords are quick to try: what is tested here is not their strength."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tangle.cli.networks.PASSWORD_COST", DerivationCost(operations=1, memory_bytes=8192))
        yield


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A running network of one validator; nobody is at the keyboard."""
    with run_single_node(tmp_path_factory.mktemp("node")) as terminal:
        yield terminal


@pytest.fixture
def anyio_backend() -> str:
    """The command line's client runs on asyncio only (aiohttp)."""
    return "asyncio"
