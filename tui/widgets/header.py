"""The two lines at the top, the stand-in while nothing is known, and the message for a small terminal."""

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tui.drawing.header import draw_empty, draw_nodes, draw_tabs, draw_title
from tui.keys import View
from tui.layout import MINIMUM_HEIGHT, MINIMUM_WIDTH
from tui.link import Link, Phase
from tui.snapshot import Snapshot
from tui.watch import NodeTab
from tui.widgets.panel import get_palette

FIRST_LINK = Link(phase=Phase.CONNECTING, age_s=0.0, has_data=False, outage=None)
"""How every dashboard begins."""


class Header(Widget):
    """Node, connection, views and health."""

    snapshot: reactive[Snapshot | None] = reactive(None)
    """Facts of the node."""

    link: reactive[Link] = reactive(FIRST_LINK)
    """State of the connection."""

    view: reactive[View] = reactive(View.OVERVIEW)
    """The view shown."""

    is_paused: reactive[bool] = reactive(False)
    """Whether the panels are held."""

    tabs: reactive[tuple[NodeTab, ...]] = reactive(())
    """The nodes that are watched, where there are several."""

    label: reactive[str] = reactive("")
    """Where the node is."""

    def render(self) -> Text:
        """Two lines."""
        palette = get_palette(self)
        node = None if self.snapshot is None else self.snapshot.node
        width = self.size.width
        if self.tabs:
            title = draw_nodes(self.tabs, self.link, self.is_paused, width, palette)
        else:
            title = draw_title(node, self.label, self.link, self.is_paused, width, palette)
        return title.append("\n").append_text(draw_tabs(node, self.link, self.view, width, palette))


class Empty(Widget):
    """Stands in the body until the first snapshot."""

    link: reactive[Link] = reactive(FIRST_LINK)
    """State of the connection."""

    label: reactive[str] = reactive("")
    """Where the node is."""

    def render(self) -> Text:
        """Who is asked, and why nothing came yet."""
        return draw_empty(self.label, self.link, self.size.width, self.size.height, get_palette(self))


class TooSmall(Widget):
    """Stands in for everything when the terminal is too small."""

    def render(self) -> Text:
        """What is needed and what there is."""
        palette = get_palette(self)
        width, height = self.app.size
        lines = [
            Text("the terminal is too small", f"bold {palette.warn}"),
            Text(f"needs {MINIMUM_WIDTH}×{MINIMUM_HEIGHT}, has {width}×{height}", palette.muted),  # noqa: RUF001 - sign
        ]
        for line in lines:
            line.pad_left(max(0, (width - line.cell_len) // 2))
        return Text("\n" * max(0, height // 2 - 1)).append_text(Text("\n").join(lines))
