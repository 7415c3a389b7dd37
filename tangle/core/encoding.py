"""Deterministic CBOR, decoded strictly.

Records are ``msgspec`` structs written as CBOR arrays of integers, byte strings and arrays (RFC 8949 section
4.2.1: shortest integers, definite lengths; no maps, floats, tags or text). A value has exactly one encoding:
``decode`` checks the length, decodes, converts to the typed record, encodes that record again and compares.
Whatever CBOR malleability exists (long integers, indefinite lengths, big-number tags, sets, trailing bytes),
the comparison refuses it, because only the record's own encoding passes.
"""

from collections.abc import Callable
from typing import Any, Final, Never, TypeVar

import cbor2
import msgspec

from tangle.core.errors import MalformedEncoding, OversizeEncoding

DEPTH_MAX: Final = 8
"""Deepest nesting of any record; the deepest today (a block's payload) has 4. Bounds the decoder's stack."""

Record = TypeVar("Record")


class _NoTags(dict[int, Callable[..., Never]]):
    """Maps every tag to a refusal."""

    def __missing__(self, tag: int) -> Callable[..., Never]:
        raise ValueError(f"tag {tag} has no place in a record")


NO_TAGS: Final = _NoTags()
"""For ``cbor2.loads(..., semantic_decoders=NO_TAGS)``: no tag is interpreted. cbor2's own decoders compile
regular expressions and parse dates and mail, so that a kilobyte from a stranger could hold a node up for
seconds."""

_BYTES = (bytes,)


def encode(value: object) -> bytes:
    """Canonical CBOR of a struct, integer, byte string or (nested) sequence of these.

    Source: RFC 8949 section 4.2.1, restricted to major types 0, 1, 2 and 4.
    """
    return cbor2.dumps(msgspec.to_builtins(value, builtin_types=_BYTES))


def decode(kind: type[Record], data: bytes, *, limit: int) -> Record:
    """Decode ``data`` as the record ``kind``, or refuse it.

    :param limit: longest acceptable encoding in bytes, checked before anything is decoded.
    :raises OversizeEncoding: longer than ``limit``.
    :raises MalformedEncoding: not the canonical encoding of a ``kind`` with every field in its range.
    """
    if len(data) > limit:
        raise OversizeEncoding(kind.__name__, len(data), limit)
    try:
        plain: Any = cbor2.loads(
            data,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            max_depth=DEPTH_MAX,
            semantic_decoders=NO_TAGS,
        )
        record = msgspec.convert(plain, kind, builtin_types=_BYTES)
        canonical = encode(record)  # fails on CBOR's exotic values where ``kind`` leaves the items open
    except msgspec.ValidationError as error:
        raise MalformedEncoding(kind.__name__, str(error)) from None
    except Exception as error:  # cbor2 leaks ValueError, OverflowError, UnicodeDecodeError on hostile bytes
        raise MalformedEncoding(kind.__name__, f"not CBOR ({type(error).__name__})") from None
    if canonical != data:
        raise MalformedEncoding(
            kind.__name__, "another encoding of the same record exists; only the shortest is valid"
        )
    return record
