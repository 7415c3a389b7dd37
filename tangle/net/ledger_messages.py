"""What peers say about the ledger: how far they are, and requests for its transactions, blocks and epochs.

Transactions, blocks and checkpoints are opaque bytes here; what they mean is decided on a lower floor. A
response never exceeds one frame: where more exists than fits, the asker asks again from where it stands.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.blocks import BLOCK_SIZE_MAX, AuthorIndex, BlockReference
from shards.certificates import CERTIFICATE_SIZE_MAX
from shards.checkpoints import CHECKPOINT_SIZE_MAX
from tangle.core.types import Digest, Natural, PublicKey, Shard, Signature, TransactionId
from tangle.net.replica_messages import RequestId, TransactionBytes

TRANSACTIONS_MAX: Final = 240
"""Most transactions of one message: at their largest they fit into one frame."""

IDS_MAX: Final = 1_024
"""Most transaction ids of one announcement."""

BLOCKS_MAX: Final = 256
"""Most blocks of one message: one round of the largest committee, if they are of ordinary size."""

ROUNDS_MAX: Final = 256
"""Most rounds of one request for a range."""

BlockBytes = Annotated[bytes, Meta(min_length=1, max_length=BLOCK_SIZE_MAX)]
"""An encoded, signed committee block."""

TransactionIds = Annotated[tuple[TransactionId, ...], Meta(min_length=1, max_length=IDS_MAX)]
"""Some transactions by id."""


class ShardStatus(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How far a node is in one shard."""

    shard: Shard
    """Which shard."""

    checkpoint: Natural
    """Index of the latest checkpoint that the node has a certificate for."""

    epoch: Natural
    """Epoch of the committee that the node follows."""

    round: Natural
    """Highest round of that epoch of which the node has accepted a block."""


class GetTransactions(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """Ask for transactions by id; answered by ``TransactionItems``."""

    request: RequestId
    """Filled in by the session."""

    ids: TransactionIds
    """Which."""


class GetBlocks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=9):
    """Ask for blocks by reference; answered by ``BlockItems``."""

    request: RequestId
    """Filled in by the session."""

    shard: Shard
    """Whose committee."""

    epoch: Natural
    """Of which epoch."""

    references: Annotated[tuple[BlockReference, ...], Meta(min_length=1, max_length=BLOCKS_MAX)]
    """Which."""


class GetRounds(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=10):
    """Ask for every accepted block of a range of rounds; answered by ``BlockItems`` in order of rounds."""

    request: RequestId
    """Filled in by the session."""

    shard: Shard
    """Whose committee."""

    epoch: Natural
    """Of which epoch."""

    first_round: Natural
    """First round wanted."""

    last_round: Natural
    """Last round wanted, at most ``ROUNDS_MAX`` - 1 after the first; a responder stops earlier when it
    likes."""


class GetOrdered(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=11):
    """Ask for transactions in the order that the committee gave them; answered by ``OrderedItems``."""

    request: RequestId
    """Filled in by the session."""

    shard: Shard
    """Which shard."""

    first_index: Natural
    """Ordered index of the first one wanted."""

    limit: Annotated[int, Meta(ge=1, le=TRANSACTIONS_MAX)]
    """Most of them."""


class GetOwnLatest(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=12):
    """Ask which is the latest block of an author; a validator that lost its disk asks it about itself."""

    request: RequestId
    """Filled in by the session."""

    shard: Shard
    """Whose committee."""

    epoch: Natural
    """Of which epoch; who is in another one refuses."""

    public_key: PublicKey
    """The author."""

    challenge: Digest
    """32 bytes drawn by the asker; the answer is signed over them, so that no older answer passes for it."""


class TransactionItems(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=13):
    """Those of the transactions asked for that the sender has."""

    request: RequestId
    """The request that is answered."""

    items: Annotated[tuple[TransactionBytes, ...], Meta(max_length=TRANSACTIONS_MAX)]
    """Encoded transactions; missing ones are left out."""


class BlockItems(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=14):
    """Those of the blocks asked for that the sender has, as many as fit."""

    request: RequestId
    """The request that is answered."""

    items: Annotated[tuple[BlockBytes, ...], Meta(max_length=BLOCKS_MAX)]
    """Encoded blocks."""

    is_last: bool
    """False when the sender has more of what was asked; ask again for the rest."""


class OrderedItems(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=15):
    """A run of transactions in committee order."""

    request: RequestId
    """The request that is answered."""

    first_index: Natural
    """Ordered index of the first item."""

    items: Annotated[tuple[TransactionBytes, ...], Meta(max_length=TRANSACTIONS_MAX)]
    """Encoded transactions; none when the sender knows no such index."""


class OwnLatest(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=16):
    """The latest block that a validator knows of an author, with its word for it."""

    request: RequestId
    """The request that is answered."""

    round: Natural
    """Its round, 0 when the sender knows none."""

    digest: Digest
    """Its hash, zeros when the sender knows none."""

    voucher: AuthorIndex
    """The validator that answers; nobody else does."""

    signature: Signature
    """By that validator: see ``tangle.node.vouching``."""


class GetEpochEnd(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=27):
    """Ask how a committee's epoch ended; answered by ``EpochEndItem``, refused while it goes on."""

    request: RequestId
    """Filled in by the session."""

    shard: Shard
    """Whose committee."""

    epoch: Natural
    """Of which epoch."""


class EpochEndItem(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=28):
    """The last checkpoint of a committee's epoch."""

    request: RequestId
    """The request that is answered."""

    checkpoint: Annotated[bytes, Meta(min_length=1, max_length=CHECKPOINT_SIZE_MAX)]
    """The encoded checkpoint."""

    certificate: Annotated[bytes, Meta(min_length=1, max_length=CERTIFICATE_SIZE_MAX)]
    """Its encoded certificate."""


LedgerRequest = GetTransactions | GetBlocks | GetRounds | GetOrdered | GetOwnLatest | GetEpochEnd
"""What is answered from the ledger."""

LedgerResponse = TransactionItems | BlockItems | OrderedItems | OwnLatest | EpochEndItem
"""What answers that."""
