"""How votes of validators are counted, and what follows once enough of them agree.

A validator's first verdict on a subject counts and is never taken back. Whatever is final by votes needs
more than two thirds of the weight; what withholds money needs more than a third.
"""

from bisect import insort
from typing import assert_never

from msgspec.structs import replace

from poi.market.book import Book
from poi.market.contests import confirm_data
from poi.market.errors import InvalidFinding
from poi.market.judging import settle_dispute
from poi.market.limits import VERIFIERS_MAX
from poi.market.operations import CastVote, Moment
from poi.market.outcomes import Ending, ProgramConfirmed, Removal, Topic, VoteCounted
from poi.market.records import Ballot, Ballots, Claimed, Disputed, Gathering
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
    if is_quorum(phase.votes, vote.verdict, moment.weights):
        settle_dispute(book, job, phase, DISPUTE_RESULTS[vote.verdict], moment)


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
    if is_quorum(phase.votes, Verdict.RIGHT, moment.weights):
        confirm_data(book, job)
    elif is_refused(phase.votes, moment.weights):
        book.end_job(job, Ending.FAILED)
