"""Textual runs on asyncio only."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The one backend of these tests."""
    return "asyncio"
