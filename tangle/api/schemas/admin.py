"""Requests and answers of the operator's door."""

from msgspec import Struct

from tangle.node.operator import LogLevel


class LogLevelBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How much to log."""

    level: LogLevel
    """The least urgent lines that are logged."""


class LogLevelAnswer(Struct, frozen=True):
    """How much is logged."""

    level: LogLevel
    """The least urgent lines that are logged."""


class DoneAnswer(Struct, frozen=True):
    """It is done, or begun."""

    done: str
    """What, for people."""
