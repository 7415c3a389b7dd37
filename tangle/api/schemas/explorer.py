"""Answers for explorers: blocks of the committee."""

from msgspec import Struct

from tangle.api.wire import HexDigest, Quantity


class BlockReferenceAnswer(Struct, frozen=True):
    """The name of a block."""

    round: Quantity
    """Its round."""

    author: int
    """Index of the validator that signed it."""

    digest: HexDigest
    """Its hash."""


class BlockSummaryAnswer(Struct, frozen=True):
    """A block of the committee without its lists."""

    round: Quantity
    """Its round."""

    author: int
    """Index of the validator that signed it."""

    digest: HexDigest
    """Its hash."""

    timestamp_ms: Quantity
    """The author's clock."""

    ancestors: tuple[BlockReferenceAnswer, ...]
    """Blocks of earlier rounds that it stands on, the author's own first."""

    tips: int
    """Transactions that it names, each with its unordered past."""

    attestations: int
    """Checkpoints that it attests."""

    size: int
    """Bytes."""


class AttestationAnswer(Struct, frozen=True):
    """A validator's word on a checkpoint."""

    index: Quantity
    """The checkpoint."""

    digest: HexDigest
    """What it says that the checkpoint's digest is."""


class BlockAnswer(Struct, frozen=True):
    """A block of the committee."""

    shard: int
    """Its shard."""

    epoch: Quantity
    """Epoch of the committee."""

    round: Quantity
    """Its round."""

    author: int
    """Index of the validator that signed it."""

    digest: HexDigest
    """Its hash."""

    timestamp_ms: Quantity
    """The author's clock."""

    ancestors: tuple[BlockReferenceAnswer, ...]
    """Blocks of earlier rounds that it stands on, the author's own first."""

    tips: tuple[HexDigest, ...]
    """Transactions to order, each with its unordered past."""

    attestations: tuple[AttestationAnswer, ...]
    """Checkpoints that it attests, by ascending index."""

    size: int
    """Bytes."""
