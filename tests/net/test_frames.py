"""Frames: whatever is sent arrives in any pieces; whatever is changed, moved, repeated or cut is noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.net import frames
from tangle.net.errors import (
    FrameOversize,
    FrameUnauthentic,
    FrameUndersize,
    StreamContinued,
    StreamTruncated,
)
from tangle.net.frames import (
    CHUNK_OVERHEAD,
    CHUNK_SIZE_MAX,
    LENGTH_SIZE,
    PAYLOAD_SIZE_MAX,
    FrameDecoder,
    FrameEncoder,
    open_cipher,
)


def make_stream() -> tuple[FrameEncoder, FrameDecoder]:
    """The two ends of one direction."""
    key, header = b"k" * 32, b"h" * 24
    return FrameEncoder(open_cipher(key, header)), FrameDecoder(open_cipher(key, header))


@given(st.lists(st.binary(max_size=200), max_size=8), st.lists(st.integers(0, 2_000), max_size=12))
def test_payloads_arrive_whole_and_in_order_however_they_are_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    encoder, decoder = make_stream()
    wire = b"".join(map(encoder.encode, payloads))
    places = sorted(min(cut, len(wire)) for cut in cuts)
    pieces = [wire[start:stop] for start, stop in zip([0, *places], [*places, len(wire)], strict=True)]
    assert [payload for piece in pieces for payload in decoder.decode(piece)] == payloads


def test_the_longest_payload_passes_and_a_longer_one_is_not_sent() -> None:
    encoder, decoder = make_stream()
    longest = bytes(PAYLOAD_SIZE_MAX)
    assert list(decoder.decode(encoder.encode(longest))) == [longest]
    with pytest.raises(FrameOversize):
        encoder.encode(longest + b"\x00")
    assert list(decoder.decode(encoder.encode(b"still in step"))) == [b"still in step"]


@given(st.data())
def test_any_changed_bit_is_noticed(data: st.DataObject) -> None:
    encoder, decoder = make_stream()
    wire = bytearray(encoder.encode(b"a transaction"))
    place = data.draw(st.integers(0, len(wire) - 1))
    wire[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((FrameUnauthentic, FrameOversize, FrameUndersize, StreamTruncated)):  # noqa: PT012 -- a longer length waits for more
        list(decoder.decode(bytes(wire)))
        decoder.close()


def test_a_replayed_frame_is_noticed() -> None:
    encoder, decoder = make_stream()
    wire = encoder.encode(b"pay")
    assert list(decoder.decode(wire)) == [b"pay"]
    with pytest.raises(FrameUnauthentic) as caught:
        list(decoder.decode(wire))
    assert caught.value.index == 1


def test_a_dropped_frame_is_noticed() -> None:
    encoder, decoder = make_stream()
    encoder.encode(b"dropped")
    with pytest.raises(FrameUnauthentic):
        list(decoder.decode(encoder.encode(b"next")))


def test_swapped_frames_are_noticed() -> None:
    encoder, decoder = make_stream()
    first, second = encoder.encode(b"first"), encoder.encode(b"second")
    with pytest.raises(FrameUnauthentic):
        list(decoder.decode(second + first))


def test_a_frame_sent_back_to_its_sender_is_noticed() -> None:
    encoder, _ = make_stream()
    other_way = FrameDecoder(open_cipher(b"o" * 32, b"h" * 24))
    with pytest.raises(FrameUnauthentic):
        list(other_way.decode(encoder.encode(b"echo")))


@pytest.mark.parametrize("size", [CHUNK_SIZE_MAX + 1, 2**31, 2**32 - 1])
def test_a_length_over_the_limit_is_refused_before_anything_follows(size: int) -> None:
    _, decoder = make_stream()
    with pytest.raises(FrameOversize) as caught:
        list(decoder.decode(size.to_bytes(LENGTH_SIZE, "big")))
    assert caught.value.size == size


@pytest.mark.parametrize("size", [0, 1, CHUNK_OVERHEAD - 1])
def test_a_length_below_the_overhead_is_refused(size: int) -> None:
    _, decoder = make_stream()
    with pytest.raises(FrameUndersize):
        list(decoder.decode(size.to_bytes(LENGTH_SIZE, "big")))


@given(st.binary(min_size=LENGTH_SIZE + CHUNK_OVERHEAD, max_size=400))
def test_random_bytes_never_yield_a_payload(garbage: bytes) -> None:
    _, decoder = make_stream()
    payloads: list[bytes] = []
    with pytest.raises((FrameUnauthentic, FrameOversize, FrameUndersize, StreamTruncated)):  # noqa: PT012 -- garbage may ask for more
        payloads.extend(decoder.decode(garbage))
        decoder.close()
    assert payloads == []


def test_an_end_without_the_final_frame_is_a_truncation() -> None:
    encoder, decoder = make_stream()
    wire = encoder.encode(b"half of this")
    assert list(decoder.decode(wire[:10])) == []
    with pytest.raises(StreamTruncated) as caught:
        decoder.close()
    assert caught.value.buffered == 10


def test_an_end_between_frames_is_a_truncation_too() -> None:
    encoder, decoder = make_stream()
    assert list(decoder.decode(encoder.encode(b"whole"))) == [b"whole"]
    with pytest.raises(StreamTruncated):
        decoder.close()


def test_the_final_frame_ends_the_stream() -> None:
    encoder, decoder = make_stream()
    assert list(decoder.decode(encoder.encode(b"bye", is_final=True))) == [b"bye"]
    decoder.close()
    with pytest.raises(StreamContinued):
        list(decoder.decode(b"\x00"))


@pytest.mark.parametrize("limit", ["REKEY_FRAMES", "REKEY_BYTES"])
def test_keys_move_on_and_both_ends_follow(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, limit, 3)
    encoder, decoder = make_stream()
    fixed_encoder, _ = make_stream()
    monkeypatch.setattr(frames, "REKEY_FRAMES", 3)
    payloads = [b"%d" % index for index in range(20)]
    wire = [encoder.encode(payload) for payload in payloads]
    assert [payload for piece in wire for payload in decoder.decode(piece)] == payloads
    monkeypatch.undo()
    without_rekeying = [fixed_encoder.encode(payload) for payload in payloads]
    assert wire[:2] == without_rekeying[:2]
    assert wire[3:] != without_rekeying[3:]
