"""How simulated validators vote on matters of the market: by what is to be decided alone.

The same subject gets the same verdict from every honest validator, whenever and wherever it is asked. Most of
what is voted on is right; adversaries always say the opposite. Nothing is looked at and nothing is run: what
is under test is the way of the votes.
"""

from typing import Final

from poi.market.outcomes import Topic
from poi.market.records import Ballots, Claimed, Disputed, Gathering, Job
from poi.market.votes import DISPUTE_RESULTS, Verdict, compute_program_subject, list_subjects
from shards.blocks import Vote
from simnet.trading import RULES
from tangle.core.types import Digest
from tangle.ledger.machine import CheckpointOutcome
from tangle.node.node import Node

WRONG_EVERY: Final = 5
"""One subject of so many is found wrong."""

RESULTS: Final = sorted(DISPUTE_RESULTS)


class Jury:
    """One validator's votes."""

    def __init__(self, node: Node, *, is_honest: bool) -> None:
        self._node = node
        self._is_honest = is_honest

    def on_executed(self, _outcome: CheckpointOutcome) -> None:
        """Ask for a block if there is something to vote on."""
        if self.take_votes(1):
            self._node.driver.on_payload()

    def take_votes(self, limit: int) -> tuple[Vote, ...]:
        """Verdicts on all that this validator has not voted on, as far as is executed here."""
        own = self._node.driver.own_index
        if own is None:
            return ()
        market = self._node.executor.machine.market
        votes = [
            self._decide(Topic.PROGRAM, compute_program_subject(entry))
            for entry in market.list_programs()
            if not entry.confirmed and not _has_voted(entry.votes, own)
        ]
        for job in market.list_jobs():
            for subject, topic in list_subjects(job):
                if not _has_voted(_get_votes(job, topic), own) and self._is_over(job, topic):
                    votes.append(self._decide(topic, subject))
        return tuple(votes[:limit])

    def _is_over(self, job: Job, topic: Topic) -> bool:
        """A dispute is decided once somebody moved, or the clocks have run out; all else at once."""
        if topic is not Topic.DISPUTE or not isinstance(job.phase, Disputed):
            return True
        now_ms = self._node.executor.machine.state.timestamp_ms
        return any(job.phase.moves) or now_ms > job.phase.end_ms - RULES.verdict_ms

    def _decide(self, topic: Topic, subject: Digest) -> Vote:
        if topic is Topic.DISPUTE:
            return Vote(subject, RESULTS[(subject[0] + (not self._is_honest)) % len(RESULTS)])
        is_right = (subject[0] % WRONG_EVERY > 0) == self._is_honest
        return Vote(subject, Verdict.RIGHT if is_right else Verdict.WRONG)


def _has_voted(votes: Ballots, validator: int) -> bool:
    return any(ballot.validator == validator for ballot in votes)


def _get_votes(job: Job, topic: Topic) -> Ballots:
    phase = job.phase
    match phase:
        case Disputed() if topic is Topic.CLAIM:
            return phase.claim.votes
        case Claimed() | Disputed() | Gathering():
            return phase.votes
        case _:
            return ()
