"""Running the dashboard without a terminal, and comparing what it shows with stored pictures."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from tests.tui.scripted import ScriptedSource, StillClock
from tui.app import Dashboard
from tui.picture import export_picture
from tui.snapshot import Tick

PICTURES = Path(__file__).parent / "pictures"

UPDATE = "TANGLE_UPDATE_PICTURES"
"""Set to 1, this environment variable makes the tests write the stored pictures instead of comparing."""


class Session:
    """A running dashboard in the hands of a test."""

    def __init__(
        self, app: Dashboard, pilot: Pilot[None], sources: Sequence[ScriptedSource], clock: StillClock
    ) -> None:
        self.app = app
        self.pilot = pilot
        self.clock = clock
        self.sources = sources

    async def tick(self, tick: Tick, place: int = 0) -> None:
        """Let a source publish."""
        publish = self.sources[place].publish
        assert publish is not None
        publish(tick)
        await self.pilot.pause()

    async def wait(self, seconds: float) -> None:
        """Let time pass and the dashboard notice."""
        self.clock.now_s += seconds
        self.app.judge_link()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def read_screen(self) -> list[str]:
        """The screen's lines as plain text."""
        width, _ = self.app.size
        strips = self.app.screen._compositor.render_strips()
        return [strip.text[:width] for strip in strips]


@asynccontextmanager
async def open_dashboard(
    size: tuple[int, int] = (80, 24), ticks: Sequence[Tick] = (), others: Sequence[Sequence[Tick]] = ()
) -> AsyncIterator[Session]:
    """A dashboard of that size, after the ticks; it watches other nodes besides when they are given."""
    sources, clock = [ScriptedSource(each) for each in (ticks, *others)], StillClock()
    app = Dashboard(*sources, clock=clock)
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Session(app, pilot, sources, clock)


def check_picture(session: Session, name: str) -> None:
    """Compare the screen with the stored picture of that name, or store it."""
    stored, shown = PICTURES / f"{name}.svg", export_picture(session.app)
    if os.environ.get(UPDATE) == "1":
        PICTURES.mkdir(exist_ok=True)
        stored.write_text(shown, encoding="utf-8")
    assert stored.exists(), f"no picture {name} is stored; run the tests with {UPDATE}=1 and look at it"
    if shown != stored.read_text(encoding="utf-8"):
        found = stored.with_suffix(".found.svg")
        found.write_text(shown, encoding="utf-8")
        raise AssertionError(
            f"the screen differs from {stored}; compare {found}, or accept it with {UPDATE}=1"
        )
