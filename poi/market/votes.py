"""What validators vote on, and what their verdicts mean.

A vote in a block is a subject and a number; the names of subjects and the numbers are given here. Every
subject names one occasion, so that a vote that comes late never counts for another: a program with all that
was said of it and the checkpoint of its registration, a result by its worker, a dispute by its challenger
and the checkpoint of the challenge.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import assert_never

from poi.disputes.outcomes import (
    BothSilent,
    BothWrong,
    ChallengerWins,
    DefenderWins,
    Reason,
)
from poi.disputes.outcomes import Outcome as DisputeResult
from poi.market.outcomes import Topic
from poi.market.records import (
    Assigned,
    Ballot,
    Claimed,
    Collecting,
    Disputed,
    Gathering,
    Job,
    Learning,
    ProgramEntry,
    Waiting,
)
from tangle.core.hashing import MARKET, compute_record_hash
from tangle.core.types import Digest, PublicKey


class Verdict(IntEnum):
    """What can be said of programs, results and training data. Codes are part of the record."""

    RIGHT = 1
    """The validator has it and found it as it is said to be."""

    WRONG = 2
    """It is not as it is said to be, or cannot be had."""


_REASONS_FROM = 4
"""A verdict on a dispute is the outcome's tag, and four times the reason where there is one."""

DISPUTE_RESULTS: dict[int, DisputeResult] = {
    3: BothWrong(),
    4: BothSilent(),
    **{1 + _REASONS_FROM * reason: DefenderWins(reason) for reason in Reason},
    **{2 + _REASONS_FROM * reason: ChallengerWins(reason) for reason in Reason},
}
"""Verdicts on a dispute: 3 both wrong, 4 both silent; 5, 9, 13 the defender wins and 6, 10, 14 the challenger
wins, because the loser's chunk was recomputed, was not shown, or because it resigned."""

_VERDICTS = {result: verdict for verdict, result in DISPUTE_RESULTS.items()}


def get_dispute_verdict(result: DisputeResult) -> int:
    """The verdict that stands for the end of a game."""
    return _VERDICTS[result]


def is_verdict(topic: Topic, verdict: int) -> bool:
    """Whether a number says anything about such a subject."""
    match topic:
        case Topic.PROGRAM | Topic.CLAIM | Topic.DATA:
            return verdict in (Verdict.RIGHT, Verdict.WRONG)
        case Topic.DISPUTE:
            return verdict in DISPUTE_RESULTS
        case _:
            assert_never(topic)


def compute_program_subject(entry: ProgramEntry) -> Digest:
    """``H(tangle/market, ["program", program, macs, steps, bytes_moved, package, since])``."""
    said = (entry.program, entry.macs, entry.steps, entry.bytes_moved, entry.package)
    return compute_record_hash(MARKET, b"program", *said, entry.since)


def compute_claim_subject(job: Digest, worker: PublicKey) -> Digest:
    """``H(tangle/market, ["claim", job, worker])``: a worker has a job at most once."""
    return compute_record_hash(MARKET, b"claim", job, worker)


def compute_dispute_subject(job: Digest, phase: Disputed) -> Digest:
    """``H(tangle/market, ["dispute", job, challenger, since])``: a challenger may come again."""
    return compute_record_hash(MARKET, b"dispute", job, phase.challenger, phase.since)


def compute_data_subject(job: Digest) -> Digest:
    """``H(tangle/market, ["data", job])``."""
    return compute_record_hash(MARKET, b"data", job)


def list_subjects(job: Job) -> Iterator[tuple[Digest, Topic]]:
    """Whatever of a job may be voted on now."""
    match job.phase:
        case Claimed(worker=worker):
            yield compute_claim_subject(job.id, worker), Topic.CLAIM
        case Disputed(claim=claim):
            yield compute_claim_subject(job.id, claim.worker), Topic.CLAIM
            yield compute_dispute_subject(job.id, job.phase), Topic.DISPUTE
        case Gathering():
            yield compute_data_subject(job.id), Topic.DATA
        case Waiting() | Assigned() | Collecting() | Learning():
            pass
        case _:
            assert_never(job.phase)


def compute_weight_for(votes: Iterable[Ballot], verdict: int, weights: Sequence[int]) -> int:
    """Weight of the validators that gave a verdict."""
    return sum(
        weights[each.validator] for each in votes if each.verdict == verdict and each.validator < len(weights)
    )


def is_quorum(votes: Iterable[Ballot], verdict: int, weights: Sequence[int]) -> bool:
    """Whether more than two thirds of the weight gave a verdict: no other can ever have as much."""
    return 3 * compute_weight_for(votes, verdict, weights) > 2 * sum(weights)


def is_refused(votes: Iterable[Ballot], weights: Sequence[int]) -> bool:
    """Whether more than a third of the weight said ``WRONG``.

    Fewer than a third are faulty, so one honest validator is among them; work is in integers, so one honest
    recomputation is right.
    """
    return 3 * compute_weight_for(votes, Verdict.WRONG, weights) > sum(weights)
