"""Names of blobs: content ids in the form of CIDv1.

An id is ``version ‖ codec ‖ hash code ‖ length ‖ digest``, where all but the digest are unsigned varints; as
text it is lower-case base32 without padding behind a ``b``. Version is 1, the codec is ``raw``: a blob is
bytes and nothing else. The hash code says how the digest was made. This version makes and verifies one, in
the table's private range: the root of a tree over 4 KiB chunks with the size beside it
(``tangle.core.chunk_tree``), because a plain hash could be checked only when the last byte is here. Ids of
other kinds, ``raw`` with sha2-256 first of all, have the same form and can be taken in later. Sources: the
CID and unsigned-varint specifications and the multicodec table of multiformats.io, RFC 4648 section 6.
"""

from base64 import b32decode, b32encode
from binascii import Error
from typing import Annotated, Final, NewType

from msgspec import Meta

from tangle.core.blob_errors import MalformedBlobId, UnsupportedBlobId
from tangle.core.types import Digest

BLOB_ID_SIZE_MAX: Final = 64
"""Longest id in bytes; room for every hash of 32 bytes and most of 48."""

BlobId = NewType("BlobId", Annotated[bytes, Meta(min_length=4, max_length=BLOB_ID_SIZE_MAX)])
"""A content id in binary form."""

CID_VERSION: Final = 1
"""The version of the form."""

RAW_CODEC: Final = 0x55
"""The content is bytes, without inner structure."""

CHUNK_TREE_HASH: Final = 0x30_0001
"""How this network's digests are made; 0x300000 to 0x3fffff are for private use."""

SHA2_256_HASH: Final = 0x12
"""What most ids elsewhere use: well formed here, and not verified yet."""

VARINT_SIZE_MAX: Final = 9
"""Longest varint of the specification."""

_DIGEST_SIZE: Final = 32


def make_blob_id(digest: Digest) -> BlobId:
    """The id of the blob with that chunk-tree digest: 39 bytes, 64 characters as text."""
    head = (CID_VERSION, RAW_CODEC, CHUNK_TREE_HASH, _DIGEST_SIZE)
    return BlobId(b"".join(map(_encode_varint, head)) + digest)


def get_digest(blob: BlobId) -> Digest:
    """The chunk-tree digest in an id.

    :raises MalformedBlobId: it is no id.
    :raises UnsupportedBlobId: of another kind.
    """
    version, place = _read_varint(blob, 0)
    codec, place = _read_varint(blob, place)
    hash_code, place = _read_varint(blob, place)
    length, place = _read_varint(blob, place)
    if version != CID_VERSION:
        raise MalformedBlobId(blob.hex(), f"version {version}, only version {CID_VERSION} is known")
    if len(blob) - place != length:
        raise MalformedBlobId(blob.hex(), f"{len(blob) - place} bytes of digest, it states {length}")
    if (codec, hash_code, length) != (RAW_CODEC, CHUNK_TREE_HASH, _DIGEST_SIZE):
        raise UnsupportedBlobId(codec, hash_code)
    return Digest(bytes(blob[place:]))


def format_blob_id(blob: BlobId) -> str:
    """An id as people and URLs write it."""
    return "b" + b32encode(blob).rstrip(b"=").decode().lower()


def parse_blob_id(text: str) -> BlobId:
    """Read an id in text form.

    :raises MalformedBlobId: it is none, or not written in the one way.
    :raises UnsupportedBlobId: an id of a kind that is not verified here.
    """
    if not text.startswith("b") or len(text) > 2 * BLOB_ID_SIZE_MAX:
        raise MalformedBlobId(text, "it begins with b and goes on in lower-case base32")
    body = text[1:].upper()
    try:
        blob = BlobId(b32decode(body + "=" * (-len(body) % 8)))
    except (Error, ValueError):
        raise MalformedBlobId(text, "it begins with b and goes on in lower-case base32") from None
    if format_blob_id(blob) != text:
        raise MalformedBlobId(text, "it is not written in the one way that this id has")
    get_digest(blob)
    return blob


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(data: bytes, start: int) -> tuple[int, int]:
    value = 0
    for place in range(start, min(len(data), start + VARINT_SIZE_MAX)):
        value |= (data[place] & 0x7F) << 7 * (place - start)
        if data[place] < 0x80:
            if data[place] == 0 and place > start:
                raise MalformedBlobId(data.hex(), "a number in it is longer than it must be")
            return value, place + 1
    raise MalformedBlobId(data.hex(), "it breaks off")
