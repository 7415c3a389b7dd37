"""A machine whose clock is wrong, as ``tangle status`` and ``tangle doctor`` tell of it."""

import pytest

from tangle.cli.doctor_command import examine_clock
from tangle.cli.status_command import describe_status, get_reasons
from tangle.client.reading import NodeReader
from tangle.node.views import ReadinessCheck
from tests.api.ledger_double import LedgerDouble
from tests.api.serving import serve

NOW_MS = 1_764_000_000_000


@pytest.fixture
def anyio_backend() -> str:
    """The client needs asyncio."""
    return "asyncio"


class ClockDouble(LedgerDouble):
    """A node that finds its clock wrong, or right."""

    is_right = False

    def get_readiness(self) -> tuple[ReadinessCheck, ...]:
        detail = "within 12 ms of the validators' clocks" if self.is_right else "60 min ahead; set it"
        return (ReadinessCheck("clock", self.is_right, detail),)


async def test_a_wrong_clock_is_a_bad_finding() -> None:
    node = ClockDouble()
    async with serve(node) as addresses:
        finding = await examine_clock(addresses.api, NOW_MS)
        assert (finding.is_good, finding.detail) == (False, "60 min ahead; set it")
        node.is_right = True
        finding = await examine_clock(addresses.api, NOW_MS)
        assert (finding.is_good, finding.detail) == (True, "within 12 ms of the validators' clocks")


async def test_other_reasons_say_nothing_against_the_clock() -> None:
    node = LedgerDouble()
    node.is_synced = False
    async with serve(node) as addresses:
        assert (await examine_clock(addresses.api, NOW_MS)).is_good


async def test_without_a_node_there_is_nothing_to_compare_with() -> None:
    finding = await examine_clock("http://127.0.0.1:1", NOW_MS)
    assert finding.is_good
    assert finding.detail == "2025-11-24 16:00:00 UTC; no node runs here to compare it with"


@pytest.mark.parametrize(("is_synced", "words"), [(True, "yes"), (False, "no\nsynced: 0 checkpoints behind")])
async def test_status_says_what_keeps_a_node_from_being_ready(is_synced: bool, words: str) -> None:
    node = LedgerDouble()
    node.is_synced = is_synced
    async with serve(node) as addresses, NodeReader(addresses.api) as client:
        answer, reasons = await client.get_status(), await get_reasons(client)
    assert describe_status(answer, reasons)["ready"] == words
