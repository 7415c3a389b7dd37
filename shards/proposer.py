"""When a validator makes its next block, and what the block builds on.

The threshold clock is at round r once blocks of round r - 1 from a quorum are accepted. A block for r is
due when the leaders of r - 1 are here too, or the leader timeout has passed, and never sooner after the
last one than the pace allows. Timing is each node's own affair: it decides how fast commits come, never
what they are.
"""

from collections.abc import Sequence
from typing import Final

from shards.blocks import (
    BLOCK_VERSION,
    Attestation,
    Block,
    BlockBody,
    BlockReference,
    BundleReference,
    Vote,
    compute_ancestors_max,
    compute_genesis_references,
)
from shards.committee import Committee
from shards.committer import LeaderSchedule
from shards.dag import Dag
from shards.events import Pace
from shards.frontier import Frontier
from tangle.core.types import ChainId, Milliseconds, Shard, TransactionId

LEADER_ABSENCE_ROUNDS: Final = 8
"""A leader without a block in this many rounds is not waited for: a stopped validator would slow every
round that it leads by the whole timeout. It is waited for again once its blocks are back."""


class Proposer:
    """The proposing side of one validator."""

    def __init__(
        self,
        dag: Dag,
        committee: Committee,
        own_index: int,
        pace: Pace,
        get_leaders: LeaderSchedule,
        chain: ChainId,
        shard: Shard,
        last_signed_round: int,
    ) -> None:
        """:param last_signed_round: no block is made for this round or an earlier one."""
        self.last_round = last_signed_round
        self._dag = dag
        self._committee = committee
        self._own_index = own_index
        self._pace = pace
        self._get_leaders = get_leaders
        self._chain = chain
        self._shard = shard
        self._genesis = compute_genesis_references(committee, chain, shard)
        self._frontier = Frontier(dag)
        self._clock_round = 0
        self._clock_since_ms = 0
        self._last_proposal_ms: int | None = None
        self.leaders_missed = 0
        """Own blocks made without the leader of the round before, whose time was up."""

    def on_clock(self, now_ms: int) -> None:
        """Note when the threshold clock moved; to be called after blocks were accepted."""
        if self._dag.threshold_round != self._clock_round:
            self._clock_round = self._dag.threshold_round
            self._clock_since_ms = now_ms

    def on_accepted(self, block: Block) -> None:
        """A block is in the DAG. An own one, made now or before a restart: never sign its round again."""
        self._frontier.add(block)
        if block.reference.author == self._own_index:
            self.last_round = max(self.last_round, block.reference.round)
            self._frontier.close(block)

    def on_horizon(self, horizon: int) -> None:
        """Rounds up to ``horizon`` are forgotten."""
        self._frontier.forget(horizon)

    def is_crowded(self, author: int) -> bool:
        """Whether another twin of ``author`` is more than the next own block should have to name."""
        return self._frontier.is_crowded(author)

    def get_due_ms(self, *, is_busy: bool) -> int | None:
        """When the block of the clock's round is due; none while that round is signed already.

        :param is_busy: something waits to be ordered or to be sent, so the idle delay does not apply.
        """
        if self._clock_round <= self.last_round:
            return None
        due_ms = self._clock_since_ms
        if self._is_leader_of_last_round_missing():
            due_ms += self._pace.leader_timeout_ms
        if self._last_proposal_ms is None:
            return due_ms
        delay_ms = self._pace.min_round_delay_ms if is_busy else self._pace.idle_round_delay_ms
        return max(due_ms, self._last_proposal_ms + delay_ms)

    def on_proposed(self, now_ms: int) -> None:
        """A block was made: delays count from here."""
        self.leaders_missed += self._is_leader_of_last_round_missing()
        self._last_proposal_ms = now_ms

    def make_body(
        self,
        now_ms: int,
        tips: Sequence[TransactionId],
        attestations: Sequence[Attestation],
        votes: Sequence[Vote] = (),
        bundles: Sequence[BundleReference] = (),
    ) -> BlockBody:
        """Fields of the block for the clock's round.

        Tips are left out as long as the block cannot take in everything that was accepted below its round:
        what they are anchored at may follow from the rest alone.
        """
        ancestors, is_whole = self._collect_ancestors()
        known = (self._dag.get_block(ancestor.digest) for ancestor in ancestors)
        youngest_ms = max((block.body.timestamp_ms for block in known if block is not None), default=0)
        return BlockBody(
            version=BLOCK_VERSION,
            chain=self._chain,
            epoch=self._committee.epoch,
            shard=self._shard,
            round=self._clock_round,
            author=self._own_index,
            timestamp_ms=Milliseconds(max(now_ms, youngest_ms)),
            ancestors=ancestors,
            tips=tuple(tips) if is_whole else (),
            attestations=tuple(attestations),
            votes=tuple(votes),
            bundles=tuple(bundles),
        )

    def _collect_ancestors(self) -> tuple[tuple[BlockReference, ...], bool]:
        own = self._dag.get_latest_before(self._own_index, self._clock_round)
        # Away so long that the own last block is forgotten: start again from the own genesis block.
        first = self._genesis[self._own_index] if own is None else own.reference
        edge = [block.reference for block in self._frontier.collect(self._clock_round, own)]
        newest = {reference.author: reference for reference in reversed(edge)}.values()
        room = compute_ancestors_max(self._committee) - 1
        chosen = list(dict.fromkeys((*newest, *edge)))[:room]  # the threshold needs one of each author
        others = sorted(chosen, key=lambda reference: (reference.author, -reference.round))
        if self._clock_round == 1:
            others = [genesis for genesis in self._genesis if genesis != first]
        return (first, *others), len(edge) <= room

    def _is_leader_of_last_round_missing(self) -> bool:
        last_round = self._clock_round - 1
        if last_round < 1:
            return False
        oldest_round = last_round - LEADER_ABSENCE_ROUNDS
        return any(
            leader != self._own_index
            and not self._dag.get_slot(last_round, leader)
            and (oldest_round <= 0 or self._dag.get_latest_round(leader) > oldest_round)
            for leader in self._get_leaders(last_round)
        )
