"""Messages: every type survives the wire, has one encoding, and keeps its own limits."""

from typing import get_args

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aivm.verification.trace import Commitment, Context, TensorOpening
from poi.countersigning import PANEL_MAX, Sealed
from shards.blocks import BLOCK_SIZE_MAX, BlockReference, BundleReference
from shards.bundles import BUNDLE_SIZE_MAX
from shards.certificates import CERTIFICATE_SIZE_MAX
from shards.checkpoints import CHECKPOINT_SIZE_MAX
from tangle.core.blob_download import RUNS_MAX, PieceRun
from tangle.core.blob_id import BLOB_ID_SIZE_MAX, BlobId, make_blob_id
from tangle.core.chunk_tree import BLOB_SIZE_MAX, NODES_MAX, PIECE_LEVEL, PIECE_SIZE
from tangle.core.encoding import encode
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.genesis import VALIDATORS_MAX
from tangle.core.transactions import TRANSACTION_SIZE_MAX
from tangle.core.types import CheckpointIndex, Digest, PublicKey, Shard, Signature, TransactionId
from tangle.net import messages
from tangle.net.addresses import Address
from tangle.net.bundle_messages import BundleItem, GetBundle
from tangle.net.errors import UnknownMessage
from tangle.net.frames import PAYLOAD_SIZE_MAX
from tangle.net.ledger_messages import (
    BLOCKS_MAX,
    IDS_MAX,
    TRANSACTIONS_MAX,
    BlockItems,
    EpochEndItem,
    GetBlocks,
    GetEpochEnd,
    GetOrdered,
    GetOwnLatest,
    GetRounds,
    GetTransactions,
    OrderedItems,
    OwnLatest,
    ShardStatus,
    TransactionItems,
)
from tangle.net.messages import (
    Announce,
    BlobHoldings,
    BlobRange,
    Blocks,
    GetBlobHoldings,
    GetBlobRange,
    Goodbye,
    Hello,
    Lane,
    Message,
    PeerList,
    Ping,
    Pong,
    Refused,
    Transactions,
    decode_message,
    get_lane,
    prepare_message,
)
from tangle.net.replica_messages import (
    INLINE_MAX,
    INLINE_TENSORS_MAX,
    AskReplica,
    ReplicaSealed,
    ReplicaShown,
    ShowReplica,
)
from tangle.net.snapshot_messages import OFFERS_MAX, GetSnapshots, SnapshotOffer, SnapshotOffers

ID = TransactionId(b"\x07" * 32)
COMMITMENT = Commitment(
    1,
    Context(Digest(bytes(32)), PublicKey(b"\x09" * 32), 0),
    Digest(b"\x0e" * 32),
    1,
    (Digest(bytes(32)),),
    (Digest(bytes(32)),),
    3,
    Digest(bytes(32)),
)
OPENING = TensorOpening(4, Digest(bytes(32)), (Digest(bytes(32)),), ())
LONGEST_NAME = BundleReference(Shard(65_535), CheckpointIndex(2**63 - 1), Digest(bytes(32)))

OFFER = SnapshotOffer(CheckpointIndex(7), Digest(bytes(32)), make_blob_id(Digest(bytes(32))), 5)
EXAMPLES: list[Message] = [
    Hello(1, (ShardStatus(Shard(0), 12, 3, 345),), 15600, b"tangle/0.1.0", True),
    Transactions((b"a transaction", b"b")),
    Announce((ID,)),
    Blocks((b"a block",)),
    Ping(3),
    Pong(3),
    PeerList((Address(b"192.0.2.1", 15600), Address(b"2001:db8::1", 1))),
    GetTransactions(1, (ID, ID)),
    GetBlocks(2, Shard(0), 1, (BlockReference(4, 3, Digest(b"\x01" * 32)),)),
    GetRounds(3, Shard(1), 0, 10, 20),
    GetOrdered(4, Shard(0), 0, 100),
    GetOwnLatest(5, Shard(0), 2, PublicKey(b"\x02" * 32), Digest(b"\x03" * 32)),
    TransactionItems(6, ()),
    BlockItems(7, (b"block",), False),
    OrderedItems(8, 99, (b"x",)),
    OwnLatest(9, 0, Digest(bytes(32)), 3, Signature(b"\x04" * 64)),
    Refused(10, b"not-served"),
    Goodbye(b"shutdown"),
    GetBlobHoldings(11, make_blob_id(Digest(bytes(32))), True),
    GetBlobRange(12, make_blob_id(Digest(bytes(32))), 6, 16_383),
    BlobHoldings(13, 300_000, Digest(b"\x05" * 32), (Digest(b"\x06" * 32),) * 2, (PieceRun(0, 2),)),
    BlobRange(14, b"content", (Digest(b"\x07" * 32),)),
    AskReplica(15, b"transaction", (b"first", b"second")),
    ShowReplica(16, Digest(b"\x08" * 32), (Sealed(PublicKey(b"\x09" * 32), Digest(b"\x0a" * 32)),)),
    ReplicaSealed(17, PublicKey(b"\x09" * 32), Digest(b"\x0a" * 32), Signature(b"\x0b" * 64)),
    ReplicaShown(
        18, COMMITMENT, Digest(b"\x0c" * 32), Signature(b"\x0d" * 64), (OPENING,), (b"first", b"second")
    ),
    GetEpochEnd(19, Shard(0), 7),
    EpochEndItem(20, b"checkpoint", b"certificate"),
    GetBundle(21, Shard(1), BundleReference(Shard(0), CheckpointIndex(3), Digest(bytes(32)))),
    BundleItem(22, b"bundle"),
    GetSnapshots(23, Shard(1)),
    SnapshotOffers(24, CheckpointIndex(2), 9, (OFFER,)),
]
NAMES = [type(example).__name__ for example in EXAMPLES]


def encode_message(message: Message) -> bytes:
    return prepare_message(message).payload


def test_there_is_an_example_of_every_message() -> None:
    assert {type(example) for example in EXAMPLES} == set(get_args(Message))


@pytest.mark.parametrize("message", EXAMPLES, ids=NAMES)
def test_every_message_survives_the_wire(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=NAMES)
def test_every_truncation_and_trailing_byte_is_refused(message: Message) -> None:
    data = encode_message(message)
    for size in range(len(data)):
        with pytest.raises((MalformedEncoding, UnknownMessage)):
            decode_message(data[:size])
    with pytest.raises((MalformedEncoding, OversizeEncoding)):
        decode_message(data + b"\x00")


@pytest.mark.parametrize("message", EXAMPLES, ids=NAMES)
def test_over_the_limit_of_its_type_is_refused_by_name(message: Message) -> None:
    limit = messages.SIZE_MAX[type(message)]
    data = encode_message(message)
    with pytest.raises(OversizeEncoding) as caught:
        decode_message(data + bytes(limit + 1 - len(data)))
    assert caught.value.record == type(message).__name__
    assert caught.value.limit == limit


@given(st.binary(max_size=100))
def test_random_bytes_are_refused_or_canonical(data: bytes) -> None:
    try:
        message = decode_message(data)
    except (MalformedEncoding, OversizeEncoding, UnknownMessage):
        return
    assert encode_message(message) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        b"\x00\x01",
        b"\x80\x05",
        b"\x81\x00",
        b"\x81\x18",
        b"\x81\x18\x7f",
        b"\x81\x18\x17",
        b"\x81\x19\x00\x18",
        b"\x9f\x05\xff",
        b"\xa1\x05\x03",
    ],
)
def test_no_message_starts_like_this(data: bytes) -> None:
    with pytest.raises(UnknownMessage):
        decode_message(data)


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("82051803"),  # the nonce 3 in two bytes
        bytes.fromhex("83050300"),  # a field too many
        bytes.fromhex("8105"),  # a field too few
        bytes.fromhex("820520"),  # a negative nonce
        bytes.fromhex("82054103"),  # bytes where a number belongs
        bytes.fromhex("8205c24103"),  # a big-number tag
        bytes.fromhex("82050300"),  # a byte after the end
        bytes.fromhex("8205f5"),  # true where a number belongs
    ],
    ids=["long", "extra", "missing", "negative", "bytes", "tagged", "trailing", "boolean"],
)
def test_malleable_and_mistyped_pings_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedEncoding) as caught:
        decode_message(data)
    assert caught.value.record == "Ping"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Transactions, [[]]),
        (Transactions, [[b""]]),
        (Transactions, [[bytes(TRANSACTION_SIZE_MAX + 1)]]),
        (Transactions, [[b"x"] * (TRANSACTIONS_MAX + 1)]),
        (Announce, [[]]),
        (Announce, [[bytes(31)]]),
        (Announce, [[bytes(32)] * (IDS_MAX + 1)]),
        (Blocks, [[bytes(BLOCK_SIZE_MAX + 1)]]),
        (Blocks, [[b"x"] * (BLOCKS_MAX + 1)]),
        (PeerList, [[[b"h", 1]] * (messages.ADDRESSES_MAX + 1)]),
        (PeerList, [[[b"h", 0]]]),
        (PeerList, [[[b"", 1]]]),
        (GetOrdered, [1, 0, 0, TRANSACTIONS_MAX + 1]),
        (GetOrdered, [1, 0, 0, 0]),
        (GetRounds, [2**32, 0, 0, 0, 0]),
        (GetOwnLatest, [1, 65_536, 0, bytes(32), bytes(32)]),
        (GetOwnLatest, [1, 0, 0, bytes(32), bytes(31)]),
        (EpochEndItem, [1, b"", b"certificate"]),
        (OwnLatest, [1, 0, bytes(32), VALIDATORS_MAX, bytes(64)]),
        (Hello, [1, [], 0, b"", False]),
        (Hello, [1, [[0, 0, 0]], 65_536, b"", False]),
        (Goodbye, [bytes(messages.CODE_SIZE_MAX + 1)]),
        (GetBlobHoldings, [1, bytes(BLOB_ID_SIZE_MAX + 1), True]),
        (GetBlobRange, [1, bytes(3), 0, 0]),
        (GetBlobRange, [1, bytes(39), PIECE_LEVEL + 1, 0]),
        (BlobHoldings, [1, BLOB_SIZE_MAX + 1, bytes(32), [], []]),
        (BlobHoldings, [1, 0, bytes(32), [bytes(32)] * (NODES_MAX + 1), []]),
        (BlobHoldings, [1, 0, bytes(32), [], [[0, 1]] * (RUNS_MAX + 1)]),
        (BlobHoldings, [1, 0, bytes(32), [], [[NODES_MAX, 1]]]),
        (BlobHoldings, [1, 0, bytes(32), [], [[0, 0]]]),
        (AskReplica, [1, b"", [b""]]),
        (AskReplica, [1, bytes(TRANSACTION_SIZE_MAX + 1), [b""]]),
        (AskReplica, [1, b"x", []]),
        (AskReplica, [1, b"x", [b""] * (INLINE_TENSORS_MAX + 1)]),
        (AskReplica, [1, b"x", [bytes(INLINE_MAX + 1)]]),
        (ShowReplica, [1, bytes(32), []]),
        (ShowReplica, [1, bytes(32), [[bytes(32), bytes(32)]] * (PANEL_MAX + 1)]),
        (ShowReplica, [1, bytes(32), [[bytes(32), bytes(31)]]]),
        (ReplicaSealed, [1, bytes(32), bytes(32), bytes(63)]),
        (BlobRange, [1, bytes(PIECE_SIZE + 1), []]),
        (BlobRange, [1, b"", [bytes(32)] * (messages.BLOB_PATH_MAX + 1)]),
    ],
)
def test_items_over_their_limits_are_refused(kind: type[Message], fields: list[object]) -> None:
    data = cbor2.dumps([kind.__struct_config__.tag, *fields])
    assert len(data) <= messages.SIZE_MAX[kind]
    with pytest.raises(MalformedEncoding) as caught:
        decode_message(data)
    assert caught.value.record == kind.__name__


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(MalformedEncoding):
        decode_message(b"\x82\x02" + b"\x81" * 5_000 + b"\x00")


def test_the_largest_honest_batches_fit_into_a_frame() -> None:
    transactions = (bytes(TRANSACTION_SIZE_MAX),) * TRANSACTIONS_MAX
    for message in (
        Transactions(transactions),
        OrderedItems(2**32 - 1, 2**63 - 1, transactions),
        Announce((ID,) * IDS_MAX),
        GetTransactions(2**32 - 1, (ID,) * IDS_MAX),
        GetBlocks(
            2**32 - 1,
            Shard(65_535),
            2**63 - 1,
            (BlockReference(2**63 - 1, VALIDATORS_MAX - 1, Digest(bytes(32))),) * BLOCKS_MAX,
        ),
        PeerList((Address(b"h" * 253, 65_535),) * messages.ADDRESSES_MAX),
        Hello(
            1,
            (ShardStatus(Shard(65_535), 2**63 - 1, 2**63 - 1, 2**63 - 1),) * messages.SHARDS_MAX,
            65_535,
            b"a" * 64,
            True,
        ),
        GetOwnLatest(2**32 - 1, Shard(65_535), 2**63 - 1, PublicKey(bytes(32)), Digest(bytes(32))),
        GetEpochEnd(2**32 - 1, Shard(65_535), 2**63 - 1),
        GetBundle(2**32 - 1, Shard(65_535), LONGEST_NAME),
        BundleItem(2**32 - 1, bytes(BUNDLE_SIZE_MAX)),
        GetSnapshots(2**32 - 1, Shard(65_535)),
        SnapshotOffers(
            2**32 - 1,
            CheckpointIndex(2**63 - 1),
            2**63 - 1,
            (
                SnapshotOffer(
                    CheckpointIndex(2**63 - 1),
                    Digest(bytes(32)),
                    BlobId(bytes(BLOB_ID_SIZE_MAX)),
                    BLOB_SIZE_MAX,
                ),
            )
            * OFFERS_MAX,
        ),
        EpochEndItem(2**32 - 1, bytes(CHECKPOINT_SIZE_MAX), bytes(CERTIFICATE_SIZE_MAX)),
        OwnLatest(2**32 - 1, 2**63 - 1, Digest(bytes(32)), VALIDATORS_MAX - 1, Signature(bytes(64))),
        Refused(2**32 - 1, b"c" * messages.CODE_SIZE_MAX),
        GetBlobHoldings(2**32 - 1, BlobId(bytes(BLOB_ID_SIZE_MAX)), True),
        GetBlobRange(2**32 - 1, BlobId(bytes(BLOB_ID_SIZE_MAX)), PIECE_LEVEL, 2**63 - 1),
        BlobHoldings(
            2**32 - 1,
            BLOB_SIZE_MAX,
            Digest(bytes(32)),
            (Digest(bytes(32)),) * NODES_MAX,
            (PieceRun(NODES_MAX - 1, NODES_MAX),) * RUNS_MAX,
        ),
        BlobRange(2**32 - 1, bytes(PIECE_SIZE), (Digest(bytes(32)),) * messages.BLOB_PATH_MAX),
        AskReplica(2**32 - 1, bytes(TRANSACTION_SIZE_MAX), (bytes(INLINE_MAX // 16),) * INLINE_TENSORS_MAX),
        ShowReplica(
            2**32 - 1, Digest(bytes(32)), (Sealed(PublicKey(bytes(32)), Digest(bytes(32))),) * PANEL_MAX
        ),
        ReplicaSealed(2**32 - 1, PublicKey(bytes(32)), Digest(bytes(32)), Signature(bytes(64))),
        ReplicaShown(
            2**32 - 1,
            replace(COMMITMENT, inputs=(Digest(bytes(32)),) * 16, outputs=(Digest(bytes(32)),) * 16),
            Digest(bytes(32)),
            Signature(bytes(64)),
            (replace(OPENING, path=(Digest(bytes(32)),) * 13),) * INLINE_TENSORS_MAX,
            (bytes(INLINE_MAX // 16),) * INLINE_TENSORS_MAX,
        ),
    ):
        data = encode_message(message)
        assert len(data) <= messages.SIZE_MAX[type(message)] <= PAYLOAD_SIZE_MAX
        assert decode_message(data) == message


def test_blocks_go_before_transactions_and_requests_before_both() -> None:
    assert get_lane(Ping(1)) is get_lane(GetBlocks(1, Shard(0), 0, ())) is Lane.CONTROL
    assert get_lane(Blocks((b"x",))) is get_lane(BlockItems(1, (), True)) is Lane.BLOCKS
    assert get_lane(Transactions((b"x",))) is get_lane(OrderedItems(1, 0, ())) is Lane.BULK
    assert Lane.CONTROL < Lane.BLOCKS < Lane.BULK


def test_tags_never_change() -> None:
    """Tags are on the wire: a new message takes the next number; from 24 on it stands in the byte behind."""
    assert [encode(example)[1] for example in EXAMPLES] == [*range(1, 24), *[0x18] * 9]
