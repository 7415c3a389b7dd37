"""Which arrangement a terminal's size allows."""

from enum import StrEnum

MINIMUM_WIDTH = 72
"""Columns below which the panels would lie."""

MINIMUM_HEIGHT = 20
"""Rows below which they would."""

MEDIUM_WIDTH = 110
"""Columns from which peers fit beside the committee."""

MEDIUM_HEIGHT = 34
"""Rows from which the log gets a strip of its own."""

WIDE_WIDTH = 170
"""Columns from which three panels stand side by side."""

WIDE_HEIGHT = 44
"""Rows from which the upper panels are tall enough for it."""


class Arrangement(StrEnum):
    """How the overview lays its panels out; also the screen's style class."""

    TINY = "tiny"
    """Too small: only a message."""

    COMPACT = "compact"
    """Two by two, without the peers; 80 by 24 is the model."""

    MEDIUM = "medium"
    """All five in three rows; 120 by 40."""

    WIDE = "wide"
    """All five in two rows; 200 by 60."""


def compute_arrangement(width: int, height: int) -> Arrangement:
    """The richest arrangement that fits."""
    if width < MINIMUM_WIDTH or height < MINIMUM_HEIGHT:
        return Arrangement.TINY
    if width >= WIDE_WIDTH and height >= WIDE_HEIGHT:
        return Arrangement.WIDE
    if width >= MEDIUM_WIDTH and height >= MEDIUM_HEIGHT:
        return Arrangement.MEDIUM
    return Arrangement.COMPACT
