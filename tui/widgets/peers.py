"""The table of connected peers."""

from rich.text import Text
from textual.reactive import reactive
from textual.widgets import DataTable

from tui.drawing.palette import Palette
from tui.drawing.units import format_bytes, format_count, format_duration, format_key, format_milliseconds
from tui.snapshot import PeerFacts, Snapshot
from tui.widgets.panel import get_palette

COLUMNS = ("", "peer", "address", "rtt", "checkpoint", "score", "in", "out", "since")
"""Heads of the columns."""

COLUMNS_BY_WIDTH = ((84, 9), (74, 8), (60, 6), (0, 5))
"""From how many cells of width on how many of them are shown."""


class PeersPanel(DataTable[Text]):
    """A row for every peer, the slowest last."""

    snapshot: reactive[Snapshot | None] = reactive(None)
    """What to draw; bound to the application's."""

    def __init__(self) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, show_cursor=False)
        self._shape: tuple[str, ...] = ()

    def on_mount(self) -> None:
        """Title the border; redraw when the theme changes."""
        self.border_title = "Peers"
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._fill())

    def on_resize(self) -> None:
        """Show as many columns as fit."""
        self._fill()

    def watch_snapshot(self) -> None:
        """Fill the table anew."""
        self._fill()

    def _fill(self) -> None:
        """Write all rows; keep the place where the reader is."""
        if not self.is_mounted or self.snapshot is None:
            return
        palette = get_palette(self)
        shape = COLUMNS[: next(count for width, count in COLUMNS_BY_WIDTH if self.size.width >= width)]
        if shape != self._shape:
            self.clear(columns=True)
            for label in shape:
                self.add_column(Text(label, palette.muted))
            self._shape = shape
        offset = self.scroll_offset
        self.clear()
        for peer in sorted(self.snapshot.peers, key=_get_order):
            self.add_row(*_draw_peer(peer, palette)[: len(shape)])
        self.border_title = f"Peers · {len(self.snapshot.peers)}"
        self.scroll_to(offset.x, offset.y, animate=False)


def _get_order(peer: PeerFacts) -> tuple[bool, float, str]:
    """Validators first, then the quick ones."""
    return not peer.is_validator, peer.round_trip_ms or float("inf"), peer.key


def _draw_peer(peer: PeerFacts, palette: Palette) -> list[Text]:
    """The cells of one peer."""
    tone = palette.good if peer.score >= 0 else palette.bad
    return [
        Text("→" if peer.is_outbound else "←", palette.active).append(
            "★" if peer.is_validator else " ", palette.warn
        ),
        Text(format_key(peer.key), palette.text),
        Text(peer.address, palette.muted),
        Text(format_milliseconds(peer.round_trip_ms), palette.text, justify="right"),
        Text(format_count(peer.checkpoint), palette.text, justify="right"),
        Text(f"{peer.score:+.1f}", tone, justify="right"),
        Text(format_bytes(peer.bytes_in), palette.muted, justify="right"),
        Text(format_bytes(peer.bytes_out), palette.muted, justify="right"),
        Text(format_duration(peer.connected_s), palette.muted, justify="right"),
    ]
