"""What a validator should do next about results that it found to be wrong.

A challenge needs a trace of one's own, and a bond as high as the worker's, half of which the winner gains on
top. One dispute at a time is possible, so validators take turns in an order that the job's name shuffles: the
first who is there challenges, and the others do not pay for being second.
"""

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from poi.market.limits import MarketRules
from poi.market.operations import ChallengeResult
from poi.market.records import Claimed, Disputed, Job, MarketState
from poi.market.votes import Verdict, compute_claim_subject
from tangle.core.hashing import MARKET, compute_record_hash
from tangle.core.types import Digest
from tangle.node.jobs.validating import Finding, Found
from tangle.node.jobs.working import FEE_RESERVE, Play, Send, Standing


class Retrace(Struct, frozen=True):
    """Compute a result again, to have a trace to challenge it with."""

    subject: Digest
    """Name of the claim."""

    job: Job
    """The job."""

    claim: Claimed
    """The wrong result."""


ChallengerAction = Retrace | Send | Play
"""What a challenger can do."""


def decide_challenges(
    own: int,
    validators: int,
    standing: Standing,
    state: MarketState,
    findings: Mapping[Digest, Finding],
    rivals: Mapping[Digest, Digest],
    beaten: Collection[Digest],
    rules: MarketRules,
    now_ms: int,
) -> Iterator[ChallengerAction]:
    """What validator ``own`` of so many should do now.

    :param findings: verdicts by subject. :param rivals: roots of its own traces of claimed runs, by subject.
    :param beaten: jobs whose result survived this node's challenge: it computes wrongly, and would pay again.
    :param now_ms: commit time of the latest executed checkpoint.
    """
    for job in state.jobs:
        phase = job.phase
        if isinstance(phase, Disputed) and phase.challenger == standing.account:
            yield Play(job, phase)
        if not isinstance(phase, Claimed) or phase.worker == standing.account or job.id in beaten:
            continue
        subject = compute_claim_subject(job.id, phase.worker)
        if findings.get(subject) != Found(Verdict.WRONG) or standing.balance < phase.bond + FEE_RESERVE:
            continue
        root = rivals.get(subject)
        if root is None:
            yield Retrace(subject, job, phase)
        elif root != phase.commitment.root and _is_turn(own, validators, job, phase, rules, now_ms):
            # A claim with the right trace and other outputs is no dispute: votes alone set it aside.
            yield Send(ChallengeResult(job.id, root), job.id)


def compute_turn(own: int, validators: int, job: Digest) -> int:
    """Place of a validator in the order in which a job's result is challenged, from 0."""
    order = sorted(range(validators), key=lambda each: compute_record_hash(MARKET, job, each))
    return order.index(own)


def _is_turn(own: int, validators: int, job: Job, claim: Claimed, rules: MarketRules, now_ms: int) -> bool:
    # All turns come within half of the window; later everybody may.
    begun_ms = claim.end_ms - rules.challenge_window_ms
    pause_ms = rules.challenge_window_ms // 2 // validators
    return now_ms >= begun_ms + compute_turn(own, validators, job.id) * pause_ms
