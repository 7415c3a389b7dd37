"""Fixtures of the command line's tests."""

from pathlib import Path

import pytest

from tests.cli.builders import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A home that does not exist yet, and nobody at the keyboard."""
    return Terminal(tmp_path / "home")


@pytest.fixture
def anyio_backend() -> str:
    """The command line's client runs on asyncio only (aiohttp)."""
    return "asyncio"
