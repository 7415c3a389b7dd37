"""Amounts as people read them."""

from typing import Final

from tangle.core.types import GRAINS_PER_TOKEN

DECIMALS: Final = 9
"""Digits after the point: 10**9 grains are one MST."""


def format_amount(grains: int) -> str:
    """``1.5 MST``: no trailing zeros, no rounding."""
    whole, fraction = divmod(grains, GRAINS_PER_TOKEN)
    digits = f"{fraction:0{DECIMALS}d}".rstrip("0")
    return f"{whole}.{digits} MST" if digits else f"{whole} MST"
