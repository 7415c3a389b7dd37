"""Opaque page cursors: base64url of a canonical record, so that their content may change without notice."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.api.errors import InvalidCursor
from tangle.core.encoding import decode, encode
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.types import Natural

CURSOR_SIZE_MAX: Final = 128
"""Longest cursor in characters; today's have 16."""

HISTORY: Final = 1
HISTORY_OLDEST_FIRST: Final = 8
LINEAGE: Final = 2
EARNINGS: Final = 3
CHECKPOINTS: Final = 4
CONTENTS: Final = 5
JOBS: Final = 6
JOB_EVENTS: Final = 7
CREDITS: Final = 9


class _Cursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    kind: Annotated[int, Meta(ge=1, le=255)]
    position: Natural


def encode_cursor(kind: int, position: int | None) -> str | None:
    """Make a cursor for ``position``; none stays none.

    :param kind: which route's order the position belongs to.
    """
    if position is None:
        return None
    return urlsafe_b64encode(encode(_Cursor(kind, position))).rstrip(b"=").decode()


def decode_cursor(kind: int, text: str | None) -> int | None:
    """Read a cursor of the same kind.

    :raises InvalidCursor: this route did not make it.
    """
    if text is None:
        return None
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        cursor = decode(_Cursor, data, limit=CURSOR_SIZE_MAX)
    except (Error, ValueError, MalformedEncoding, OversizeEncoding):
        raise InvalidCursor from None
    if cursor.kind != kind:
        raise InvalidCursor
    return cursor.position
