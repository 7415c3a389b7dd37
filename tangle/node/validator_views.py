"""Stakes, candidates and evidence, as the node shows them."""

from typing import Final, Protocol

from msgspec import Struct

from shards.blocks import Block
from tangle.core.types import Digest, PublicKey
from tangle.ledger.staking.events import StakingEvent

NEWS_MAX: Final = 1_000
"""Latest events of stakes that one question looks through: some epochs of a small committee."""


class LeavingView(Struct, frozen=True):
    """A part of a stake that was taken back and is still bound."""

    amount: int
    """Grains."""

    release_epoch: int
    """Epoch whose beginning sets it free."""

    release_ms: int
    """Commit time at which that is, at the earliest."""


class CandidateView(Struct, frozen=True):
    """Somebody who can be elected, could be, or serves."""

    validator: PublicKey
    """Key that signs blocks."""

    owner: PublicKey
    """Account whose stake counts, and which is paid."""

    stake: int
    """Grains at stake, leaving parts included."""

    leaving: int
    """Of them those that leave."""

    weight: int
    """In the present committee; 0 for one that is not of it."""

    next_weight: int
    """What an election now would give; 0 when it would not be elected."""

    work: int
    """Counted evaluations of the epochs before this one, decayed."""

    fresh: int
    """Counted evaluations of this epoch."""

    blocks: int
    """Its blocks of this epoch that were committed."""

    since: int
    """Epoch in which it registered."""

    retired: int | None
    """Epoch in which it retired; none while it stands."""

    jailed_until: int | None
    """First epoch for which it can be elected again; none when nothing bars it."""

    is_self: bool
    """Whether this node signs with its key."""


class ElectionView(Struct, frozen=True):
    """Everybody who stands, and what an election now would come to."""

    checkpoint: int
    """Executed checkpoint that this was read at."""

    timestamp_ms: int
    """Its commit time."""

    epoch: int
    """Epoch by commit time."""

    committee_epoch: int
    """Epoch of the committee that orders now."""

    ends_ms: int
    """Commit time at which the epoch ends."""

    total_weight: int
    """Weight of the present committee."""

    next_total_weight: int
    """Weight of the committee that an election now would give."""

    stake_min: int
    """Least stake of a candidate."""

    unbonding_epochs: int
    """Whole epochs for which an unstaked part stays bound."""

    pool: int
    """What the committee of this epoch is paid at most."""

    candidates: tuple[CandidateView, ...]
    """Members of the present committee first, then by weight in the next one and stake."""


class StakeNews(Struct, frozen=True):
    """Something that happened to stakes or committees."""

    checkpoint: int
    """In which checkpoint."""

    timestamp_ms: int
    """Its commit time."""

    event: StakingEvent
    """What."""


class EvidenceView(Struct, frozen=True):
    """Two blocks that one validator signed for one round."""

    shard: int
    """Whose committee."""

    epoch: int
    """Epoch of that committee."""

    round: int
    """The round."""

    author: int
    """Place of the validator in that committee."""

    public_key: PublicKey | None
    """Its key; none where this node does not know that committee."""

    first: Block
    """The block that was accepted first."""

    second: Block
    """The other one."""

    @property
    def digests(self) -> tuple[Digest, Digest]:
        """Of both blocks."""
        return self.first.reference.digest, self.second.reference.digest


class ValidatorQueries(Protocol):
    """The staking half of a node."""

    def get_election(self) -> ElectionView:
        """All candidates; none in a shard that keeps no stakes."""

    def list_leaving(self, owner: PublicKey) -> tuple[LeavingView, ...]:
        """Parts of an account's stake that leave, soonest first."""

    def list_news(self, key: PublicKey | None, limit: int) -> tuple[StakeNews, ...]:
        """What happened to stakes lately, newest first; of one validator or owner where one is named. Looks
        through the latest ``NEWS_MAX`` events.
        """

    def list_evidence(self, limit: int) -> tuple[EvidenceView, ...]:
        """Evidence that this node keeps, in the order of rounds."""
