"""Answers about stakes, candidates, elections and evidence."""

from msgspec import Struct

from tangle.api.wire import HexBytes, HexDigest, Quantity


class CandidateAnswer(Struct, frozen=True):
    """Somebody who can be elected, could be, or serves."""

    public_key: HexDigest
    """Key that signs blocks."""

    owner: str
    """Account whose stake counts, and which is paid."""

    stake: Quantity
    """Grains at stake, leaving parts included."""

    leaving: Quantity
    """Of them those that leave."""

    weight: int
    """In the present committee; 0 for one that is not of it."""

    share: float
    """Its part of the present committee's weight."""

    next_weight: int
    """What an election now would give; 0 when it would not be elected."""

    next_share: float
    """Its part of the weight of that committee."""

    work: Quantity
    """Counted evaluations of earlier epochs, decayed."""

    fresh: Quantity
    """Counted evaluations of this epoch."""

    blocks: Quantity
    """Its committed blocks of this epoch."""

    since: Quantity
    """Epoch in which it registered."""

    retired: Quantity | None
    """Epoch in which it retired; null while it stands."""

    jailed_until: Quantity | None
    """First epoch for which it can be elected again; null when nothing bars it."""

    is_self: bool
    """Whether this node signs with its key."""


class ElectionAnswer(Struct, frozen=True):
    """Everybody who stands, and what an election now would come to."""

    checkpoint: Quantity
    """Executed checkpoint that this was read at."""

    timestamp_ms: Quantity
    """Its commit time."""

    epoch: Quantity
    """Epoch by commit time."""

    committee_epoch: Quantity
    """Epoch of the committee that orders now."""

    ends_ms: Quantity
    """Commit time at which the epoch ends."""

    total_weight: int
    """Weight of the present committee."""

    next_total_weight: int
    """Weight of the committee that an election now would give; 0 when it would elect nobody."""

    stake_min: Quantity
    """Least stake of a candidate."""

    unbonding_epochs: int
    """Whole epochs for which an unstaked part stays bound."""

    pool: Quantity
    """What the committee of this epoch is paid at most."""

    candidates: tuple[CandidateAnswer, ...]
    """Members of the present committee first, heaviest first."""


class StakeNewsAnswer(Struct, frozen=True):
    """Something that happened to stakes or committees."""

    checkpoint: Quantity
    """In which checkpoint."""

    timestamp_ms: Quantity
    """Its commit time."""

    what: str
    """``slashed``, ``rewarded`` or ``elected``."""

    text: str
    """The same as a sentence."""

    validator: HexDigest | None
    """Whom it is about; null for an election."""

    owner: str | None
    """That candidate's account; null for an election."""

    amount: Quantity | None
    """Grains that were burned or paid; null for an election."""

    weights: dict[str, int] | None
    """Weights of whoever was elected, by key; empty when the same go on, null for everything else."""


class CandidateDetailAnswer(Struct, frozen=True):
    """One candidate and what happened to it."""

    candidate: CandidateAnswer
    """As it stands."""

    news: tuple[StakeNewsAnswer, ...]
    """What happened to it lately, newest first."""


class EvidenceAnswer(Struct, frozen=True):
    """Two blocks that one validator signed for one round."""

    shard: int
    """Whose committee."""

    epoch: Quantity
    """Epoch of that committee."""

    round: Quantity
    """The round."""

    author: int
    """Place of the validator in that committee."""

    public_key: HexDigest | None
    """Its key; null where this node does not know that committee."""

    digests: tuple[HexDigest, HexDigest]
    """Hashes of both blocks."""

    proof: HexBytes
    """Both blocks, for ``verify_twin_proof``."""
