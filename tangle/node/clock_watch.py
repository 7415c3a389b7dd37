"""How far this machine's clock is from the validators': their newest blocks say what time they have.

A node whose clock is behind waits with every block until it thinks that the block's time has come; one whose
clock is ahead is waited for by all others. Neither shows an error of its own, so it is looked for here.
A block needs time to come, so a clock that is right looks a little ahead. Nothing of the ledger reads this.
"""

from statistics import median
from typing import Final

import structlog
from msgspec import Struct

from shards.blocks import BlockReference
from shards.committee import Committee

AHEAD_MAX_MS: Final = 10_000
"""Further ahead than this the clock is wrong; on a loaded machine blocks come seconds late."""

BEHIND_MAX_MS: Final = 2_000
"""Further behind than this it is wrong: no block comes before it was made."""

AGE_MAX_MS: Final = 60_000
"""A word older than this counts no more."""

log = structlog.get_logger("clock")


class _Word(Struct, frozen=True):
    """The newest block of a validator, as it came."""

    round: int
    ahead_ms: int
    """How far the local clock was ahead of the block's time."""

    heard_ms: int
    """When it came, by the local clock."""


class ClockWatch:
    """Compares the local clock with the validators'."""

    def __init__(self) -> None:
        self._words: dict[int, _Word] = {}
        self._is_right = True

    def on_block(
        self, reference: BlockReference, timestamp_ms: int, committee: Committee, now_ms: int
    ) -> None:
        """A verified block of another validator came, stamped ``timestamp_ms``."""
        known = self._words.get(reference.author)
        if known is not None and reference.round <= known.round:
            return  # old blocks come late in any case
        self._words[reference.author] = _Word(reference.round, now_ms - timestamp_ms, now_ms)
        is_right = self.is_right(committee, now_ms)
        if is_right is not self._is_right:
            self._is_right = is_right
            tell = log.info if is_right else log.error
            tell("clock", is_right=is_right, ahead_ms=self.compute_ahead_ms(committee, now_ms))

    def compute_ahead_ms(self, committee: Committee, now_ms: int) -> int | None:
        """How far the local clock is ahead of the validators' middle one, negative for behind.

        None while too few were heard lately to say so: a third of the committee may tell any time it likes.
        """
        heard = {
            author: word.ahead_ms
            for author, word in self._words.items()
            if abs(now_ms - word.heard_ms) <= AGE_MAX_MS
        }
        if not heard or committee.compute_weight(set(heard)) < committee.validity:
            return None
        return round(median(heard.values()))

    def is_right(self, committee: Committee, now_ms: int) -> bool:
        """Whether nothing speaks against the local clock."""
        ahead_ms = self.compute_ahead_ms(committee, now_ms)
        return ahead_ms is None or -BEHIND_MAX_MS <= ahead_ms <= AHEAD_MAX_MS

    def describe(self, committee: Committee, now_ms: int) -> str:
        """One sentence for people."""
        ahead_ms = self.compute_ahead_ms(committee, now_ms)
        if ahead_ms is None:
            return "too few validators were heard lately to compare with"
        if self.is_right(committee, now_ms):
            return f"within {abs(ahead_ms)} ms of the validators' clocks"
        way = "ahead of" if ahead_ms > 0 else "behind"
        return (
            f"this machine's clock is {_format_span(abs(ahead_ms))} {way} the validators'; "
            "set it, and keep it right with NTP (timedatectl set-ntp true)"
        )


def _format_span(milliseconds: int) -> str:
    seconds = milliseconds / 1_000
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"
