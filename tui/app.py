"""The dashboard as an application: it receives ticks, holds the view, and hands both to the widgets.

It asks no node itself and knows no clock of its own: a source publishes ticks, the clock is handed in.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import PurePath
from typing import ClassVar

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
from tui.link import Link, Phase
from tui.snapshot import Snapshot, Tick, Vertex
from tui.sources import SnapshotSource
from tui.themes import DEFAULT_THEME, FALLBACK_VARIABLES, THEMES
from tui.watch import NodeTab, Watch
from tui.widgets.drawn import CommitteePanel, DagPanel, IntelligencePanel, JobsPanel, ResourcesPanel
from tui.widgets.follow import FollowScreen, find_transaction
from tui.widgets.header import FIRST_LINK, Empty, Header, TooSmall
from tui.widgets.help import HelpScreen
from tui.widgets.log import LogPanel
from tui.widgets.peers import PeersPanel

AGE_INTERVAL_S = 0.5
"""How often the connection is judged anew; ages are shown in whole seconds."""

MonotonicClock = Callable[[], float]
"""Seconds that never go back, from any beginning."""


class Dashboard(App[None]):
    """Watches one source, or several of which it shows one."""

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

    tabs: reactive[tuple[NodeTab, ...]] = reactive(())
    """The nodes that are watched, where there are several."""

    label: reactive[str] = reactive("")
    """Where the node that is shown is."""

    followed: reactive[str] = reactive("")
    """Id of the transaction that is followed; empty for none."""

    def __init__(self, *sources: SnapshotSource, clock: MonotonicClock = time.monotonic) -> None:
        """:param sources: at least one; the first is shown at the beginning."""
        super().__init__()
        self._clock = clock
        self._watches: Sequence[Watch] = [Watch(source, clock()) for source in sources]
        self._place = 0
        self._arrangement = Arrangement.COMPACT

    # ── what is there ───────────────────────────────────────────────────────────────────────────────────────

    def compose(self) -> ComposeResult:
        """Header, body, footer; the stand-ins wait hidden."""
        yield Header().data_bind(
            Dashboard.snapshot,
            Dashboard.link,
            Dashboard.view,
            Dashboard.is_paused,
            Dashboard.tabs,
            Dashboard.label,
        )
        with Container(id="body"):
            panels = (
                DagPanel(),
                IntelligencePanel(),
                CommitteePanel(),
                PeersPanel(),
                LogPanel(),
                JobsPanel(),
                ResourcesPanel(),
            )
            for panel in panels:
                panel.add_class("panel")
                bound = panel.data_bind(Dashboard.snapshot)
                yield bound.data_bind(Dashboard.followed) if isinstance(panel, DagPanel) else bound
        yield Empty().data_bind(Dashboard.link, Dashboard.label)
        yield TooSmall()
        yield Footer(show_command_palette=True)

    def on_mount(self) -> None:
        """Begin to listen."""
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DEFAULT_THEME
        self._restyle()
        self.judge_link()
        self.set_interval(AGE_INTERVAL_S, self.judge_link)
        for watch in self._watches:
            self.run_worker(watch.source.run(partial(self.on_tick, watch)), group="source")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own colours, for themes that lack them."""
        return dict(FALLBACK_VARIABLES)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Textual's commands, the views, and our keys."""
        yield from super().get_system_commands(screen)
        for entry in VIEW_KEYS:
            yield SystemCommand(f"Show {entry.title}", entry.help.capitalize(), self._make_show(entry.view))
        for place, watch in enumerate(self._watches if len(self._watches) > 1 else ()):
            yield SystemCommand(
                f"Watch {watch.name}", f"The node at {watch.source.label}", partial(self.show_node, place)
            )
        yield SystemCommand("Pause", "Hold all panels still, or let them go on", self.action_toggle_pause)
        yield SystemCommand("Follow a transaction", "Look closer at one, by its id", self.action_follow)
        yield SystemCommand("Filter the log", "Show only lines with a word", self.action_filter_log)

    # ── what happens ────────────────────────────────────────────────────────────────────────────────────────

    def on_tick(self, watch: Watch, tick: Tick) -> None:
        """Take a tick from a source."""
        watch.take(tick, self._clock())
        if watch is self._shown and not self.is_paused:
            self.snapshot = watch.latest
        self.judge_link()

    def judge_link(self) -> None:
        """Say anew how the connections stand."""
        now_s = self._clock()
        self.label = self._shown.source.label
        self.link = self._shown.judge(now_s)
        if len(self._watches) > 1:
            self.tabs = tuple(watch.make_tab(now_s, is_shown=watch is self._shown) for watch in self._watches)
        self._restyle()

    @property
    def _shown(self) -> Watch:
        """The node that the panels show."""
        return self._watches[self._place]

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
            self.snapshot = self._shown.latest

    def action_watch_next(self) -> None:
        """Show the next node."""
        self.show_node(self._place + 1)

    def action_watch_previous(self) -> None:
        """Show the node before."""
        self.show_node(self._place - 1)

    def show_node(self, place: int) -> None:
        """Show another of the nodes that are watched; behind the last comes the first."""
        place %= len(self._watches)
        if place == self._place:
            return
        self._place = place
        self.followed = ""
        self.query_one(LogPanel).forget()
        self.snapshot = self._shown.latest
        self.judge_link()

    def action_filter_log(self) -> None:
        """Open the filter; the log must be in sight."""
        log = self.query_one(LogPanel)
        if not log.display:
            self.view = View.LOG
        log.open_filter()

    def action_follow(self) -> AwaitMount:
        """Ask which transaction to follow."""
        return self.push_screen(FollowScreen(), self._on_asked)

    def _on_asked(self, typed: str | None) -> None:
        """Follow what was typed."""
        if not typed:
            return
        identity = find_transaction(typed, (vertex.id for vertex in self._get_vertices()))
        if identity is None:
            self.notify(
                "no transaction of the picture begins so; any other takes all 64 digits of its id",
                severity="warning",
            )
        else:
            self._follow(identity)

    def action_follow_newer(self) -> None:
        """Follow the transaction that came after; the newest, where none is followed."""
        self._follow_neighbour(1)

    def action_follow_older(self) -> None:
        """Follow the transaction that came before; the newest, where none is followed."""
        self._follow_neighbour(-1)

    def _get_vertices(self) -> Sequence[Vertex]:
        return () if self.snapshot is None else self.snapshot.dag.vertices

    def _follow_neighbour(self, step: int) -> None:
        names = [vertex.id for vertex in self._get_vertices()]
        if not names:
            return
        place = names.index(self.followed) + step if self.followed in names else len(names) - 1
        self._follow(names[min(max(place, 0), len(names) - 1)])

    def _follow(self, identity: str) -> None:
        """Show a transaction, and let the source look closer."""
        if not self.query_one(DagPanel).display or self._arrangement is Arrangement.COMPACT:
            self.view = View.DAG
        self.followed = identity

    def watch_followed(self) -> None:
        """Tell the source."""
        self._shown.source.follow(self.followed or None)

    def action_leave(self) -> None:
        """End the filter, or stop following; with neither, go back to the overview."""
        log = self.query_one(LogPanel)
        if log.is_filtering:
            log.close_filter(is_kept=False)
        elif self.followed:
            self.followed = ""
        else:
            self.view = View.OVERVIEW

    def action_toggle_help(self) -> AwaitMount:
        """Show the help page; it closes itself."""
        return self.push_screen(HelpScreen())

    def _make_show(self, view: View) -> Callable[[], None]:
        """A command that shows ``view``."""
        return lambda: self.action_show(view)
