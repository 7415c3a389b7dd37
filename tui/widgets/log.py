"""The event tail with its filter."""

from collections.abc import Iterator

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.reactive import reactive
from textual.widgets import Input, RichLog

from tui.drawing.palette import Palette
from tui.drawing.units import format_clock
from tui.snapshot import LOG_ENTRIES, LogEntry, Snapshot
from tui.widgets.panel import get_palette

FILTER_LENGTH = 80
"""Characters of a filter: one line."""

TOPIC_WIDTH = 11
"""Cells for the topic: the longest is ``transaction``."""


NARROW_BELOW = 60
"""Cells of width under which the topic is only a coloured mark."""


class LogPanel(Vertical):
    """Shows new entries below the old ones, only those that match."""

    snapshot: reactive[Snapshot | None] = reactive(None)
    """What to show; bound to the application's."""

    words: reactive[str] = reactive("")
    """The filter; entries that do not contain it are hidden."""

    def __init__(self) -> None:
        super().__init__()
        self._shown_id = 0

    def compose(self) -> ComposeResult:
        """The tail, and under it the filter while it is open."""
        yield RichLog(max_lines=LOG_ENTRIES, wrap=False, min_width=0)
        yield Input(
            placeholder="filter: a word of the topic or the text", max_length=FILTER_LENGTH, compact=True
        )

    def on_mount(self) -> None:
        """Title the border; hide the input; rewrite when the theme changes."""
        self.query_one(Input).display = False
        self._write_title()
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._rewrite())

    def open_filter(self) -> None:
        """Show the input and move into it."""
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def close_filter(self, *, is_kept: bool) -> None:
        """Hide the input; forget the filter unless it is kept."""
        field = self.query_one(Input)
        if not is_kept:
            field.value = ""
        field.display = False
        self.query_one(RichLog).focus()

    def forget(self) -> None:
        """Another node will be shown: what is there is not its own."""
        self._shown_id = 0
        self.query_one(RichLog).clear()

    @property
    def is_filtering(self) -> bool:
        """Whether the input is open or a filter is in force."""
        return bool(self.words) or self.query_one(Input).display

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the reader types."""
        event.stop()
        self.words = event.value.strip().lower()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, leave the input."""
        event.stop()
        self.close_filter(is_kept=True)

    def on_resize(self) -> None:
        """Write lines that suit the new width."""
        self._rewrite()

    def watch_snapshot(self) -> None:
        """Write what is new."""
        if self.snapshot is None or not self.is_mounted:
            return
        if self.snapshot.log and self.snapshot.log[-1].id < self._shown_id:
            self._rewrite()  # another history: the node was started afresh
        else:
            self._write(entry for entry in self.snapshot.log if entry.id > self._shown_id)

    def watch_words(self) -> None:
        """Show what matches now."""
        if self.is_mounted:
            self._write_title()
            self._rewrite()

    def _rewrite(self) -> None:
        """Write everything anew."""
        self.forget()
        if self.snapshot is not None:
            self._write(iter(self.snapshot.log))

    def _write(self, entries: Iterator[LogEntry]) -> None:
        """Append the entries that match."""
        palette, tail = get_palette(self), self.query_one(RichLog)
        for entry in entries:
            self._shown_id = entry.id
            if self.words in f"{entry.topic} {entry.text}".lower():
                tail.write(draw_entry(entry, self.size.width - 1, palette))

    def _write_title(self) -> None:
        """Say in the border what is filtered."""
        self.border_title = f"Log · {self.words}" if self.words else "Log"


def draw_entry(entry: LogEntry, width: int, palette: Palette) -> Text:
    """One line: time, topic (a mark of its colour where there is little room), text."""
    tones = {
        "checkpoint": palette.primary,
        "model": palette.special,
        "committee": palette.active,
        "transaction": palette.warn,
        "peer": palette.good,
    }
    line = Text(format_clock(entry.timestamp_ms), palette.muted)
    mark = "▪" if width < NARROW_BELOW else f"{entry.topic:<{TOPIC_WIDTH}}"
    line.append(f" {mark} ", tones.get(entry.topic, palette.muted))
    line.append(entry.text, palette.text)
    line.truncate(width, overflow="ellipsis")
    return line
