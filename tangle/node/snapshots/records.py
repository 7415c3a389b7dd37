"""What stands in the frames of a snapshot, in the order in which they follow.

``Head``, ``EpochEnds``…, ``PaidModel``…, ``Master``…, ``Section``…, ``Commits``, ``Blocks``…, ``Rows``…,
``End``. Every record is a canonical CBOR array that begins with its number. What is in them is verified
against the head's certified checkpoint; ``verifying`` says how.
"""

from collections.abc import Callable
from typing import Annotated, Final, TypeVar, get_args

from msgspec import Meta, Struct

from poi.job import JOB_SIZE_MAX
from shards.certificates import Certificate
from shards.checkpoints import SHARDS_MAX, Checkpoint
from shards.commits import CommitRecord
from shards.epochs import EpochEnd
from shards.receipts import Receipt, ReceiptBatch
from tangle.core.blob_id import BLOB_ID_SIZE_MAX
from tangle.core.encoding import decode, encode
from tangle.core.errors import MalformedEncoding, TangleError
from tangle.core.types import ChainId, Digest, JobId, Natural, Shard
from tangle.ledger.state import LEDGER_STATE_SIZE_MAX
from tangle.node.snapshots.errors import SnapshotFalse
from tangle.store.framed import FRAME_BYTES_MAX
from tangle.store.store import Table

MAGIC: Final = b"tangle-snapshot-1\n"
"""First bytes of a file."""

PURPOSE: Final = b"tangle/snapshot"
"""Of its digests."""

SNAPSHOT_VERSION: Final = 1
"""The only version so far."""

LATER_MAX: Final = 256
"""Most checkpoints from that of the state to the one whose certificate covers it: each names the one before,
and one without a certificate of its own is followed by one that has it within some tens."""

STATE_TABLES: Final = (Table.ACCOUNTS, Table.MARKET, Table.STAKING, Table.EVENT_COUNTS)
"""Tables whose rows are in ``Rows``: the first three are the state, the last is what the giver says."""


class Head(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=0):
    """The first record: which state it is, and who signed it."""

    version: Natural
    """Format version, ``SNAPSHOT_VERSION``."""

    chain: ChainId
    """The network."""

    shard: Shard
    """The shard."""

    first: Natural
    """First checkpoint of the history that is inside."""

    checkpoint: Checkpoint
    """The one that the state is of."""

    later: Annotated[tuple[Checkpoint, ...], Meta(max_length=LATER_MAX)]
    """Those after it up to the one that is certified; none where it is certified itself."""

    certificate: Certificate
    """Of the last of these, or of the checkpoint."""

    state: Annotated[bytes, Meta(max_length=LEDGER_STATE_SIZE_MAX)]
    """The encoded ledger state."""

    begun: Natural
    """The checkpoint of this shard that its committee began on; 0 for the first committee."""

    origin: Digest
    """That checkpoint's digest; zeros for the first committee. In the leading shard both follow from the ends
    of epochs."""

    event_id: Natural
    """Id of the checkpoint's first event, as the giver counts; the ledger does not follow from it."""


class CertifiedCheckpoint(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A checkpoint with a certificate of its own."""

    checkpoint: Checkpoint
    """The checkpoint."""

    certificate: Certificate
    """Signed by its committee."""


class EpochEnds(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Ends of epochs from the genesis on, some in each record."""

    ends: tuple[EpochEnd, ...]
    """In order."""


class PaidModel(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """A standing job that a customer pays or paid for, which transactions may still work for."""

    parameters: Annotated[bytes, Meta(max_length=JOB_SIZE_MAX)]
    """The encoded standing job."""

    data: Annotated[bytes, Meta(max_length=BLOB_ID_SIZE_MAX)]
    """Id of the blob of its data."""

    content: bytes
    """The blob."""

    opened: Natural
    """Checkpoint that put it on the board, as the giver says; only lists are in this order."""


class Master(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Weights of one generation."""

    job: JobId
    """The job."""

    generation: Natural
    """The generation."""

    master: bytes
    """Its master weights."""

    witnesses: Annotated[tuple[CertifiedCheckpoint, ...], Meta(max_length=1)]
    """A certified checkpoint that names them, where they are older than the history inside."""


class Section(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """One checkpoint of history with what it ordered; of the first one nothing but itself."""

    checkpoint: Checkpoint
    """The checkpoint."""

    transactions: tuple[bytes, ...]
    """Its transactions, encoded, in order."""

    effects: tuple[bytes, ...]
    """Their effects, encoded, in the same order."""

    batches: Annotated[tuple[ReceiptBatch, ...], Meta(max_length=SHARDS_MAX)]
    """What it sent to every shard; nothing where there is one shard."""

    receipts: tuple[Receipt, ...]
    """The receipts of these batches, in order."""

    certificates: Annotated[tuple[Certificate, ...], Meta(max_length=1)]
    """Its own certificate, where there is one."""


class Commits(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """Commits above the horizon of the checkpoint's; none at the end of a committee's epoch."""

    records: tuple[CommitRecord, ...]
    """In order; the last one is the checkpoint's."""


class Blocks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """Some blocks above that horizon."""

    items: tuple[bytes, ...]
    """Encoded blocks."""


class Rows(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """Some rows of one table of the state."""

    table: Annotated[int, Meta(ge=0, lt=len(STATE_TABLES))]
    """Place in ``STATE_TABLES``."""

    rows: tuple[tuple[bytes, bytes], ...]
    """Keys and values, in order of keys."""


class End(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """The last record: without it the file is not whole."""

    transactions: Natural
    """Transactions inside."""

    rows: Natural
    """Rows of the state's tables inside."""


Record = Head | EpochEnds | PaidModel | Master | Section | Commits | Blocks | Rows | End
"""Everything that a frame may hold."""

_BY_TAG: Final[dict[int, type[Record]]] = {kind.__struct_config__.tag: kind for kind in get_args(Record)}


def encode_record(record: Record) -> bytes:
    """Canonical bytes of a frame."""
    return encode(record)


def decode_record(data: bytes) -> Record:
    """Decode a frame strictly.

    :raises MalformedEncoding, OversizeEncoding: it holds no record of a snapshot.
    """
    kind = _BY_TAG.get(data[1]) if len(data) > 1 else None
    if kind is None:
        raise MalformedEncoding("snapshot record", "its number is of no known record")
    record: Record = decode(kind, data, limit=FRAME_BYTES_MAX)
    return record


Item = TypeVar("Item")


def decode_item(data: bytes, decode_one: Callable[[bytes], Item], place: str) -> Item:
    """Decode what stands within a record.

    :raises SnapshotFalse: it is none of its kind.
    """
    try:
        return decode_one(data)
    except TangleError as error:
        raise SnapshotFalse(place, str(error)) from error
