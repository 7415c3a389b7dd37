"""Which of two forms of an answer a client wants, by its ``Accept`` header.

Source: RFC 9110, section 12.5.1.
"""

from functools import lru_cache
from typing import Final

ITEMS_MAX: Final = 32
"""Media ranges that are read of one header; no client needs more to say what it wants."""


REMEMBERED_MAX: Final = 256
"""Headers whose meaning is remembered: clients send the same few over and over, at most 4 kB each."""


@lru_cache(REMEMBERED_MAX)
def prefers(accept: str, wanted: str, ordinary: str) -> bool:
    """Whether ``wanted`` is named and weighs no less than ``ordinary``; of equals the one named first wins.

    Wildcards get the ordinary form: who takes anything did not ask for the other one.
    """
    weights: dict[str, tuple[float, int]] = {}
    for place, item in enumerate(accept.split(",", ITEMS_MAX)[:ITEMS_MAX]):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        weights.setdefault(media_type, (_read_weight(parameters), -place))
    found = weights.get(wanted)
    if found is None or found[0] <= 0:
        return False
    return found >= weights.get(ordinary, (0.0, 0))


def _read_weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, text = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(text)))
            except ValueError:
                return 0.0
    return 1.0
