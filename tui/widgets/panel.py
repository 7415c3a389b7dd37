"""What all drawn panels have in common: a border with a title, focus, and a body made of lines."""

from abc import abstractmethod
from collections.abc import Sequence

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tui.drawing.palette import Palette
from tui.snapshot import Snapshot


def get_palette(widget: Widget) -> Palette:
    """The colours of the theme in force."""
    return Palette.from_variables(widget.app.theme_variables)


class Panel(Widget, can_focus=True):
    """Draws a part of the snapshot. A subclass says which in ``draw``."""

    title = ""
    """Stands in the upper border."""

    snapshot: reactive[Snapshot | None] = reactive(None)
    """What to draw; bound to the application's."""

    def on_mount(self) -> None:
        """Title the border; redraw when the theme changes."""
        self.border_title = self.title
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.refresh())

    def render(self) -> Text:
        """The body, cut to the panel's size."""
        if self.snapshot is None:
            return Text()
        width, height = self.size
        return Text("\n").join(self.draw(self.snapshot, width, height, get_palette(self))[:height])

    @abstractmethod
    def draw(self, snapshot: Snapshot, width: int, height: int, palette: Palette) -> Sequence[Text]:
        """Lines of at most ``width`` cells, at most ``height`` of them."""
