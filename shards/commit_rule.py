"""The numbers of the commit rule and the statuses that it gives to slots."""

from typing import Final

from msgspec import Struct

from shards.blocks import Block
from shards.committee import Committee

WAVE_LENGTH: Final = 3
"""Leader, voting and decision round: the shortest wave that tolerates a third of Byzantine weight."""


class Slot(Struct, frozen=True, array_like=True, order=True):
    """A place that a leader block can take. Slots are ordered by round, then rank."""

    round: int
    """Round of the leader."""

    rank: int
    """Place of the leader in the round's schedule, 0 first."""

    author: int
    """The validator that the schedule names."""


FIRST_SLOT: Final = Slot(0, 0, 0)
"""Stands before every slot that can be decided: rounds with leaders begin at 1."""


class Commit(Struct, frozen=True):
    """The slot's leader block is committed."""

    slot: Slot
    """Decided slot."""

    block: Block
    """The one block of it that commits."""


class Skip(Struct, frozen=True):
    """No block of the slot is ever committed as a leader."""

    slot: Slot
    """Decided slot."""


class Undecided(Struct, frozen=True):
    """The DAG does not decide the slot yet."""

    slot: Slot
    """Open slot."""


Status = Commit | Skip | Undecided
"""What the rule says about a slot."""


class CommitRule(Struct, frozen=True):
    """Thresholds of the rule, as weights of distinct authors."""

    leaders_per_round: int
    """Ranked slots in each round."""

    votes: int
    """Votes that make a block of the decision round a certificate."""

    certificates: int
    """Certificates that commit a leader directly."""

    blames: int
    """Voting blocks without a vote for the slot that skip it directly."""

    wave_length: int = WAVE_LENGTH
    """Rounds from a leader to its decision, both included."""


def make_commit_rule(committee: Committee, leaders_per_round: int) -> CommitRule:
    """The rule of version 1: every threshold is a quorum."""
    quorum = committee.quorum
    return CommitRule(leaders_per_round, votes=quorum, certificates=quorum, blames=quorum)
