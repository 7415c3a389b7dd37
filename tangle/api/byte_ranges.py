"""Parts of a content: the ``Range``, ``If-Range`` and ``If-None-Match`` of RFC 9110, for one range in bytes.

What is not understood is not a fault: several ranges, or another unit, are answered with everything.
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from tangle.api.errors import RangeUnsatisfiable

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class ByteRange(Struct, frozen=True):
    """Some of a content's bytes."""

    first: int
    """The first one."""

    size: int
    """How many."""

    is_partial: bool
    """Whether they were asked for; false for everything."""

    @property
    def last(self) -> int:
        """The last one."""
        return self.first + self.size - 1


def find_range(headers: Mapping[str, str], tag: str, size: int) -> ByteRange:
    """What a request wants of ``size`` bytes.

    :param tag: the content's ``ETag``; an ``If-Range`` of another one asks for everything.
    :raises RangeUnsatisfiable: nothing of that range exists.
    """
    whole = ByteRange(0, size, False)
    match = _RANGE.fullmatch(headers.get("Range", "").replace(" ", ""))
    if match is None or headers.get("If-Range", tag) != tag:
        return whole
    first, last = match[1], match[2]
    if (not first and not last) or (first and last and int(first) > int(last)):
        return whole  # not a range at all
    if not first:
        count = min(int(last), size)
        start = size - count
    else:
        start = int(first)
        count = (min(int(last), size - 1) if last else size - 1) - start + 1
    if count <= 0:
        raise RangeUnsatisfiable(size)
    return ByteRange(start, count, True)


def is_known_tag(stated: str | None, tag: str) -> bool:
    """Whether an ``If-None-Match`` names the content."""
    if stated is None:
        return False
    tags = [part.strip().removeprefix("W/") for part in stated.split(",")]
    return "*" in tags or tag in tags
