"""Every key does what the help page says."""

from functools import cache

import pytest
from msgspec.structs import replace
from textual.command import CommandPalette
from textual.widgets import Input, RichLog

from tests.tui.screens import open_dashboard
from tests.tui.scripted import record_devnet
from tui.keys import KEYS, VIEW_KEYS, View, ViewKey
from tui.link import Phase
from tui.snapshot import Outage, Snapshot
from tui.themes import THEMES
from tui.widgets.help import HelpScreen
from tui.widgets.log import LogPanel

TESTED = {
    "q",
    "question_mark",
    "p",
    "slash",
    "f",
    "n",
    "o",
    "right_square_bracket",
    "left_square_bracket",
    "escape",
    "tab",
    "ctrl+p",
}


@cache
def get_recording() -> tuple[Snapshot, ...]:
    return record_devnet(40)


def test_every_key_has_a_test() -> None:
    assert {key.key for key in KEYS} == TESTED
    assert [entry.key for entry in VIEW_KEYS] == ["1", "2", "3", "4", "5", "6", "7"]
    assert {entry.view for entry in VIEW_KEYS} == set(View)


async def test_q_quits() -> None:
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        await session.press("q")
        assert not session.app.is_running


@pytest.mark.parametrize("entry", VIEW_KEYS, ids=lambda entry: entry.key)
async def test_digits_show_their_view(entry: ViewKey) -> None:
    shown = {
        View.OVERVIEW: {"DagPanel", "IntelligencePanel", "CommitteePanel", "LogPanel"},
        View.DAG: {"DagPanel"},
        View.INTELLIGENCE: {"IntelligencePanel"},
        View.COMMITTEE: {"CommitteePanel", "PeersPanel"},
        View.LOG: {"LogPanel"},
        View.JOBS: {"JobsPanel"},
        View.RESOURCES: {"ResourcesPanel"},
    }
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        await session.press("5", entry.key)
        assert session.app.view is entry.view
        panels = {type(panel).__name__ for panel in session.app.query(".panel") if panel.display}
        assert panels == shown[entry.view]


async def test_question_mark_opens_help_and_closes_it() -> None:
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        for closing in ("question_mark", "escape", "q"):
            await session.press("question_mark")
            assert isinstance(session.app.screen, HelpScreen)
            await session.press(closing)
            assert not isinstance(session.app.screen, HelpScreen)
        assert session.app.is_running


async def test_p_holds_everything_still_and_lets_it_go_on() -> None:
    first, second = get_recording()[-2:]
    async with open_dashboard(ticks=[first]) as session:
        await session.press("p")
        await session.tick(second)
        assert session.app.snapshot is first
        assert "PAUSED" in session.read_screen()[0]
        assert "live" in session.read_screen()[0]
        await session.press("p")
        assert session.app.snapshot is second
        assert "PAUSED" not in session.read_screen()[0]


async def test_slash_filters_the_log_and_escape_ends_it() -> None:
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        tail = session.app.query_one(LogPanel).query_one(RichLog)
        everything = len(tail.lines)
        await session.press("slash", *"MODEL")
        assert isinstance(session.app.focused, Input)
        assert 0 < len(tail.lines) < everything
        assert all("generation" in line.text for line in tail.lines)
        await session.press("enter")
        assert tail.has_focus
        assert not session.app.query_one(Input).display
        assert session.app.query_one(LogPanel).words == "model"
        await session.press("escape")
        assert len(tail.lines) == everything


async def test_slash_shows_the_log_where_it_is_hidden() -> None:
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        await session.press("2", "slash")
        assert session.app.view is View.LOG
        assert session.app.query_one(Input).display


async def test_the_filter_holds_for_new_entries() -> None:
    recording = get_recording()
    async with open_dashboard(ticks=recording[:1]) as session:
        await session.press("slash", *"model", "enter")
        for snapshot in recording[3::6]:
            await session.tick(snapshot)
        lines = [line.text for line in session.app.query_one(LogPanel).query_one(RichLog).lines]
        expected = [entry for entry in recording[-1].log if entry.topic == "model"]
        assert len(lines) == len(expected) > 0


async def test_keys_typed_into_the_filter_are_text() -> None:
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        await session.press("slash", "q", "p", "2")
        assert session.app.query_one(Input).value == "qp2"
        assert session.app.is_running
        assert not session.app.is_paused


def rename(snapshot: Snapshot, name: str) -> Snapshot:
    """The same figures of another node, with a line in its log that says so."""
    entry = replace(snapshot.log[-1], text=f"written by {name}")
    return replace(snapshot, node=replace(snapshot.node, name=name), log=(*snapshot.log[:-1], entry))


async def test_brackets_walk_through_the_nodes() -> None:
    last = get_recording()[-1]
    nodes = [rename(last, name) for name in ("north", "east", "south")]
    async with open_dashboard((120, 40), nodes[:1], [nodes[1:2], nodes[2:]]) as session:
        shown = []
        for key in [*["right_square_bracket"] * 3, "left_square_bracket"]:
            await session.press(key)
            assert session.app.snapshot is not None
            shown.append(session.app.snapshot.node.name)
            lines = [line.text for line in session.app.query_one(LogPanel).query_one(RichLog).lines]
            assert any(f"written by {shown[-1]}" in line for line in lines)
            assert sum("written by" in line for line in lines) == 1
        assert shown == ["east", "south", "north", "south"]
        assert all(name in session.read_screen()[0] for name in ("north", "east", "south"))


async def test_a_node_that_is_not_shown_changes_only_its_mark() -> None:
    first, second = get_recording()[-2:]
    async with open_dashboard((120, 40), [first], [[]]) as session:
        await session.tick(Outage(reason="connection refused", attempt=1, retry_s=1.0), place=1)
        assert session.app.link.phase is Phase.LIVE
        assert "✕" in session.read_screen()[0]
        await session.press("right_square_bracket")
        assert "connection refused" in "\n".join(session.read_screen())
        await session.tick(second, place=1)
        assert session.app.snapshot is second


async def test_brackets_do_nothing_where_there_is_one_node() -> None:
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        before = session.read_screen()
        await session.press("right_square_bracket", "left_square_bracket")
        assert session.read_screen() == before


async def test_escape_goes_back_to_the_overview() -> None:
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        await session.press("3", "escape")
        assert session.app.view is View.OVERVIEW


async def test_tab_moves_through_the_panels() -> None:
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        visited = []
        for _ in range(5):
            await session.press("tab")
            assert session.app.focused is not None
            visited.append(type(session.app.focused).__name__)
        assert visited == ["DagPanel", "IntelligencePanel", "CommitteePanel", "RichLog", "DagPanel"]


async def test_ctrl_p_opens_the_palette() -> None:
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        await session.press("ctrl+p")
        assert isinstance(session.app.screen, CommandPalette)


async def test_the_palette_knows_our_commands() -> None:
    async with open_dashboard(ticks=get_recording()[-1:]) as session:
        commands = {command.title: command for command in session.app.get_system_commands(session.app.screen)}
        assert {"Show DAG", "Pause", "Filter the log"} <= set(commands)
        commands["Show DAG"].callback()
        assert session.app.view is View.DAG


@pytest.mark.parametrize("theme", [*(theme.name for theme in THEMES), "nord"])
async def test_every_theme_draws_every_view(theme: str) -> None:
    async with open_dashboard((120, 40), get_recording()[-1:]) as session:
        session.app.theme = theme
        for entry in VIEW_KEYS:
            await session.press(entry.key)
            assert any(line.strip() for line in session.read_screen()[3:-1])


async def test_the_dashboard_recovers_by_itself() -> None:
    first, second = get_recording()[-2:]
    async with open_dashboard(ticks=[first]) as session:
        await session.tick(Outage(reason="connection refused", attempt=1, retry_s=1.0))
        assert "disconnected, retrying" in session.read_screen()[0]
        assert session.app.snapshot is first
        await session.tick(second)
        assert "live" in session.read_screen()[0]
        assert session.app.snapshot is second


async def test_resizing_rearranges() -> None:
    async with open_dashboard((80, 24), get_recording()[-1:]) as session:
        for size, peers, is_tiny in (
            ((120, 40), True, False),
            ((40, 10), False, True),
            ((80, 24), False, False),
        ):
            await session.pilot.resize_terminal(*size)
            await session.pilot.pause()
            text = "\n".join(session.read_screen())
            assert ("Peers" in text) is peers
            assert ("too small" in text) is is_tiny
