"""Following one transaction: found by its id or in the picture, looked at by the source, told in words."""

from functools import cache

import pytest
from msgspec.structs import replace
from textual.widgets import Input

from tests.tui.screens import check_picture, open_dashboard
from tests.tui.scripted import START_MS, record_devnet
from tui.drawing.dag import draw_dag
from tui.drawing.following import find_followed
from tui.drawing.palette import Palette
from tui.keys import View
from tui.snapshot import FollowedFacts, Snapshot, VertexState
from tui.trace import FollowTrace
from tui.widgets.follow import FollowScreen, find_transaction

STRANGER = "ab" * 32


@cache
def get_last() -> Snapshot:
    return record_devnet(200)[-1]


def look_closer(snapshot: Snapshot, identity: str) -> Snapshot:
    """What a source publishes that was told to follow."""
    known = find_followed(snapshot, identity)
    steps = tuple(
        (state, START_MS + 900 * place)
        for place, state in enumerate((VertexState.ATTACHED, VertexState.ORDERED, VertexState.CHECKPOINTED))
    )
    about = "1.5 MST to dmst1qzdkyes5hmre2f7g6qtk6pyuuukva2, of dmst1qpr4ttdu9guukx3lvsnv0fl6, fee 721 grains"
    return replace(snapshot, followed=replace(known, about=about, steps=steps))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_transaction_that_is_followed(size: tuple[int, int]) -> None:
    final = [vertex for vertex in get_last().dag.vertices if vertex.state is VertexState.CHECKPOINTED]
    chosen = final[-6].id
    async with open_dashboard(size, [look_closer(get_last(), chosen)]) as session:
        await session.press("2", "f", *chosen[:10], "enter")
        assert session.app.followed == chosen
        assert session.sources[0].followed[-1] == chosen
        check_picture(session, f"follow-{size[0]}x{size[1]}")


async def test_n_and_o_walk_through_the_picture() -> None:
    names = [vertex.id for vertex in get_last().dag.vertices]
    async with open_dashboard((120, 40), [get_last()]) as session:
        walked = []
        for key in ("n", "o", "o", "n", "n", "n"):
            await session.press(key)
            walked.append(names.index(session.app.followed) - len(names))
        assert walked == [-1, -2, -3, -2, -1, -1]
        assert session.app.view is View.OVERVIEW  # there is room for the account in it
        assert names[-1][:16] in "\n".join(session.read_screen())
        await session.press("escape")
        assert session.app.followed == ""
        assert session.sources[0].followed[-1] is None


@pytest.mark.parametrize("key", ["n", "o"])
async def test_following_shows_the_picture_where_it_is_hidden(key: str) -> None:
    async with open_dashboard(ticks=[get_last()]) as session:
        await session.press("5", key)
        assert session.app.view is View.DAG


async def test_nothing_can_be_followed_where_nothing_is() -> None:
    empty = replace(get_last(), dag=replace(get_last().dag, vertices=()))
    async with open_dashboard(ticks=[empty]) as session:
        await session.press("n", "o")
        assert session.app.followed == ""


async def test_f_asks_and_escape_leaves_it() -> None:
    async with open_dashboard(ticks=[get_last()]) as session:
        shown = []
        for keys in (["f"], ["q", "escape"]):
            await session.press(*keys)
            shown.append(type(session.app.screen) is FollowScreen)
        assert shown == [True, False]
        assert (session.app.followed, session.app.is_running) == ("", True)


@pytest.mark.parametrize("typed", ["zz", "ffffffffffff", "  ", "1" * 63])
async def test_what_is_no_transaction_is_refused_in_words(typed: str) -> None:
    async with open_dashboard(ticks=[get_last()]) as session:
        await session.press("f")
        session.app.screen.query_one(Input).value = typed
        await session.press("enter")
        assert session.app.followed == ""
        assert [notice.severity for notice in session.app._notifications] == ["warning"]


async def test_a_whole_id_that_the_picture_lacks_is_asked_for() -> None:
    async with open_dashboard((120, 40), ticks=[get_last()]) as session:
        await session.press("f")
        session.app.screen.query_one(Input).value = STRANGER
        await session.press("enter")
        assert session.sources[0].followed[-1] == STRANGER
        assert "not known to this node" in "\n".join(session.read_screen())
        conflicting = FollowedFacts(STRANGER, VertexState.CONFLICTING, reason="sequence 18 is already used")
        await session.tick(replace(get_last(), followed=conflicting))
        text = "\n".join(session.read_screen())
        assert "sequence 18 is already used" in text
        assert "→ ✕ conflict" in text


async def test_another_node_is_not_asked_for_it() -> None:
    async with open_dashboard((120, 40), [get_last()], [[get_last()]]) as session:
        await session.press("n", "right_square_bracket")
        assert session.app.followed == ""
        assert session.sources[0].followed[-1] is None or session.sources[1].followed[-1] is None


def test_an_id_is_found_by_how_it_begins() -> None:
    known = ["aa11", "aa22", "bb33"]
    assert find_transaction("AA", known) == "aa22"
    assert find_transaction(" bb33 ", known) == "bb33"
    assert find_transaction("cc", known) is None
    assert find_transaction("", known) is None
    assert find_transaction("bb33; rm", known) is None
    assert find_transaction(STRANGER, known) == STRANGER


def test_lines_to_parents_and_children_stand_out() -> None:
    variables = dict.fromkeys(("secondary", "accent", "success", "warning", "error"), "#101010")
    variables |= {"foreground": "#ffffff", "background": "#000000", "primary": "#00ff00"}
    palette = Palette.from_variables(variables | {"tangle-muted": "#202020", "tangle-faint": "#303030"})
    vertices = get_last().dag.vertices
    chosen = next(vertex for vertex in reversed(vertices) if len(vertex.parents) == 2)

    def count_bright(followed: str | None) -> int:
        lines = draw_dag(vertices, 100, 30, palette, followed)
        spans = [(line, span) for line in lines for span in line.spans if span.style == palette.text]
        return sum(len(line.plain[span.start : span.end].replace(" ", "")) for line, span in spans)

    assert count_bright(None) == 0
    assert 0 < count_bright(chosen.id) < 100
    assert count_bright("unknown") == 0


def test_steps_are_stamped_once_and_forgotten_with_the_next() -> None:
    trace = FollowTrace()
    trace.follow("aa")
    trace.update(VertexState.ATTACHED, 5)
    trace.follow("aa")
    trace.update(VertexState.ATTACHED, 7)
    assert trace.update(VertexState.ORDERED, 9) == ((VertexState.ATTACHED, 5), (VertexState.ORDERED, 9))
    trace.follow("bb")
    assert trace.update(VertexState.ORDERED, 11) == ((VertexState.ORDERED, 11),)
