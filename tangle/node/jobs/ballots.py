"""Votes on their way into blocks: each is offered until the ledger shows that it was counted.

A block may never be committed, and only a validator's first verdict on a subject counts, so a vote is put
into a block again after a while without harm.
"""

from collections.abc import Collection
from typing import Final

from shards.blocks import VOTES_MAX, Vote
from tangle.core.types import Digest

REPEAT_MS: Final = 3_000
"""After this a vote that was in a block and was not counted goes into another one: longer than it takes to
commit a block when all is well."""


class BallotBox:
    """Votes of this node's validator that wait for a block, or for being counted."""

    def __init__(self) -> None:
        self._votes: dict[Digest, Vote] = {}
        self._sent_ms: dict[Digest, int] = {}

    def __len__(self) -> int:
        return len(self._votes)

    def cast(self, subject: Digest, verdict: int) -> bool:
        """Give a verdict; whether it is new. The first one on a subject stays."""
        if subject in self._votes:
            return False
        self._votes[subject] = Vote(subject, verdict)
        return True

    def retain(self, subjects: Collection[Digest]) -> None:
        """Forget votes on subjects that are not open to this validator any more."""
        for subject in [each for each in self._votes if each not in subjects]:
            del self._votes[subject]
            self._sent_ms.pop(subject, None)

    def has_due(self, now_ms: int) -> bool:
        """Whether a vote wants to go into the next block."""
        return any(self._is_due(subject, now_ms) for subject in self._votes)

    def take(self, limit: int, now_ms: int) -> tuple[Vote, ...]:
        """Votes for a block, those waiting longest first."""
        due = [subject for subject in self._votes if self._is_due(subject, now_ms)]
        taken = due[: min(limit, VOTES_MAX)]
        for subject in taken:
            self._sent_ms[subject] = now_ms
        return tuple(self._votes[subject] for subject in taken)

    def _is_due(self, subject: Digest, now_ms: int) -> bool:
        sent_ms = self._sent_ms.get(subject)
        return sent_ms is None or now_ms >= sent_ms + REPEAT_MS
