"""Answers about accounts, checkpoints and shards."""

from msgspec import Struct

from tangle.api.wire import HexBytes, HexDigest, Quantity, SignedQuantity


class LeavingAnswer(Struct, frozen=True):
    """A part of a stake that was taken back and is still bound."""

    amount: Quantity
    """Grains."""

    release_epoch: Quantity
    """Epoch whose beginning sets it free."""

    release_ms: Quantity
    """Commit time at which that is, at the earliest."""


class AccountAnswer(Struct, frozen=True):
    """An account at the latest executed checkpoint."""

    address: str
    """Its address."""

    public_key: HexDigest
    """Its public key."""

    balance: Quantity
    """Grains that it holds."""

    sequence: Quantity
    """Its next number, ordered transactions only."""

    stake: Quantity
    """Grains that it has staked."""

    pending: int
    """Its transactions that are attached and not yet ordered."""

    checkpoint: Quantity
    """Checkpoint that this was read at."""

    leaving: tuple[LeavingAnswer, ...] = ()
    """Parts of the stake that leave, soonest first."""


class EarningAnswer(Struct, frozen=True):
    """Fees, pay for work, or what the market paid or gave back, that no transaction's effect shows."""

    checkpoint: Quantity
    """Checkpoint that credited it."""

    timestamp_ms: Quantity
    """Its commit time."""

    amount: Quantity
    """Grains."""

    job: HexDigest | None
    """Standing job whose work was paid, or job or program of the market; null for the fees of a commit."""

    generation: Quantity | None
    """Generation that the work was counted for; null for fees and the market."""

    purpose: str | None
    """What the market paid it for: ``payment``, ``escrow``, ``answer``, ...; null for everything else."""


class CreditAnswer(Struct, frozen=True):
    """Grains that came from another shard."""

    checkpoint: Quantity
    """Checkpoint that credited them."""

    timestamp_ms: Quantity
    """Its commit time."""

    source: int
    """Shard that sent them."""

    sequence: Quantity
    """Number of the receipt among those of that shard to this one."""

    amount: Quantity
    """Grains."""


class CheckpointModelAnswer(Struct, frozen=True):
    """A standing job's model as a checkpoint binds it."""

    job: HexDigest
    """Standing job."""

    generation: Quantity
    """Its generation."""

    weights_digest: HexDigest
    """Digest of that generation's weights."""

    score: SignedQuantity
    """Its score, in the job's own unit."""

    budget: Quantity
    """Its share of all draws, relative to the others'; 0 where it ended in this checkpoint."""


class CheckpointValidatorAnswer(Struct, frozen=True):
    """A member of the committee that a checkpoint names for the next epoch."""

    public_key: HexDigest
    """Its key."""

    weight: int
    """Voting weight."""


class CheckpointLeaderAnswer(Struct, frozen=True):
    """The committee's block whose commit made a checkpoint."""

    round: Quantity
    """Its round."""

    author: int
    """Index of the validator that signed it."""

    digest: HexDigest
    """Its hash."""


class SupplyAnswer(Struct, frozen=True):
    """Where all grains are."""

    genesis: Quantity
    """Allocated at genesis."""

    emitted: Quantity
    """Paid for counted work since."""

    burned: Quantity
    """Destroyed since."""

    balances: Quantity
    """In accounts."""

    stakes: Quantity
    """Locked by validators."""

    escrow: Quantity
    """Locked by jobs."""

    fund: Quantity
    """In the sustainability fund."""

    inflow: SignedQuantity
    """Received from other shards less what was sent to them."""


class SignatureAnswer(Struct, frozen=True):
    """One validator's signature under a checkpoint."""

    author: int
    """Index of the validator."""

    signature: HexBytes
    """Its signature."""


class CheckpointAnswer(Struct, frozen=True):
    """A checkpoint with its certificate."""

    shard: int
    """Its shard."""

    index: Quantity
    """Its number."""

    digest: HexDigest
    """What the committee signs."""

    committee_epoch: Quantity
    """Epoch of the committee that signs it."""

    epoch: Quantity
    """Epoch by commit time."""

    previous: HexDigest
    """Digest of the checkpoint before it."""

    leader: CheckpointLeaderAnswer
    """Block whose commit made it."""

    timestamp_ms: Quantity
    """Commit time."""

    ordered_total: Quantity
    """Transactions ordered since genesis."""

    ordered_count: Quantity
    """Transactions that it ordered."""

    ordered_root: HexDigest
    """Merkle root over their ids."""

    effects_root: HexDigest
    """Merkle root over their effects."""

    receipts_root: HexDigest
    """Merkle root over receipts for other shards."""

    received: tuple[Quantity, ...]
    """Next receipt expected from every shard; empty where there is one shard."""

    state_digest: HexDigest
    """Digest of all live state."""

    accounts_root: HexDigest
    """Merkle root over all accounts at an epoch's end; zeros elsewhere."""

    price: Quantity
    """Grains per weight after it."""

    difficulty: int
    """Evaluations that a transaction anchored here carries."""

    supply: SupplyAnswer
    """Where all grains are after it."""

    models: tuple[CheckpointModelAnswer, ...]
    """Models after it."""

    next_committee: tuple[CheckpointValidatorAnswer, ...]
    """The next epoch's committee at an epoch's end; empty when nothing changes."""

    certificate: tuple[SignatureAnswer, ...] | None
    """The committee's signatures; none while they are collected."""


class ShardAnswer(Struct, frozen=True):
    """One shard."""

    shard: int
    """Its index."""

    origin: HexDigest
    """The id that its very first transactions name as their parent."""

    checkpoint: Quantity | None
    """Its latest certified checkpoint; null, as all below, where another node serves the shard."""

    checkpoint_digest: HexDigest | None
    """That checkpoint's digest."""

    ordered_total: Quantity | None
    """Transactions ordered since genesis."""
