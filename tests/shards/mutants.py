"""Commit rules with one mistake each. The tests have to notice every one of them."""

from collections.abc import Iterable

from shards.blocks import Block
from shards.commit_rule import Commit, Skip, Slot, Status, Undecided
from shards.committer import Committer
from tangle.core.types import Digest


class AnchorTooEarly(Committer):
    """Searches for the anchor from the decision round on instead of after it."""

    def find_anchor(self, slot: Slot, later: Iterable[Status]) -> Block | None:
        for status in later:
            if status.slot.round < slot.round + 2 or isinstance(status, Skip):
                continue
            return status.block if isinstance(status, Commit) else None
        return None


class AnchorStepsOverOpen(Committer):
    """Passes over open slots when it searches for the anchor."""

    def find_anchor(self, slot: Slot, later: Iterable[Status]) -> Block | None:
        return super().find_anchor(slot, [status for status in later if not isinstance(status, Undecided)])


class VotesByAuthor(Committer):
    """Takes any block of the leader for the one that was voted for."""

    def get_vote(self, block: Block, slot: Slot) -> Digest | None:
        vote = super().get_vote(block, slot)
        leaders = self.dag.get_slot(slot.round, slot.author)
        return leaders[0].reference.digest if vote is not None and leaders else None


class VotesThroughHistory(Committer):
    """Counts the certificate's own author as a voter because its history reaches the leader."""

    def get_certified(self, block: Block, slot: Slot) -> Digest | None:
        voters: dict[Digest, set[int]] = {}
        for reference in block.body.ancestors:
            voter = self.dag.get_block(reference.digest)
            if voter is None or reference.round != slot.round + 1:
                continue
            vote = self.get_vote(voter, slot)
            if vote is not None:
                voters.setdefault(vote, {block.reference.author}).add(reference.author)
        for digest, authors in voters.items():
            if self.committee.compute_weight(authors) >= self.rule.votes:
                return digest
        return None


class CountsBlocks(Committer):
    """Counts blocks instead of authors."""

    def compute_weight(self, blocks: Iterable[Block]) -> int:
        return sum(self.committee.weights[block.reference.author] for block in blocks)


class CommitsOnVotes(Committer):
    """Commits directly on a quorum of votes, without certificates."""

    def decide_directly(self, slot: Slot) -> Status:
        for leader in self.dag.get_slot(slot.round, slot.author):
            voters = [
                block
                for block in self.dag.get_round(slot.round + 1)
                if self.get_vote(block, slot) == leader.reference.digest
            ]
            if self.compute_weight(voters) >= self.rule.votes:
                return Commit(slot, leader)
        return super().decide_directly(slot)


class AnchorNeedsNoCertificate(Committer):
    """Commits whatever leader block the anchor's history holds."""

    def decide_indirectly(self, slot: Slot, later: Iterable[Status]) -> Status:
        anchor = self.find_anchor(slot, later)
        past = () if anchor is None else self.get_past(anchor, slot.round)
        for block in past:
            if block.reference.author == slot.author:
                return Commit(slot, block)
        return super().decide_indirectly(slot, later)


class AnchorIgnoresItsPast(Committer):
    """Looks for certificates anywhere in the DAG instead of in the anchor's history."""

    def get_past(self, anchor: Block, round_number: int) -> list[Block]:
        return list(self.dag.get_round(round_number))
