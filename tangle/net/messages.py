"""What peers say to each other: a closed union of small records, canonical CBOR with an integer tag first.

Transactions and blocks are opaque bytes here; what they mean is decided on a lower floor. Every type has its
own size limit, checked before decoding, and its own limits on items, checked while decoding. Three kinds:

- news: sent without being asked (``Transactions``, ``Blocks``, ``Announce``, ``PeerList``, ...),
- requests: carry a number that the session chooses, and are answered by exactly one response,
- responses: ``TransactionItems``, ``BlockItems``, ``OrderedItems``, ``OwnLatest``, ``EpochEndItem``,
  ``BlobHoldings``, ``BlobRange``, ``ReplicaSealed``, ``ReplicaShown``, ``BundleItem``, ``Refused``.

A response never exceeds one frame. Where more exists than fits, ``is_last`` is false (or the items end early)
and the asker asks again from where it stands: the asker sets the pace, and nobody buffers a whole catch-up.
"""

from enum import IntEnum
from typing import Annotated, Any, Final, get_args

from msgspec import Meta, Struct

from tangle.core.blob_download import RUNS_MAX, PieceRun
from tangle.core.blob_id import BlobId
from tangle.core.chunk_tree import BLOB_SIZE_MAX, NODES_MAX, PIECE_SIZE, Level
from tangle.core.encoding import decode, encode
from tangle.core.types import Digest, Natural
from tangle.net.addresses import Address
from tangle.net.bundle_messages import BundleItem, GetBundle
from tangle.net.errors import UnknownMessage
from tangle.net.frames import PAYLOAD_SIZE_MAX
from tangle.net.ledger_messages import (
    BLOCKS_MAX,
    TRANSACTIONS_MAX,
    BlockBytes,
    BlockItems,
    EpochEndItem,
    GetBlocks,
    GetEpochEnd,
    GetOrdered,
    GetOwnLatest,
    GetRounds,
    GetTransactions,
    LedgerRequest,
    LedgerResponse,
    OrderedItems,
    OwnLatest,
    ShardStatus,
    TransactionIds,
    TransactionItems,
)
from tangle.net.replica_messages import (
    AskReplica,
    ReplicaRequest,
    ReplicaSealed,
    ReplicaShown,
    RequestId,
    ShowReplica,
    TransactionBytes,
)
from tangle.net.snapshot_messages import GetSnapshots, SnapshotOffers

SHARDS_MAX: Final = 256
"""Most shards that one node serves; the protocol has no more."""

ADDRESSES_MAX: Final = 64
"""Most addresses of one peer list: enough to find the network, too few to fill an address book."""

AGENT_SIZE_MAX: Final = 64
"""Longest name and version of the peer's software."""

BLOB_PATH_MAX: Final = 20
"""Most siblings above a range: the longest blob has 2^20 chunks."""

CODE_SIZE_MAX: Final = 64
"""Longest code of a refusal or goodbye."""

Code = Annotated[bytes, Meta(max_length=CODE_SIZE_MAX)]
"""A stable error code in ASCII."""


class Hello(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """First message of each side, and again whenever its content changed much."""

    version: Natural
    """Protocol version of the node."""

    shards: Annotated[tuple[ShardStatus, ...], Meta(min_length=1, max_length=SHARDS_MAX)]
    """The shards that it serves, and how far it is in each."""

    listen_port: Annotated[int, Meta(ge=0, le=65_535)]
    """Port where it takes sessions, 0 when it does not."""

    agent: Annotated[bytes, Meta(max_length=AGENT_SIZE_MAX)]
    """Name and version of its software, for people."""

    is_validator: bool
    """Whether it says that it sits on the committee; blocks prove it, this only orders sends."""


class Transactions(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """New transactions in full."""

    items: Annotated[tuple[TransactionBytes, ...], Meta(min_length=1, max_length=TRANSACTIONS_MAX)]
    """Encoded transactions, parents before children where both are inside."""


class Announce(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """New transactions that the sender has and will give when asked."""

    ids: TransactionIds
    """Their ids."""


class Blocks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """New committee blocks in full."""

    items: Annotated[tuple[BlockBytes, ...], Meta(min_length=1, max_length=BLOCKS_MAX)]
    """Encoded blocks, ancestors before descendants where both are inside."""


class Ping(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """Are you there? Sent and answered by the session itself."""

    nonce: Natural
    """Comes back in the pong."""


class Pong(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """The answer to a ping."""

    nonce: Natural
    """The ping's."""


class PeerList(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """Other nodes that the sender has had a session with."""

    addresses: Annotated[tuple[Address, ...], Meta(max_length=ADDRESSES_MAX)]
    """Where they take sessions."""


class Refused(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=17):
    """A request that the sender will not or cannot answer."""

    request: RequestId
    """The request that is answered."""

    code: Code
    """Why."""


class Goodbye(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=18):
    """The last message of a session in good order."""

    code: Code
    """Why the sender leaves."""


class GetBlobHoldings(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=19):
    """Ask what the peer has of a blob; answered by ``BlobHoldings``, refused by who has nothing of it."""

    request: RequestId
    """Filled in by the session."""

    blob: BlobId
    """Which."""

    is_tree_wanted: bool
    """Whether the answer is to hold the nodes; who has them already does without."""


class GetBlobRange(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=20):
    """Ask for one range of a blob; answered by ``BlobRange``, refused by who does not have it."""

    request: RequestId
    """Filled in by the session."""

    blob: BlobId
    """Which."""

    level: Level
    """Ranges of this level have 2^level chunks of 4 KiB."""

    index: Natural
    """Place of the range among those of its level."""


class BlobHoldings(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=21):
    """What the sender has of a blob."""

    request: RequestId
    """The request that is answered."""

    size: Annotated[int, Meta(ge=0, le=BLOB_SIZE_MAX)]
    """Bytes of the whole blob."""

    root: Digest
    """Root over its chunks; with the size it makes the id."""

    nodes: Annotated[tuple[Digest, ...], Meta(max_length=NODES_MAX)]
    """Roots of its pieces, in order; empty where they were not wanted."""

    runs: Annotated[tuple[PieceRun, ...], Meta(max_length=RUNS_MAX)]
    """Pieces that the sender has."""


class BlobRange(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=22):
    """One range of a blob with its proof."""

    request: RequestId
    """The request that is answered."""

    content: Annotated[bytes, Meta(max_length=PIECE_SIZE)]
    """The bytes."""

    path: Annotated[tuple[Digest, ...], Meta(max_length=BLOB_PATH_MAX)]
    """Siblings from the range's node up to the blob's root."""


News = Hello | Transactions | Announce | Blocks | PeerList
"""What arrives without being asked for."""

BlobRequest = GetBlobHoldings | GetBlobRange
"""What is answered from the blobs."""

Request = LedgerRequest | BlobRequest | ReplicaRequest | GetBundle | GetSnapshots
"""What expects a response."""

Response = (
    LedgerResponse
    | BlobHoldings
    | BlobRange
    | ReplicaSealed
    | ReplicaShown
    | BundleItem
    | Refused
    | SnapshotOffers
)
"""What answers a request."""

Message = News | Request | Response | Ping | Pong | Goodbye
"""Everything that a frame may hold."""

EXPECTED_RESPONSE: Final[dict[type[Request], type[Response]]] = {
    GetTransactions: TransactionItems,
    GetBlocks: BlockItems,
    GetRounds: BlockItems,
    GetOrdered: OrderedItems,
    GetOwnLatest: OwnLatest,
    GetEpochEnd: EpochEndItem,
    GetBlobHoldings: BlobHoldings,
    GetBlobRange: BlobRange,
    AskReplica: ReplicaSealed,
    ShowReplica: ReplicaShown,
    GetBundle: BundleItem,
    GetSnapshots: SnapshotOffers,
}
"""The kind of response that each request gets, unless it is refused."""

SMALL: Final = 128
"""Limit in bytes of messages of a few integers and a code."""

SIZE_MAX: Final[dict[type[Message], int]] = {
    Hello: 8_192,
    Announce: 36_864,
    PeerList: 20_480,
    GetTransactions: 36_864,
    GetBlocks: 16_384,
    Transactions: PAYLOAD_SIZE_MAX,
    Blocks: PAYLOAD_SIZE_MAX,
    TransactionItems: PAYLOAD_SIZE_MAX,
    BlockItems: PAYLOAD_SIZE_MAX,
    OrderedItems: PAYLOAD_SIZE_MAX,
    **dict.fromkeys((Ping, Pong, GetRounds, GetOrdered, GetOwnLatest, OwnLatest, Refused, Goodbye), SMALL),
    **dict.fromkeys((GetEpochEnd, GetBlobHoldings, GetBlobRange, GetBundle, GetSnapshots), SMALL),
    EpochEndItem: 53_760,
    BlobHoldings: 561_152,
    BlobRange: 263_168,
    AskReplica: 73_728,
    ShowReplica: 2_048,
    ReplicaSealed: 256,
    ReplicaShown: 94_208,
    BundleItem: 541_696,
    SnapshotOffers: 1_280,
}
"""Longest encoding of each type, a little above what its item limits allow, and never above one frame."""


class Lane(IntEnum):
    """Order of sending: a lower lane is emptied first, so that blocks overtake transactions."""

    CONTROL = 0
    BLOCKS = 1
    BULK = 2


_LANES: Final[dict[type[Message], Lane]] = {
    Transactions: Lane.BULK,
    Announce: Lane.BULK,
    PeerList: Lane.BULK,
    TransactionItems: Lane.BULK,
    OrderedItems: Lane.BULK,
    BlobHoldings: Lane.BULK,
    BlobRange: Lane.BULK,
    AskReplica: Lane.BULK,
    ReplicaShown: Lane.BULK,
    BundleItem: Lane.BULK,
    Blocks: Lane.BLOCKS,
    BlockItems: Lane.BLOCKS,
}

_ARRAY_HEADS: Final = range(0x81, 0x98)
"""CBOR heads of arrays of 1 to 23 items; every message is one, its tag follows in one byte or two."""

_TWO_BYTES: Final = 0x18
"""CBOR head of an integer from 24 on that stands in the byte behind."""

_BY_TAG: Final[dict[int, type[Message]]] = {kind.__struct_config__.tag: kind for kind in get_args(Message)}


class Prepared(Struct, frozen=True):
    """A message encoded once, to be sent to many peers."""

    payload: bytes
    """Its canonical encoding."""

    lane: Lane
    """The lane that it goes by."""


def get_lane(message: Message) -> Lane:
    """The lane of a message: control (requests and small answers), blocks, or bulk."""
    return _LANES.get(type(message), Lane.CONTROL)


def prepare_message(message: Message) -> Prepared:
    """Encode a message for sending.

    Its fields are the sender's to keep within their limits: a receiver closes the session over any that is
    not.
    """
    return Prepared(encode(message), get_lane(message))


def decode_message(data: bytes) -> Message:
    """Decode one frame's payload strictly.

    :raises UnknownMessage: it does not start like any message of this version.
    :raises OversizeEncoding, MalformedEncoding: over its type's limit, or not canonical; both name the type.
    """
    kind = _find_kind(data)
    if kind is None:
        raise UnknownMessage(data[:2])
    message: Any = decode(kind, data, limit=SIZE_MAX[kind])
    return message  # type: ignore[no-any-return]  # `kind` is one of the union's members, which a dict cannot say


def _find_kind(data: bytes) -> type[Message] | None:
    if len(data) < 2 or data[0] not in _ARRAY_HEADS:
        return None
    if data[1] < _TWO_BYTES:
        return _BY_TAG.get(data[1])
    return _BY_TAG.get(data[2]) if data[1] == _TWO_BYTES and len(data) > 2 and data[2] >= _TWO_BYTES else None


for _kind in get_args(Message):
    assert SIZE_MAX[_kind] <= PAYLOAD_SIZE_MAX, "every message fits into a frame"
