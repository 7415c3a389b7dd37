"""Fixtures of the acceptance tests: networks of real processes that end with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.support import NetworkUnderTest, found_devnet, running


@pytest.fixture
def anyio_backend() -> str:
    """The client runs on asyncio only (aiohttp); the nodes have loops of their own."""
    return "asyncio"


@pytest.fixture
def four_nodes(tmp_path: Path) -> Iterator[NetworkUnderTest]:
    """Four validators, started."""
    with running(found_devnet(tmp_path / "net", 4)) as network:
        yield network


@pytest.fixture
def one_node(tmp_path: Path) -> Iterator[NetworkUnderTest]:
    """One validator, started."""
    with running(found_devnet(tmp_path / "net", 1)) as network:
        yield network


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured (``record_property``) at the end."""
    for report in terminalreporter.getreports("passed"):
        for name, figure in report.user_properties if report.when == "call" else ():
            terminalreporter.write_line(f"{report.nodeid.split('::')[-1]}: {name}: {figure}")
