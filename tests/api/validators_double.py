"""The staking half of the node in memory: candidates, a part of a stake that leaves, a proof of twins."""

from typing import Final, Protocol

from msgspec.structs import replace

from shards.blocks import Block, sign_block
from tangle.core.genesis import Genesis, Validator
from tangle.core.signing import SigningKey
from tangle.core.types import Grains, Milliseconds, PublicKey
from tangle.ledger.staking.events import (
    Elected,
    Rewarded,
    SlashCause,
    Slashed,
    StakingEvent,
    concerns,
)
from tangle.node.explorer import Explorer
from tangle.node.validator_views import (
    CandidateView,
    ElectionView,
    EvidenceView,
    LeavingView,
    StakeNews,
)

STAKED: Final = 5_000_000_000_000
LEAVES: Final = 1_000_000_000_000
OTHER: Final = SigningKey(b"o" * 32)


class Staked(Protocol):
    """What the double reads of the node that it belongs to."""

    genesis: Genesis
    explorer: Explorer


class ValidatorsDouble:
    """Stakes of a node in memory: its one validator owns itself, and another one waits to be elected."""

    def __init__(self, node: Staked, key: SigningKey) -> None:
        self._node = node
        self._key = key

    def get_election(self) -> ElectionView:
        genesis, rules = self._node.genesis, self._node.genesis.parameters.staking
        return ElectionView(
            checkpoint=0,
            timestamp_ms=genesis.timestamp_ms,
            epoch=0,
            committee_epoch=0,
            ends_ms=genesis.timestamp_ms + genesis.parameters.epoch_ms,
            total_weight=1,
            next_total_weight=10_000,
            stake_min=rules.stake_min,
            unbonding_epochs=rules.unbonding_epochs,
            pool=10**9,
            candidates=(
                self._make_candidate(self._key.public_key, weight=1, next_weight=7_500),
                self._make_candidate(OTHER.public_key, weight=0, next_weight=2_500),
            ),
        )

    def list_leaving(self, owner: PublicKey) -> tuple[LeavingView, ...]:
        genesis = self._node.genesis
        release_ms = genesis.timestamp_ms + 3 * genesis.parameters.epoch_ms
        return (LeavingView(LEAVES, 3, release_ms),) if owner == self._key.public_key else ()

    def list_news(self, key: PublicKey | None, limit: int) -> tuple[StakeNews, ...]:
        own = self._key.public_key
        events: list[StakingEvent] = [
            Elected(1, (Validator(OTHER.public_key, 10_000),)),
            Rewarded(own, own, Grains(7), 40),
            Slashed(own, own, Grains(5), SlashCause.REFUTED),
        ]
        wanted = [event for event in events if key is None or concerns(event, key)]
        time_ms = self._node.genesis.timestamp_ms
        return tuple(StakeNews(1, time_ms, event) for event in wanted)[:limit]

    def list_evidence(self, limit: int) -> tuple[EvidenceView, ...]:
        first: Block = self._node.explorer.get_blocks(0, 1, 1)[0]
        second = sign_block(
            replace(first.body, timestamp_ms=Milliseconds(first.body.timestamp_ms + 1)), self._key
        )
        return (EvidenceView(0, 0, 1, 0, self._key.public_key, first, second),)[:limit]

    def _make_candidate(self, key: PublicKey, *, weight: int, next_weight: int) -> CandidateView:
        is_self = key == self._key.public_key
        return CandidateView(
            validator=key,
            owner=key,
            stake=STAKED,
            leaving=LEAVES if is_self else 0,
            weight=weight,
            next_weight=next_weight,
            work=90,
            fresh=10,
            blocks=40 * weight,
            since=0,
            retired=None,
            jailed_until=None,
            is_self=is_self,
        )
