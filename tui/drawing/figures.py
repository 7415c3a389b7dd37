"""Large figures, three lines high, for the one number that should be seen from across the room."""

FIGURES = {
    "0": ("█▀█", "█ █", "▀▀▀"),
    "1": ("▀█ ", " █ ", "▀▀▀"),
    "2": ("▀▀█", "█▀▀", "▀▀▀"),
    "3": ("▀▀█", "▀▀█", "▀▀▀"),
    "4": ("█ █", "▀▀█", "  ▀"),
    "5": ("█▀▀", "▀▀█", "▀▀▀"),
    "6": ("█▀▀", "█▀█", "▀▀▀"),
    "7": ("▀▀█", "  █", "  ▀"),
    "8": ("█▀█", "█▀█", "▀▀▀"),
    "9": ("█▀█", "▀▀█", "▀▀▀"),
    ".": (" ", " ", "▀"),
    "%": ("▀ █", " █ ", "█ ▀"),
}
"""Lines of each character."""

FIGURE_LINES = 3
"""Height of all of them."""


def draw_figures(text: str) -> tuple[str, ...]:
    """``text`` in large figures; characters without a figure are left out."""
    drawn = [FIGURES[character] for character in text if character in FIGURES]
    return tuple(" ".join(figure[line] for figure in drawn) for line in range(FIGURE_LINES))
