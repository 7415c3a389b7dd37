"""The dashboard as an application: it receives ticks, holds the view, and hands both to the widgets.

It asks no node itself and knows no clock of its own: a source publishes ticks, the clock is handed in.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from typing import ClassVar, assert_never

from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import AwaitMount
from textual.widgets import Footer

from tui.keys import KEYS, VIEW_KEYS, View
from tui.layout import Arrangement, compute_arrangement
from tui.link import Link, Phase, compute_link
from tui.live import LiveSource
from tui.snapshot import Outage, Snapshot, Tick
from tui.sources import RecordedSource, SnapshotSource, read_recording
from tui.themes import DEFAULT_THEME, FALLBACK_VARIABLES, THEMES
from tui.widgets.drawn import CommitteePanel, DagPanel, IntelligencePanel, JobsPanel
from tui.widgets.header import FIRST_LINK, Empty, Header, TooSmall
from tui.widgets.help import HelpScreen
from tui.widgets.log import LogPanel
from tui.widgets.peers import PeersPanel

AGE_INTERVAL_S = 0.5
"""How often the connection is judged anew; ages are shown in whole seconds."""

DEFAULT_URL = "http://127.0.0.1:14265"
"""Where a node's API listens unless told otherwise."""

MonotonicClock = Callable[[], float]
"""Seconds that never go back, from any beginning."""


class Dashboard(App[None]):
    """Watches one source."""

    CSS_PATH: ClassVar[str | PurePath | list[str | PurePath] | None] = "dashboard.tcss"
    TITLE: str | None = "tangle"
    AUTO_FOCUS: ClassVar[str | None] = None
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(key.key, key.action, key.title, show=key.is_in_footer, key_display=key.shown)
            for key in KEYS
        ),
        *(Binding(entry.key, f"show('{entry.view}')", entry.title, show=False) for entry in VIEW_KEYS),
    ]

    snapshot: reactive[Snapshot | None] = reactive(None)
    """What the panels show."""

    link: reactive[Link] = reactive(FIRST_LINK)
    """How the connection stands."""

    view: reactive[View] = reactive(View.OVERVIEW)
    """What the body shows."""

    is_paused: reactive[bool] = reactive(False)
    """Whether the panels are held still."""

    def __init__(self, source: SnapshotSource, *, clock: MonotonicClock = time.monotonic) -> None:
        super().__init__()
        self._source = source
        self._clock = clock
        self._started_s = clock()
        self._received_s: float | None = None
        self._outage: Outage | None = None
        self._latest: Snapshot | None = None
        self._arrangement = Arrangement.COMPACT

    # ── what is there ───────────────────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Header, body, footer; the stand-ins wait hidden."""
        header = Header(self._source.label)
        yield header.data_bind(Dashboard.snapshot, Dashboard.link, Dashboard.view, Dashboard.is_paused)
        with Container(id="body"):
            panels = (
                DagPanel(),
                IntelligencePanel(),
                CommitteePanel(),
                PeersPanel(),
                LogPanel(),
                JobsPanel(),
            )
            for panel in panels:
                panel.add_class("panel")
                yield panel.data_bind(Dashboard.snapshot)
        yield Empty(self._source.label).data_bind(Dashboard.link)
        yield TooSmall()
        yield Footer(show_command_palette=True)

    def on_mount(self) -> None:
        """Begin to listen."""
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DEFAULT_THEME
        self._restyle()
        self.set_interval(AGE_INTERVAL_S, self.judge_link)
        self.run_worker(self._source.run(self.on_tick), name="source", group="source", exclusive=True)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own colours, for themes that lack them."""
        return dict(FALLBACK_VARIABLES)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Textual's commands, the views, and our keys."""
        yield from super().get_system_commands(screen)
        for entry in VIEW_KEYS:
            yield SystemCommand(f"Show {entry.title}", entry.help.capitalize(), self._make_show(entry.view))
        yield SystemCommand("Pause", "Hold all panels still, or let them go on", self.action_toggle_pause)
        yield SystemCommand("Filter the log", "Show only lines with a word", self.action_filter_log)

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────

    def on_tick(self, tick: Tick) -> None:
        """Take a tick from the source."""
        match tick:
            case Snapshot():
                self._latest, self._outage, self._received_s = tick, None, self._clock()
                if not self.is_paused:
                    self.snapshot = tick
            case Outage():
                self._outage = tick
            case _:
                assert_never(tick)
        self.judge_link()

    def judge_link(self) -> None:
        """Say anew how the connection stands."""
        self.link = compute_link(self._clock(), self._started_s, self._received_s, self._outage)
        self._restyle()

    def on_resize(self, event: events.Resize) -> None:
        """Arrange the panels for the new size."""
        self._arrangement = compute_arrangement(*event.size)
        self._restyle()

    def watch_view(self) -> None:
        """Show the panels of the view."""
        self._restyle()

    def _restyle(self) -> None:
        """Put the classes on the main screen that the stylesheet asks for."""
        if not self.screen_stack:
            return
        main = self.screen_stack[0]
        for candidate in Arrangement:
            main.set_class(candidate is self._arrangement, f"-{candidate}")
        for view in View:
            main.set_class(view is self.view, f"view-{view}")
        main.set_class(self.snapshot is None, "-empty")
        main.set_class(self.link.phase in (Phase.STALE, Phase.DISCONNECTED), "-old")

    # ── what the keys do ────────────────────────────────────────────────────────────────────────────────────

    def action_show(self, view: str) -> None:
        """Show a view."""
        self.view = View(view)

    def action_toggle_pause(self) -> None:
        """Hold the panels, or show the latest and go on."""
        self.is_paused = not self.is_paused
        if not self.is_paused:
            self.snapshot = self._latest

    def action_filter_log(self) -> None:
        """Open the filter; the log must be in sight."""
        log = self.query_one(LogPanel)
        if not log.display:
            self.view = View.LOG
        log.open_filter()

    def action_leave(self) -> None:
        """End the filter; with none, go back to the overview."""
        log = self.query_one(LogPanel)
        if log.is_filtering:
            log.close_filter(is_kept=False)
        else:
            self.view = View.OVERVIEW

    def action_toggle_help(self) -> AwaitMount:
        """Show the help page; it closes itself."""
        return self.push_screen(HelpScreen())

    def _make_show(self, view: View) -> Callable[[], None]:
        """A command that shows ``view``."""
        return lambda: self.action_show(view)


def run_dashboard(url: str = DEFAULT_URL) -> None:
    """Watch the node whose API is at ``url`` until the user quits; a node that is away is waited for."""
    Dashboard(LiveSource(url)).run()


def run_replay(path: Path, *, interval_s: float = 1.0) -> None:
    """Show a recorded session until the user quits.

    :raises ValueError: the file is not a recording.
    """
    Dashboard(RecordedSource(str(path), read_recording(path), interval_s)).run()
