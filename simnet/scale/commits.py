"""Which leaders a course commits, when each validator knows it, and when the checkpoint is certified there.

The commit rule is the protocol's (wave of three rounds, direct and indirect); times instead of votes are
counted: a decision is known where a quorum of the deciding blocks is accepted.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from simnet.scale.rounds import Committee, Course, Times

Flags = NDArray[np.bool_]


class Slot(Struct):
    """A leader's slot."""

    round: int
    author: int
    is_committed: bool | None
    """None while nobody can tell."""

    known_s: Times
    """When each validator knows it, by itself: in order comes later."""


class Commit(Struct, frozen=True):
    """A committed leader."""

    round: int
    author: int
    known_s: Times
    """When each validator has committed it and all before."""

    executed_s: Times
    """When each has executed it and has it on disk."""

    certified_s: Times
    """When each holds the certificate on disk; infinite where the course ends before."""


def find_commits(committee: Committee, course: Course, execute_s: float) -> list[Commit]:
    """All commits in order, up to the first undecided slot.

    :param execute_s: computing time of one commit.
    """
    slots = _decide_slots(committee, course)
    commits = []
    reached_s = np.zeros(committee.size)
    free_s = np.zeros(committee.size)
    for slot in slots:
        if slot.is_committed is None:
            break
        reached_s = np.maximum(reached_s, slot.known_s)
        if not slot.is_committed:
            continue
        free_s = np.maximum(reached_s, free_s) + execute_s
        executed_s = free_s + 2 * committee.disk_s  # history, then live state
        certified_s = compute_certified_s(committee, course, executed_s) + 2 * committee.disk_s
        commits.append(Commit(slot.round, slot.author, reached_s, executed_s, certified_s))
    return commits


def compute_certified_s(committee: Committee, course: Course, executed_s: Times) -> Times:
    """When each validator has attestations of a quorum: each attests in its first block after executing."""
    rounds = len(course.proposed_s)
    first = (course.proposed_s < executed_s).sum(axis=0)
    arrived_s = np.full((committee.size, committee.size), np.inf)
    for author in np.flatnonzero(first < rounds):
        arrived_s[:, author] = course.accepted_s[first[author], :, author]
    np.fill_diagonal(arrived_s, executed_s)  # the own one counts at once
    return _take_quorum(committee, arrived_s)


def get_ancestors(course: Course, round_number: int) -> Flags:
    """Whose blocks of the round before each block of this round builds on, ``[author, named]``."""
    return np.asarray(course.accepted_s[round_number - 1] <= course.proposed_s[round_number][:, None])


def _decide_slots(committee: Committee, course: Course) -> list[Slot]:
    last = len(course.proposed_s) - 1
    slots = [
        _decide_directly(committee, course, number, int(author))
        for number in range(1, last - 1)
        for author in committee.leaders[number]
    ]
    for place in reversed(range(len(slots))):
        if slots[place].is_committed is None:
            slots[place] = _decide_indirectly(committee, course, slots[place], slots[place + 1 :])
    return slots


def _decide_directly(committee: Committee, course: Course, number: int, author: int) -> Slot:
    quorum = committee.quorum
    votes = get_ancestors(course, number + 1)[:, author]
    certifies = get_certifiers(committee, course, number, author)
    if certifies.sum() >= quorum:
        deciding_s = np.where(certifies, course.accepted_s[number + 2], np.inf)
        return Slot(number, author, True, _take_quorum(committee, deciding_s))
    if (~votes).sum() >= quorum:
        blaming_s = np.where(votes, np.inf, course.accepted_s[number + 1])
        return Slot(number, author, False, _take_quorum(committee, blaming_s))
    return Slot(number, author, None, np.full(committee.size, np.inf))


def get_certifiers(committee: Committee, course: Course, number: int, author: int) -> Flags:
    """Whose block of ``number + 2`` holds a quorum of votes for this leader."""
    votes = get_ancestors(course, number + 1)[:, author]
    return np.asarray((get_ancestors(course, number + 2) & votes).sum(axis=1) >= committee.quorum)


def _decide_indirectly(committee: Committee, course: Course, slot: Slot, later: list[Slot]) -> Slot:
    """By the first committed leader of three rounds on; undecided when one before it is."""
    for anchor in later:
        if anchor.round < slot.round + 3 or anchor.is_committed is False:
            continue
        if anchor.is_committed is None:
            return slot
        proposed_s = course.proposed_s[anchor.round][anchor.author]
        past = course.accepted_s[slot.round + 2][anchor.author] <= proposed_s
        certifies = get_certifiers(committee, course, slot.round, slot.author)
        return Slot(slot.round, slot.author, bool((past & certifies).any()), anchor.known_s)
    return slot


def _take_quorum(committee: Committee, times_s: Times) -> Times:
    """Of each row the time at which a quorum is complete."""
    place = committee.quorum - 1
    return np.asarray(np.partition(times_s, place, axis=1)[:, place])
