"""What the committee core tells its shell, and what it starts from. Each event is acted on in order."""

from enum import Enum

from msgspec import Struct

from shards.blocks import Block, BlockReference, BundleReference
from shards.commits import CommitRecord
from tangle.core.types import Milliseconds, TransactionId


class Pace(Struct, frozen=True):
    """How fast one node proposes; its own choice, not the protocol's."""

    min_round_delay_ms: Milliseconds
    """Least time between two own blocks."""

    leader_timeout_ms: Milliseconds
    """How long to wait for the last round's leaders once a quorum of that round is here."""

    idle_round_delay_ms: Milliseconds
    """Time between two own blocks while nothing waits to be ordered."""


class RecoveredState(Struct, frozen=True):
    """What a store gives back after a restart."""

    blocks: tuple[Block, ...]
    """Accepted blocks above the horizon of the last commit, in any order."""

    commits: tuple[CommitRecord, ...]
    """Commit records in order, at least all whose leader is above the horizon of the last one."""

    last_signed_round: int
    """Highest round that this validator may have signed, 0 when none: from the last-signed guard."""


class DropReason(Enum):
    """Why a block was let go without being accepted."""

    BELOW_HORIZON = "below-horizon"
    """Its round can no longer be committed."""

    WAITING_ROOM_FULL = "waiting-room-full"
    """Too many blocks of its author wait already."""

    TOO_FAR_AHEAD = "too-far-ahead"
    """Too many blocks of its author carry timestamps from the future."""

    TWIN = "twin"
    """Its author signed several blocks for the slot, and nobody else needs this one."""


class BlockAccepted(Struct, frozen=True):
    """A block is part of the DAG. Store it; with its attestations go to the aggregator."""

    block: Block
    """The block; all its ancestors were accepted before."""


class BlockSuspended(Struct, frozen=True):
    """A block waits. Ask its sender and its author for what is missing."""

    reference: BlockReference
    """The block that waits."""

    missing_blocks: tuple[BlockReference, ...]
    """Ancestors that are neither accepted nor waiting."""

    missing_tips: tuple[TransactionId, ...]
    """Transactions that are not attached."""

    missing_bundles: tuple[BundleReference, ...]
    """Bundles from other shards that are not here."""


class BlockDropped(Struct, frozen=True):
    """A block was let go; it may be fetched again when another block needs it."""

    reference: BlockReference
    """The block."""

    reason: DropReason
    """Why."""


class SubDagCommitted(Struct, frozen=True):
    """The next commit. Store the record, then execute its blocks."""

    record: CommitRecord
    """The record; its index is one above that of the event before."""

    blocks: tuple[Block, ...]
    """Its blocks in linear order."""


class ProposalDue(Struct, frozen=True):
    """It is time to call ``propose``. Said once per round; a node that is catching up may let it pass."""

    round: int
    """Round of the block to make."""


class EquivocationSeen(Struct, frozen=True):
    """An author signed two blocks for one slot. Keep both: they are the evidence."""

    first: Block
    """The block that was accepted first."""

    second: Block
    """The other block."""


CommitteeEvent = (
    BlockAccepted | BlockSuspended | BlockDropped | SubDagCommitted | ProposalDue | EquivocationSeen
)
"""Everything that the core can say."""


class Missing(Struct, frozen=True):
    """What has to be fetched before waiting blocks can be accepted."""

    blocks: tuple[BlockReference, ...]
    """Blocks, lowest round first."""

    tips: tuple[TransactionId, ...]
    """Transactions."""

    bundles: tuple[BundleReference, ...]
    """Bundles from other shards."""
