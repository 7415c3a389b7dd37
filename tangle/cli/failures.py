"""The edge: every failure leaves as one sentence and an exit status; a traceback only when asked for."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

import click
from msgspec import Struct
from msgspec.structs import replace

from tangle.cli.errors import InvalidConfig, MissingInput
from tangle.core.errors import TangleError


class ExitStatus(IntEnum):
    """What the process's exit status means; the numbers never change."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    TIMEOUT = 4
    BUG = 70
    INTERRUPTED = 130


STATUS_MEANINGS: Final = {
    ExitStatus.DONE: "It was done.",
    ExitStatus.FAILED: "It was refused or did not hold: a transaction, a proof, a password, a file.",
    ExitStatus.USAGE: "Wrong usage or settings, or a node that refuses to start: trying again does not help.",
    ExitStatus.UNREACHABLE: "No node answers there.",
    ExitStatus.TIMEOUT: "The awaited did not happen in time; it may still happen.",
    ExitStatus.BUG: "A fault in this program; `--debug` shows where.",
    ExitStatus.INTERRUPTED: "Stopped from the keyboard.",
}
"""Each status for people, as docs/cli.md publishes it."""


WORD_MAX: Final = 300
"""Longest word of a message in characters: longer than any address, digest or ordinary path."""

QUOTED: Final = 60
"""Characters that are left of either end of a longer one."""

MESSAGE_MAX: Final = 1_500
"""Longest message in characters: half a screen."""


class Failure(Struct, frozen=True):
    """A failure as it is told."""

    status: ExitStatus
    """Exit status of the process."""

    code: str
    """Stable name of the fault."""

    message: str
    """One sentence: what failed and what to do."""


USAGE_ERRORS = (InvalidConfig, MissingInput)
"""Faults of how the command was given; they end like click's own."""

STATUS_BY_CODE = {
    "node-unreachable": ExitStatus.UNREACHABLE,
    "timeout": ExitStatus.TIMEOUT,
    "wait-timeout": ExitStatus.TIMEOUT,
    "start-timeout": ExitStatus.TIMEOUT,
    "simulation-impossible": ExitStatus.USAGE,
    "scenario-invalid": ExitStatus.USAGE,
    "recording-invalid": ExitStatus.USAGE,
}
"""Faults with a status of their own."""


def describe_failure(error: BaseException) -> Failure:
    """Find the words and the status for whatever ended a command.

    What was typed is quoted in part only, and without what would move a terminal's cursor.
    """
    failure = _describe(error)
    return replace(failure, message=_tame(failure.message))


def _describe(error: BaseException) -> Failure:
    first = next(iterate_causes(error))
    match first:
        case click.exceptions.Abort() | KeyboardInterrupt():
            return Failure(ExitStatus.INTERRUPTED, "interrupted", "stopped")
        case click.UsageError():
            path = first.ctx.command_path if first.ctx is not None else "tangle"
            return Failure(
                ExitStatus.USAGE, "usage", f"{_join_lines(first.format_message())} Try: {path} --help"
            )
        case click.ClickException():
            return Failure(ExitStatus.FAILED, "failed", _join_lines(first.format_message()))
        case TangleError():
            default = ExitStatus.USAGE if isinstance(first, USAGE_ERRORS) else ExitStatus.FAILED
            return Failure(STATUS_BY_CODE.get(first.code, default), first.code, _join_lines(str(first)))
        case TimeoutError():
            return Failure(ExitStatus.TIMEOUT, "timeout", "it took too long; try again")
        case OSError():
            return Failure(ExitStatus.FAILED, "system", _describe_system_error(first))
        case _:
            shown = f"{type(first).__name__}: {_join_lines(str(first))[:200]}"
            return Failure(
                ExitStatus.BUG,
                "internal",
                f"this is a fault in tangle ({shown}); run it again with --debug and report what it prints",
            )


def iterate_causes(error: BaseException) -> Iterator[BaseException]:
    """The single errors in a group, depth first; task groups wrap what their tasks raise."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from iterate_causes(inner)
    else:
        yield error


def _describe_system_error(error: OSError) -> str:
    reason = (error.strerror or str(error) or type(error).__name__).rstrip(".")
    return f"{error.filename}: {reason}" if error.filename else f"the system refuses: {reason}"


def _join_lines(text: str) -> str:
    return " ".join(text.split())


def _tame(message: str) -> str:
    """Shorten words that nobody reads, then the whole, and show what is not printable as a question mark."""
    words = (
        word if len(word) <= WORD_MAX else f"{word[:QUOTED]}[...]{word[-QUOTED:]}"
        for word in message.split(" ")
    )
    shown = " ".join(words)
    if len(shown) > MESSAGE_MAX:
        shown = f"{shown[:MESSAGE_MAX]} [...]"
    return "".join(character if character.isprintable() else "?" for character in shown)
