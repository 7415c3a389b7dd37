"""What a validator should do next about everything that the market lets validators vote on.

A verdict is given once. What was found out is said at once; what could not be had is looked for again, until
so much of a result's window is over that a vote must be on its way: a result whose data nobody can get is as
bad as a wrong one. Programs and training data that cannot be had are left to their own time limits.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, assert_never

from msgspec import Struct

from poi.market.records import Ballot, Claimed, Disputed, Gathering, Job, MarketState, ProgramEntry
from poi.market.votes import (
    Verdict,
    compute_claim_subject,
    compute_data_subject,
    compute_dispute_subject,
    compute_program_subject,
)
from tangle.core.types import Digest

PATIENCE_NUMERATOR: Final = 2
PATIENCE_DENOMINATOR: Final = 3
"""Two thirds of a window are waited for missing data: what is left is many rounds of the committee."""


class ProgramMatter(Struct, frozen=True):
    """A program that waits for its confirmation."""

    entry: ProgramEntry
    """It."""


class ClaimMatter(Struct, frozen=True):
    """A result in its window, or in dispute."""

    job: Job
    """The job."""

    claim: Claimed
    """The result."""


class DisputeMatter(Struct, frozen=True):
    """A game under way."""

    job: Job
    """The job."""

    phase: Disputed
    """The dispute."""


class DataMatter(Struct, frozen=True):
    """Training data that a job waits for."""

    job: Job
    """The job."""


Matter = ProgramMatter | ClaimMatter | DisputeMatter | DataMatter
"""Whatever can be voted on."""


class Found(Struct, frozen=True):
    """The truth about something is known here."""

    verdict: int
    """As it is voted."""


class Missing(Struct, frozen=True):
    """The truth is not known here yet."""

    reason: str
    """Why, for people."""

    is_withheld: bool
    """Whether others did not give what is needed; otherwise it is this node's own trouble, or too early."""


Finding = Found | Missing
"""What a look at something came to."""


class Examine(Struct, frozen=True):
    """Find out what is true."""

    subject: Digest
    """Name of the matter."""

    matter: Matter
    """It."""


class Cast(Struct, frozen=True):
    """Vote."""

    subject: Digest
    """Name of the matter."""

    verdict: int
    """What to say."""


ValidatorAction = Examine | Cast
"""What a validator can do."""


def list_matters(state: MarketState) -> Iterator[tuple[Digest, Matter, Sequence[Ballot]]]:
    """Everything that is open to votes, with its subject and what was said of it."""
    for entry in state.programs:
        if not entry.confirmed:
            yield compute_program_subject(entry), ProgramMatter(entry), entry.votes
    for job in state.jobs:
        match job.phase:
            case Claimed() as claim:
                yield compute_claim_subject(job.id, claim.worker), ClaimMatter(job, claim), claim.votes
            case Disputed(claim=claim) as phase:
                yield compute_claim_subject(job.id, claim.worker), ClaimMatter(job, claim), claim.votes
                yield compute_dispute_subject(job.id, phase), DisputeMatter(job, phase), phase.votes
            case Gathering(votes=votes):
                yield compute_data_subject(job.id), DataMatter(job), votes
            case _:
                pass


def decide_votes(
    own: int, state: MarketState, findings: Mapping[Digest, Finding], now_ms: int, window_ms: int
) -> Iterator[ValidatorAction]:
    """What validator ``own`` should do now.

    :param findings: what it found out so far, by subject.
    :param now_ms: commit time of the latest executed checkpoint.
    :param window_ms: how long a result may be challenged.
    """
    for subject, matter, votes in list_matters(state):
        if any(ballot.validator == own for ballot in votes):
            continue
        match findings.get(subject):
            case Found(verdict=verdict):
                yield Cast(subject, verdict)
            case Missing(is_withheld=True) if _is_given_up(matter, now_ms, window_ms):
                yield Cast(subject, Verdict.WRONG)
            case Missing() | None:
                yield Examine(subject, matter)
            case unexpected:
                assert_never(unexpected)


def _is_given_up(matter: Matter, now_ms: int, window_ms: int) -> bool:
    if not isinstance(matter, ClaimMatter):
        return False
    left_ms = window_ms - window_ms * PATIENCE_NUMERATOR // PATIENCE_DENOMINATOR
    return now_ms >= matter.claim.end_ms - left_ms
