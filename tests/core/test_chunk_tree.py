"""Blobs' ids and trees: any range is proven, nothing else is."""

from hashlib import blake2b, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.core.blob_errors import MalformedBlobId, OversizeBlob, UnsupportedBlobId
from tangle.core.blob_id import BlobId, format_blob_id, get_digest, make_blob_id, parse_blob_id
from tangle.core.chunk_tree import (
    BLOB_SIZE_MAX,
    CHUNK_SIZE,
    PIECE_LEVEL,
    PIECE_SIZE,
    BlobShape,
    RangeProof,
    TreeHasher,
    compute_tree,
    count_ranges,
    prove_range,
    verify_range,
)
from tangle.core.errors import InvalidProof
from tangle.core.merkle import compute_levels, compute_merkle_root
from tangle.core.types import Digest

SIZES = (0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, PIECE_SIZE, PIECE_SIZE + 1, 5 * PIECE_SIZE - 7)


def make_content(size: int, seed: int = 0) -> bytes:
    block = blake2b(seed.to_bytes(8, "big"), digest_size=64).digest()
    return b"".join(
        blake2b(block + place.to_bytes(8, "big"), digest_size=64).digest() for place in range(size // 64 + 1)
    )[:size]


@pytest.mark.parametrize("size", SIZES)
def test_the_root_is_that_of_the_chunks(size: int) -> None:
    content = make_content(size)
    chunks = [content[start : start + CHUNK_SIZE] for start in range(0, size, CHUNK_SIZE)]
    assert compute_tree(content).shape == BlobShape(size, compute_merkle_root(chunks))


@given(st.integers(0, 700_000), st.lists(st.integers(1, 400_000), max_size=8))
def test_it_does_not_matter_in_which_parts_content_comes(size: int, cuts: list[int]) -> None:
    content = b"tangle" * (size // 6)
    hasher, place = TreeHasher(), 0
    for cut in cuts:
        hasher.update(content[place : place + cut])
        place += cut
    hasher.update(content[place:])
    assert hasher.finish() == compute_tree(content)


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("level", range(PIECE_LEVEL + 1))
def test_every_range_is_proven_and_no_other_content_or_place(size: int, level: int) -> None:
    content = make_content(size)
    tree = compute_tree(content)
    levels = compute_levels(tree.nodes)
    span = CHUNK_SIZE << level
    last = count_ranges(size, level) - 1
    for index in {0, last // 2, last}:
        piece_index = index >> (PIECE_LEVEL - level)
        piece = content[piece_index * PIECE_SIZE : (piece_index + 1) * PIECE_SIZE]
        proof = prove_range(levels, piece, level, index)
        part = content[index * span : (index + 1) * span]
        verify_range(tree.shape, part, proof)
        changed = bytes([part[0] ^ 1]) + part[1:]
        for wrong in (changed, part[:-1], part + b"\0", b""):
            with pytest.raises(InvalidProof):
                verify_range(tree.shape, wrong, proof)
        with pytest.raises(InvalidProof):
            verify_range(tree.shape, part, RangeProof(level, last + 1, proof.path))
        with pytest.raises(InvalidProof):
            verify_range(tree.shape, part, RangeProof(level, index, (*proof.path, tree.shape.root)))
        with pytest.raises(InvalidProof):
            prove_range(levels, piece, level, last + 1 + (1 << PIECE_LEVEL - level))
        with pytest.raises(InvalidProof):
            verify_range(BlobShape(size + 1, tree.shape.root), part, RangeProof(level, last, ()))


def test_a_blob_is_not_endless() -> None:
    hasher = TreeHasher()
    hasher.size = BLOB_SIZE_MAX
    with pytest.raises(OversizeBlob):
        hasher.update(b"x")


def test_size_is_part_of_the_id() -> None:
    root = compute_tree(b"x").shape.root
    assert compute_tree(b"x").id != BlobId(b"") != compute_tree(b"").id
    assert len({compute_tree(b"").id, compute_tree(b"\0").id, compute_tree(b"\0\0").id}) == 3
    assert BlobShape(1, root) == compute_tree(b"x").shape


@given(st.binary(min_size=32, max_size=32))
def test_ids_have_one_text_each(digest: bytes) -> None:
    blob = make_blob_id(Digest(digest))
    text = format_blob_id(blob)
    assert (len(blob), len(text), text[:8]) == (39, 64, "bafkydag")
    assert parse_blob_id(text) == blob
    assert get_digest(blob) == digest


def test_ids_elsewhere_have_the_same_form_and_are_not_taken_yet() -> None:
    """CIDv1 raw/sha2-256 of "hello world", as other programs write it."""
    other = BlobId(bytes((1, 0x55, 0x12, 0x20)) + sha256(b"hello world").digest())
    assert format_blob_id(other) == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
    with pytest.raises(UnsupportedBlobId) as raised:
        parse_blob_id(format_blob_id(other))
    assert (raised.value.codec, raised.value.hash_code) == (0x55, 0x12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "x" * 64,
        "B" + format_blob_id(make_blob_id(Digest(bytes(32))))[1:],
        format_blob_id(make_blob_id(Digest(bytes(32)))).upper(),
        format_blob_id(make_blob_id(Digest(bytes(32))))[:-1],
        format_blob_id(make_blob_id(Digest(bytes(32)))) + "a",
        format_blob_id(make_blob_id(Digest(bytes(32)))) + "=",
        format_blob_id(make_blob_id(Digest(bytes(32))))[:-1] + "b",
        format_blob_id(BlobId(b"\x02" + make_blob_id(Digest(bytes(32)))[1:])),
        format_blob_id(BlobId(b"\x81\x00" + make_blob_id(Digest(bytes(32)))[1:])),
        format_blob_id(BlobId(b"\xff" * 20)),
        "b" + "a" * 500,
        "../../etc/passwd",
        "b\u00e9" + "a" * 62,
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    with pytest.raises(MalformedBlobId):
        parse_blob_id(text)
