"""What every answer has: the envelope's ``meta``, and the problem document (RFC 9457)."""

from typing import Generic, TypeVar

from msgspec import Struct

from tangle.api.wire import HexBytes

Data = TypeVar("Data")


class AnswerMeta(Struct, frozen=True):
    """What goes with an answer's data."""

    chain: HexBytes
    """Chain that this node serves."""

    next_cursor: str | None = None
    """Pass it as ``cursor`` for the next page; none at the end and where there are no pages."""


class Envelope(Struct, Generic[Data], frozen=True):
    """A successful JSON answer."""

    data: Data
    """What was asked for."""

    meta: AnswerMeta
    """What goes with it."""


class ProblemItem(Struct, frozen=True):
    """One fault of a request that may have several."""

    path: str
    """Where: ``$.field`` of the body, the name of a parameter, or the name of a check."""

    message: str
    """What is wrong there."""


class Problem(Struct, frozen=True):
    """A refused request (RFC 9457). Machines read ``code``, which never changes its meaning."""

    type: str
    """``urn:tangle:problem:`` and the code."""

    title: str
    """The kind of problem, for people."""

    status: int
    """The HTTP status."""

    detail: str
    """What failed this time and what to do."""

    instance: str
    """Path of the request."""

    code: str
    """Stable, lower-case, hyphenated name of the fault."""

    errors: tuple[ProblemItem, ...] = ()
    """The single faults, where there can be several."""

    retry_after_s: float | None = None
    """Seconds after which the same request may succeed."""
