"""Amounts as people write them: decimals of MST, or whole grains."""

import re
from typing import Final

from tangle.cli.errors import InvalidAmount
from tangle.core.amounts import DECIMALS, format_amount
from tangle.core.types import GRAINS_PER_TOKEN, INTEGER_MAX, Grains

__all__ = ["format_amount", "parse_amount"]

TEXT_LENGTH_MAX: Final = 40
"""Longest amount read: the largest in grains has 19 digits."""

_TOKENS: Final = re.compile(r"(\d{1,19})(?:\.(\d{1,19}))?(?:\s*MST)?", re.ASCII | re.IGNORECASE)
_GRAINS: Final = re.compile(r"(\d{1,19})\s*grains?", re.ASCII | re.IGNORECASE)


def parse_amount(text: str) -> Grains:
    """Read ``1.5``, ``1.5 MST`` or ``1500000000grains``.

    :raises InvalidAmount: none of these, more than nine decimals, zero, or more than the largest amount.
    """
    stripped = text.strip()[: TEXT_LENGTH_MAX + 1]
    if (whole := _GRAINS.fullmatch(stripped)) is not None:
        grains = int(whole[1])
    elif (token := _TOKENS.fullmatch(stripped)) is not None:
        fraction = token[2] or ""
        if len(fraction.rstrip("0")) > DECIMALS:
            raise InvalidAmount(text, f"MST has {DECIMALS} decimals")
        grains = int(token[1]) * GRAINS_PER_TOKEN + int(fraction.rstrip("0").ljust(DECIMALS, "0"))
    else:
        raise InvalidAmount(text, "it is not a positive decimal number")
    if grains == 0:
        raise InvalidAmount(text, "nothing would be moved")
    if grains > INTEGER_MAX:
        raise InvalidAmount(text, f"it is more than the largest amount, {format_amount(INTEGER_MAX)}")
    return Grains(grains)
