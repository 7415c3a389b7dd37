"""Answers about stakes, candidates and evidence, read off the state machine and the store."""

from typing import Final

from shards.epochs import LEADING_SHARD
from tangle.core.types import PublicKey
from tangle.ledger.staking.events import concerns
from tangle.ledger.staking.records import NEVER, Candidate
from tangle.node.node import Node
from tangle.node.validator_views import (
    NEWS_MAX,
    CandidateView,
    ElectionView,
    EvidenceView,
    LeavingView,
    StakeNews,
)

NOBODY: Final = 0
"""Weight of whoever is not of a committee."""


class ValidatorDesk:
    """``ValidatorQueries`` over a running node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def get_election(self) -> ElectionView:
        """All candidates."""
        node, machine = self._node, self._node.executor.machine
        state, rules = machine.state, node.genesis.parameters.staking
        next_epoch = state.epoch + 1
        elected = machine.stakes.preview(next_epoch, self._read_stake)
        weights = {member.public_key: member.weight for member in machine.committee.validators}
        following = {member.public_key: member.weight for member in elected}
        views = [
            self._make_view(candidate, weights, following, state.epoch)
            for candidate in machine.stakes.list_candidates()
        ]
        views.sort(key=lambda view: (-view.weight, -view.next_weight, -view.stake, view.validator))
        return ElectionView(
            checkpoint=state.checkpoint_index,
            timestamp_ms=state.timestamp_ms,
            epoch=state.epoch,
            committee_epoch=machine.committee.epoch,
            ends_ms=self._compute_begin_ms(next_epoch),
            total_weight=sum(weights.values()),
            next_total_weight=sum(following.values()),
            stake_min=rules.stake_min,
            unbonding_epochs=rules.unbonding_epochs,
            pool=machine.compute_pool() if node.shard == LEADING_SHARD else 0,
            candidates=tuple(views),
        )

    def list_leaving(self, owner: PublicKey) -> tuple[LeavingView, ...]:
        """Parts of an account's stake that leave, soonest first."""
        machine = self._node.executor.machine
        return tuple(
            LeavingView(part.amount, part.release, self._compute_begin_ms(part.release))
            for part in machine.stakes.list_leaving(owner, machine.state.epoch)
        )

    def list_news(self, key: PublicKey | None, limit: int) -> tuple[StakeNews, ...]:
        """What happened to stakes lately, newest first."""
        rows = self._node.archive.staking.list_latest_events(NEWS_MAX)
        news = [StakeNews(checkpoint, record.timestamp_ms, record.event) for checkpoint, record in rows]
        return tuple(each for each in news if key is None or concerns(each.event, key))[:limit]

    def list_evidence(self, limit: int) -> tuple[EvidenceView, ...]:
        """Evidence that this node keeps."""
        views = []
        for first, second in self._node.archive.committees.list_evidence(limit):
            body = first.body
            committee = self._node.archive.committees.get_committee(body.epoch)
            known = None if committee is None else committee.validators[body.author].public_key
            views.append(EvidenceView(body.shard, body.epoch, body.round, body.author, known, first, second))
        return tuple(views)

    def _make_view(
        self,
        candidate: Candidate,
        weights: dict[PublicKey, int],
        following: dict[PublicKey, int],
        epoch: int,
    ) -> CandidateView:
        key, validator = candidate.validator, self._node.parts.validator_key
        leaving = self._node.executor.machine.stakes.list_leaving(candidate.owner, epoch)
        return CandidateView(
            validator=key,
            owner=candidate.owner,
            stake=self._read_stake(candidate.owner),
            leaving=sum(part.amount for part in leaving),
            weight=weights.get(key, NOBODY),
            next_weight=following.get(key, NOBODY),
            work=candidate.work,
            fresh=candidate.fresh,
            blocks=candidate.blocks,
            since=candidate.since,
            retired=None if candidate.retired == NEVER else candidate.retired - 1,
            jailed_until=candidate.jailed if candidate.jailed > epoch else None,
            is_self=validator is not None and validator.public_key == key,
        )

    def _read_stake(self, owner: PublicKey) -> int:
        return self._node.executor.read_account(owner).stake

    def _compute_begin_ms(self, epoch: int) -> int:
        return self._node.genesis.timestamp_ms + epoch * self._node.genesis.parameters.epoch_ms
