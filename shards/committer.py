"""The commit rule: which leader blocks of the DAG are committed, in which order.

A slot is a (round, leader) pair. One round later blocks vote by naming the leader's block; two rounds later
a block whose ancestors vote with a quorum is a certificate. A quorum of certificates commits, a quorum of
blocks without a vote skips; what stays open is settled by the first committed leader of a later wave (the
anchor): by whether its past holds a certificate. Everything here is a function of the DAG and the schedule
alone; the tables only save work.

Source: Mysticeti-C (Babel et al., arXiv 2310.14821), multi-leader and pipelined; protocol 4.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from shards.blocks import Block
from shards.commit_rule import Commit, CommitRule, Skip, Slot, Status, Undecided
from shards.committee import Committee
from shards.dag import Dag
from shards.errors import FaultBoundBroken
from tangle.core.types import Digest

LeaderSchedule = Callable[[int], tuple[int, ...]]
"""Leaders of a round, best rank first."""


class SlotOutcome(NamedTuple):
    """How a leader's slot ended."""

    leader: int
    """Place of the leader in the committee."""

    is_commit: bool
    """Whether its block was committed, and not the slot skipped."""

    is_direct: bool
    """Whether the rounds right after it decided, and not a later leader."""


class Committer:
    """Decides slots over a growing DAG; a decided slot is never looked at again."""

    def __init__(self, dag: Dag, committee: Committee, rule: CommitRule, get_leaders: LeaderSchedule) -> None:
        """:param get_leaders: the schedule, the same function on every node."""
        self.dag = dag
        self.committee = committee
        self.rule = rule
        self.get_leaders = get_leaders
        self.tally: Counter[SlotOutcome] = Counter()
        """How slots ended since this was made; for people, nothing follows from it."""

        self._decided: dict[Slot, Commit | Skip] = {}
        self._examined: dict[Slot, tuple[int, int]] = {}
        self._seen: dict[int, int] = {}
        self._votes: dict[Slot, dict[Digest, Digest | None]] = {}
        self._certified: dict[Slot, dict[Digest, Digest | None]] = {}

    def decide(self, last_decided: Slot) -> tuple[Commit | Skip, ...]:
        """Newly decided slots after ``last_decided`` in slot order, up to the first that is open.

        :raises FaultBoundBroken: the DAG holds evidence against both choices.
        """
        settled: list[Commit | Skip] = []
        if not self._decide_grown(last_decided):
            return ()
        for status in self.compute_statuses(last_decided):
            if isinstance(status, Undecided):
                break
            settled.append(status)
        return tuple(settled)

    def compute_statuses(self, last_decided: Slot) -> tuple[Status, ...]:
        """Status of every slot after ``last_decided``, in slot order.

        From the highest round down, because the anchor of a slot is found among later slots.
        """
        statuses: deque[Status] = deque()
        for round_number in range(self.dag.highest_round, max(last_decided.round, 1) - 1, -1):
            leaders = self.get_leaders(round_number)
            for rank in range(len(leaders) - 1, -1, -1):
                slot = Slot(round_number, rank, leaders[rank])
                if slot <= last_decided:
                    break
                statuses.appendleft(self._decided.get(slot) or self._decide(slot, statuses))
        return tuple(statuses)

    def forget(self, last_decided: Slot) -> None:
        """Drop what was remembered of slots up to ``last_decided``."""
        for table in (self._decided, self._examined, self._votes, self._certified):
            for slot in [slot for slot in table if slot <= last_decided]:
                del table[slot]
        for round_number in [number for number in self._seen if number < last_decided.round]:
            del self._seen[round_number]

    def decide_directly(self, slot: Slot) -> Status:
        """Skip by blames, commit by certificates, or open."""
        decision_round = self._get_decision_round(slot)
        blames, commits = 0, []
        if self.dag.get_weight_bound(decision_round - 1) >= self.rule.blames:
            voting = self.dag.get_round(decision_round - 1)
            blames = self.compute_weight([block for block in voting if self.get_vote(block, slot) is None])
        if self.dag.get_weight_bound(decision_round) >= self.rule.certificates:
            leaders = self.dag.get_slot(slot.round, slot.author)
            commits = [block for block in leaders if self._is_committed(block, slot)]
        is_skipped = blames >= self.rule.blames
        if len(commits) + is_skipped > 1:
            raise _break(slot, [block.reference.digest for block in commits], "the DAG supports two outcomes")
        if is_skipped:
            return Skip(slot)
        return Commit(slot, commits[0]) if commits else Undecided(slot)

    def decide_indirectly(self, slot: Slot, later: Iterable[Status]) -> Status:
        """Follow the anchor: commit what its past certifies, skip when that is nothing."""
        anchor = self.find_anchor(slot, later)
        if anchor is None:
            return Undecided(slot)
        certified = set()
        for block in self.get_past(anchor, self._get_decision_round(slot)):
            digest = self.get_certified(block, slot)
            if digest is not None:
                certified.add(digest)
        if len(certified) > 1:
            raise _break(slot, sorted(certified), "two blocks of one slot are certified")
        for block in self.dag.get_slot(slot.round, slot.author):
            if block.reference.digest in certified:
                return Commit(slot, block)
        return Skip(slot)

    def find_anchor(self, slot: Slot, later: Iterable[Status]) -> Block | None:
        """First committed leader of a later wave; none while an open slot could still become it."""
        for status in later:
            if status.slot.round <= self._get_decision_round(slot) or isinstance(status, Skip):
                continue
            return status.block if isinstance(status, Commit) else None
        return None

    def get_vote(self, block: Block, slot: Slot) -> Digest | None:
        """The block of ``slot`` that ``block`` votes for: the first met depth-first through its ancestors.

        With a wave of three rounds voters stand one round above the slot, so this is the direct ancestor.
        """
        votes = self._votes.get(slot)
        if votes is None:
            votes = self._votes[slot] = {}
        digest = block.reference.digest
        if digest not in votes:
            votes[digest] = self._find_vote(block, slot)
        return votes[digest]

    def get_certified(self, block: Block, slot: Slot) -> Digest | None:
        """The block of ``slot`` that ``block``, of the decision round, is a certificate for."""
        certified = self._certified.get(slot)
        if certified is None:
            certified = self._certified[slot] = {}
        digest = block.reference.digest
        if digest not in certified:
            certified[digest] = self._find_certified(block, slot)
        return certified[digest]

    def get_past(self, anchor: Block, round_number: int) -> Sequence[Block]:
        """Blocks of a round in the causal history of ``anchor``, the anchor included."""
        found: list[Block] = []
        seen = {anchor.reference.digest}
        pending = [anchor]
        while pending:
            block = pending.pop()
            if block.reference.round == round_number:
                found.append(block)
                continue
            for reference in block.body.ancestors:
                if reference.round < round_number or reference.digest in seen:
                    continue
                seen.add(reference.digest)
                ancestor = self.dag.get_block(reference.digest)
                if ancestor is not None:
                    pending.append(ancestor)
        return found

    def compute_weight(self, blocks: Iterable[Block]) -> int:
        """Weight of the distinct authors of ``blocks``: twins count once."""
        return self.committee.compute_weight({block.reference.author for block in blocks})

    def _decide(self, slot: Slot, later: Iterable[Status]) -> Status:
        decision_round = self._get_decision_round(slot)
        counts = (self.dag.get_count(decision_round - 1), self.dag.get_count(decision_round))
        status: Status = Undecided(slot)
        is_direct = True
        if self._examined.get(slot) != counts:  # the direct rule sees these two rounds and nothing else
            if self._may_be_decided(decision_round):
                status = self.decide_directly(slot)
            self._examined[slot] = counts
        if isinstance(status, Undecided):
            status, is_direct = self.decide_indirectly(slot, later), False
        if not isinstance(status, Undecided):
            self._decided[slot] = status
            self.tally[SlotOutcome(slot.author, isinstance(status, Commit), is_direct)] += 1
        return status

    def _may_be_decided(self, decision_round: int) -> bool:
        """Whether there are blocks enough for one of the direct rule's thresholds."""
        return (
            self.dag.get_weight_bound(decision_round - 1) >= self.rule.blames
            or self.dag.get_weight_bound(decision_round) >= self.rule.certificates
        )

    def _decide_grown(self, last_decided: Slot) -> bool:
        """Look at the slots of which blocks that came since could decide one directly.

        :returns: whether they do. Without that no other slot is decided either: what an anchor's past holds
            is all there when the anchor is, and only a new decision makes a new anchor.
        """
        is_decided = self._get_next(last_decided) in self._decided
        for round_number in range(max(last_decided.round, 1), self.dag.highest_round + 1):
            count = self.dag.get_count(round_number)
            if self._seen.get(round_number) == count:
                continue
            self._seen[round_number] = count
            decision_offset = self.rule.wave_length - 1
            for leader_round in (round_number - decision_offset, round_number - decision_offset + 1):
                if leader_round < max(last_decided.round, 1):
                    continue
                if not self._may_be_decided(leader_round + decision_offset):
                    continue
                for rank, author in enumerate(self.get_leaders(leader_round)):
                    slot = Slot(leader_round, rank, author)
                    if slot > last_decided and slot not in self._decided:
                        is_decided |= not isinstance(self._decide(slot, ()), Undecided)
        return is_decided

    def _get_next(self, slot: Slot) -> Slot:
        leaders = self.get_leaders(slot.round) if slot.round else ()
        if slot.rank + 1 < len(leaders):
            return Slot(slot.round, slot.rank + 1, leaders[slot.rank + 1])
        return Slot(slot.round + 1, 0, self.get_leaders(slot.round + 1)[0])

    def _is_committed(self, leader: Block, slot: Slot) -> bool:
        digest = leader.reference.digest
        deciding = self.dag.get_round(self._get_decision_round(slot))
        certificates = [block for block in deciding if self.get_certified(block, slot) == digest]
        return self.compute_weight(certificates) >= self.rule.certificates

    def _find_vote(self, block: Block, slot: Slot) -> Digest | None:
        for reference in block.body.ancestors:
            if (reference.round, reference.author) == (slot.round, slot.author):
                return reference.digest
            if reference.round > slot.round:
                ancestor = self.dag.get_block(reference.digest)
                found = self.get_vote(ancestor, slot) if ancestor is not None else None
                if found is not None:
                    return found
        return None

    def _find_certified(self, block: Block, slot: Slot) -> Digest | None:
        voters: dict[Digest, list[Block]] = {}
        for reference in block.body.ancestors:
            if reference.round != self._get_decision_round(slot) - 1:
                continue
            voter = self.dag.get_block(reference.digest)
            vote = self.get_vote(voter, slot) if voter is not None else None
            if voter is not None and vote is not None:
                voters.setdefault(vote, []).append(voter)
        for digest, blocks in voters.items():
            if self.compute_weight(blocks) >= self.rule.votes:
                return digest
        return None

    def _get_decision_round(self, slot: Slot) -> int:
        return slot.round + self.rule.wave_length - 1


def _break(slot: Slot, digests: Sequence[Digest], reason: str) -> FaultBoundBroken:
    return FaultBoundBroken(slot.round, slot.author, tuple(digests), reason)
