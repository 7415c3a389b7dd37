"""A canvas of braille dots: two across and four down in every character cell (Unicode block 2800)."""

BRAILLE_BASE = 0x2800
"""Code point of the empty cell."""

DOTS_ACROSS = 2
"""Dots side by side in a cell."""

DOTS_DOWN = 4
"""Dots above each other in a cell."""

DOT_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of each dot, by row and column inside its cell (Unicode, Braille Patterns)."""


class BrailleCanvas:
    """``width`` by ``height`` character cells, every dot off at first. Dots outside are ignored."""

    __slots__ = ("_cells", "height", "width")

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._cells = [[0] * width for _ in range(height)]

    def set_dot(self, x: int, y: int) -> None:
        """Switch a dot on; ``x`` counts dots from the left, ``y`` dots from the top."""
        if 0 <= x < self.width * DOTS_ACROSS and 0 <= y < self.height * DOTS_DOWN:
            self._cells[y // DOTS_DOWN][x // DOTS_ACROSS] |= DOT_BITS[y % DOTS_DOWN][x % DOTS_ACROSS]

    def draw_line(self, x0: int, y0: int, x1: int, y1: int) -> list[tuple[int, int]]:
        """Switch on the dots from one point to another; answers the cells touched, as (column, row)."""
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        touched: dict[tuple[int, int], None] = {}
        for step in range(steps + 1):
            x = round(x0 + (x1 - x0) * step / steps)
            y = round(y0 + (y1 - y0) * step / steps)
            self.set_dot(x, y)
            touched[(x // DOTS_ACROSS, y // DOTS_DOWN)] = None
        return list(touched)

    def is_blank(self, column: int, row: int) -> bool:
        """Whether no dot of a cell is on."""
        return self._cells[row][column] == 0

    def get_glyph(self, column: int, row: int) -> str:
        """The character of a cell; a space when it is blank."""
        bits = self._cells[row][column]
        return chr(BRAILLE_BASE + bits) if bits else " "
