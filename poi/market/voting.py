"""How votes of validators are counted, and what follows once enough of them agree.

A validator's first verdict on a subject counts and is never taken back. Whatever is final by votes needs
more than two thirds of the weight; what withholds money needs more than a third.
"""

from bisect import insort
from collections.abc import Mapping
from typing import assert_never

from msgspec.structs import replace

from poi.market.book import Book
from poi.market.contests import confirm_data
from poi.market.errors import InvalidFinding
from poi.market.judging import settle_dispute
from poi.market.limits import VERIFIERS_MAX
from poi.market.operations import CastVote, Moment
from poi.market.outcomes import Ending, ProgramConfirmed, Removal, Topic, VoteCounted
from poi.market.records import (
    Assigned,
    Ballot,
    Ballots,
    Claimed,
    Collecting,
    Disputed,
    Gathering,
    Job,
    Learning,
    ProgramEntry,
    Waiting,
)
from poi.market.votes import DISPUTE_RESULTS, Verdict, is_quorum, is_refused, is_verdict
from tangle.core.types import Digest


def count_vote(book: Book, vote: CastVote, moment: Moment) -> None:
    """Count a validator's first verdict on something that may be voted on now.

    :raises InvalidFinding: no such subject or validator, a number that says nothing, a second or a late vote.
    """
    found = book.subjects.get(vote.subject)
    if found is None:
        raise InvalidFinding("nothing of that name is voted on now")
    topic, about = found
    if vote.validator >= min(len(moment.weights), VERIFIERS_MAX):
        raise InvalidFinding(f"there is no validator {vote.validator}")
    if not is_verdict(topic, vote.verdict):
        raise InvalidFinding(f"{vote.verdict} says nothing of such a subject")
    book.about = about
    match topic:
        case Topic.PROGRAM:
            _count_for_program(book, about, vote, moment)
        case Topic.CLAIM:
            _count_for_claim(book, about, vote, moment)
        case Topic.DISPUTE:
            _count_for_dispute(book, about, vote, moment)
        case Topic.DATA:
            _count_for_data(book, about, vote, moment)
        case _:
            assert_never(topic)


def move_votes(book: Book, places: Mapping[int, int], moment: Moment) -> None:
    """Another committee votes from now on: whoever stays keeps its verdicts under its new place, those of the
    others are forgotten. What the verdicts that are left decide is decided at once, since nobody may vote on
    it again.

    :param places: the new place of each validator that stays, by its old one.
    :param moment: its weights are those of the new committee.
    """
    for entry in list(book.unconfirmed.values()):
        book.about = entry.program
        moved = replace(entry, votes=_move(entry.votes, places))
        book.put_program(moved)
        _judge_program(book, moved, moment)
    for job in list(book.jobs.values()):
        book.about = job.id
        _move_votes_on(book, job, places, moment)


def _move_votes_on(book: Book, job: Job, places: Mapping[int, int], moment: Moment) -> None:
    match job.phase:
        case Claimed() as claim:
            book.put_job(replace(job, phase=replace(claim, votes=_move(claim.votes, places))))
        case Disputed(claim=claim) as phase:
            claim = replace(claim, votes=_move(claim.votes, places))
            phase = replace(phase, claim=claim, votes=_move(phase.votes, places))
            job = replace(job, phase=phase)
            book.put_job(job)
            _judge_dispute(book, job, phase, moment)
        case Gathering() as phase:
            phase = replace(phase, votes=_move(phase.votes, places))
            job = replace(job, phase=phase)
            book.put_job(job)
            _judge_data(book, job, phase, moment)
        case Waiting() | Assigned() | Collecting() | Learning():
            pass
        case _:
            assert_never(job.phase)


def _move(votes: Ballots, places: Mapping[int, int]) -> Ballots:
    kept = [Ballot(places[each.validator], each.verdict) for each in votes if each.validator in places]
    return tuple(sorted(kept, key=_get_validator))


def _add(votes: Ballots, vote: CastVote) -> Ballots:
    if any(each.validator == vote.validator for each in votes):
        raise InvalidFinding(f"validator {vote.validator} has voted on it before")
    grown = list(votes)
    insort(grown, Ballot(vote.validator, vote.verdict), key=_get_validator)
    return tuple(grown)


def _get_validator(ballot: Ballot) -> int:
    return ballot.validator


def _tell(book: Book, about: Digest, topic: Topic, vote: CastVote) -> None:
    book.tell(VoteCounted(about, topic, vote.validator, vote.verdict))


def _count_for_program(book: Book, program: Digest, vote: CastVote, moment: Moment) -> None:
    entry = book.programs[program]
    if moment.now_ms > entry.end_ms:
        raise InvalidFinding("the time for its confirmation is over")
    entry = replace(entry, votes=_add(entry.votes, vote))
    _tell(book, program, Topic.PROGRAM, vote)
    _judge_program(book, entry, moment)


def _judge_program(book: Book, entry: ProgramEntry, moment: Moment) -> None:
    program = entry.program
    if is_quorum(entry.votes, Verdict.RIGHT, moment.weights):
        book.put_program(replace(entry, confirmed=1, votes=()))
        book.tell(ProgramConfirmed(program))
        return
    book.put_program(entry)
    if is_refused(entry.votes, moment.weights):
        book.drop_program(entry, Removal.REJECTED)


def _count_for_claim(book: Book, name: Digest, vote: CastVote, moment: Moment) -> None:
    job = book.get_job(name)
    phase = job.phase
    assert isinstance(phase, Claimed | Disputed), "only these have a claim to vote on"
    claim = phase.claim if isinstance(phase, Disputed) else phase
    if isinstance(phase, Claimed) and moment.now_ms > phase.end_ms:
        raise InvalidFinding("its window is over")
    claim = replace(claim, votes=_add(claim.votes, vote))
    book.put_job(replace(job, phase=replace(phase, claim=claim) if isinstance(phase, Disputed) else claim))
    _tell(book, name, Topic.CLAIM, vote)


def _count_for_dispute(book: Book, name: Digest, vote: CastVote, moment: Moment) -> None:
    job = book.get_job(name)
    phase = job.phase
    assert isinstance(phase, Disputed), "only this has a dispute to vote on"
    if moment.now_ms > phase.end_ms:
        raise InvalidFinding("the time for verdicts is over")
    phase = replace(phase, votes=_add(phase.votes, vote))
    job = replace(job, phase=phase)
    book.put_job(job)
    _tell(book, name, Topic.DISPUTE, vote)
    _judge_dispute(book, job, phase, moment)


def _judge_dispute(book: Book, job: Job, phase: Disputed, moment: Moment) -> None:
    for verdict, result in DISPUTE_RESULTS.items():
        if is_quorum(phase.votes, verdict, moment.weights):
            settle_dispute(book, job, phase, result, moment)
            return


def _count_for_data(book: Book, name: Digest, vote: CastVote, moment: Moment) -> None:
    job = book.get_job(name)
    phase = job.phase
    assert isinstance(phase, Gathering), "only this has data to vote on"
    if moment.now_ms > job.deadline_ms:
        raise InvalidFinding("the job's deadline is over")
    phase = replace(phase, votes=_add(phase.votes, vote))
    job = replace(job, phase=phase)
    book.put_job(job)
    _tell(book, name, Topic.DATA, vote)
    _judge_data(book, job, phase, moment)


def _judge_data(book: Book, job: Job, phase: Gathering, moment: Moment) -> None:
    if is_quorum(phase.votes, Verdict.RIGHT, moment.weights):
        confirm_data(book, job)
    elif is_refused(phase.votes, moment.weights):
        book.end_job(job, Ending.FAILED)
