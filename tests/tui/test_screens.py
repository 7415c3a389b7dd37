"""What the dashboard looks like, at every size and in every state, as stored pictures."""

from functools import cache

import pytest
from msgspec.structs import replace

from tests.tui.screens import check_picture, open_dashboard
from tests.tui.scripted import record_devnet
from tui.snapshot import Outage, Snapshot

OUTAGE = Outage(reason="connection refused", attempt=3, retry_s=2.0)


@cache
def get_last() -> Snapshot:
    return record_devnet(200)[-1]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_overview(size: tuple[int, int]) -> None:
    async with open_dashboard(size, [get_last()]) as session:
        check_picture(session, f"overview-{size[0]}x{size[1]}")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("2", "dag"),
        ("3", "intelligence"),
        ("4", "committee"),
        ("5", "log"),
        ("6", "jobs"),
        ("7", "resources"),
    ],
)
async def test_single_views(key: str, name: str) -> None:
    async with open_dashboard(ticks=[get_last()]) as session:
        await session.press(key)
        check_picture(session, f"{name}-80x24")


async def test_jobs_on_a_large_screen_and_without_any() -> None:
    async with open_dashboard((120, 40), [get_last()]) as session:
        await session.press("6")
        check_picture(session, "jobs-120x40")
    market = get_last().market
    assert market is not None
    quiet = replace(get_last(), market=replace(market, jobs=()))
    async with open_dashboard(ticks=[quiet]) as session:
        await session.press("6")
        assert any("no jobs yet" in line for line in session.read_screen())
        await session.tick(replace(quiet, market=None))
        assert any("no market" in line for line in session.read_screen())


async def test_resources_on_large_screens_and_without_any() -> None:
    for width, height in ((120, 40), (200, 60)):
        async with open_dashboard((width, height), [get_last()]) as session:
            await session.press("7")
            check_picture(session, f"resources-{width}x{height}")
    async with open_dashboard(ticks=[replace(get_last(), resources=None)]) as session:
        await session.press("7")
        assert any("does not tell" in line for line in session.read_screen())


async def test_several_nodes() -> None:
    last = get_last()
    others = [replace(last, node=replace(last.node, name=f"node-{number}")) for number in (1, 2)]
    async with open_dashboard((120, 40), [last], [others[:1], others[1:], [OUTAGE]]) as session:
        check_picture(session, "several-120x40")


async def test_help() -> None:
    async with open_dashboard(ticks=[get_last()]) as session:
        await session.press("question_mark")
        check_picture(session, "help-80x24")


async def test_connecting() -> None:
    async with open_dashboard() as session:
        await session.wait(3)
        check_picture(session, "connecting-80x24")


async def test_never_reached() -> None:
    async with open_dashboard(ticks=[OUTAGE]) as session:
        check_picture(session, "never-reached-80x24")


async def test_stale() -> None:
    async with open_dashboard(ticks=[get_last()]) as session:
        await session.wait(14)
        check_picture(session, "stale-80x24")


async def test_disconnected() -> None:
    async with open_dashboard(ticks=[get_last()]) as session:
        await session.wait(14)
        await session.tick(OUTAGE)
        check_picture(session, "disconnected-80x24")


async def test_terminal_too_small() -> None:
    async with open_dashboard((60, 15), [get_last()]) as session:
        check_picture(session, "too-small-60x15")


async def test_a_changed_cell_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TANGLE_UPDATE_PICTURES", raising=False)
    async with open_dashboard(ticks=[get_last()]) as session:
        await session.press("p")
        with pytest.raises(AssertionError, match="differs"):
            check_picture(session, "overview-80x24")
    from tests.tui.screens import PICTURES

    (PICTURES / "overview-80x24.found.svg").unlink()
