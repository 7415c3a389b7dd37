"""Processes take real time: these tests run on both event loops with clocks that go by themselves."""

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops, without the virtual time of the tests around here."""
    name: str = request.param
    return name
