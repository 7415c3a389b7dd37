"""Encrypted frames: four bytes of length, then one chunk of an XChaCha20-Poly1305 secretstream.

Sans-IO: an encoder turns payloads into bytes, a decoder turns whatever pieces arrive into payloads. The
secretstream (libsodium) chains every chunk to all before it, so a frame that was changed, dropped, repeated
or moved does not decrypt; the length is authenticated with its chunk. The last frame of a stream is marked
final inside the encryption, so an end without it is a truncation, whoever caused it.

Keys move on without asking the peer: after ``REKEY_BYTES`` or ``REKEY_FRAMES`` the encoder marks a frame, and
both sides replace the key by one that does not lead back to the old (forward secrecy inside a long session).
"""

from collections.abc import Iterator
from typing import Final

from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES,
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
    crypto_secretstream_xchacha20poly1305_TAG_REKEY,
)
from nacl.exceptions import CryptoError

from tangle.net.errors import (
    FrameOversize,
    FrameUnauthentic,
    FrameUndersize,
    StreamContinued,
    StreamTruncated,
)

LENGTH_SIZE: Final = 4
"""Bytes of the length in front of every chunk, big-endian."""

CHUNK_OVERHEAD: Final = crypto_secretstream_xchacha20poly1305_ABYTES
"""Bytes that encryption adds to a payload: one tag byte and the authenticator, 17."""

PAYLOAD_SIZE_MAX: Final = 1_048_576
"""Longest payload: the largest message (a batch of blocks). Bounds what one peer can make this node
buffer."""

CHUNK_SIZE_MAX: Final = PAYLOAD_SIZE_MAX + CHUNK_OVERHEAD
"""Longest chunk on the wire."""

REKEY_FRAMES: Final = 65_536
"""Frames under one key: some minutes of a busy session."""

REKEY_BYTES: Final = 1 << 30
"""Bytes under one key; far below any limit of the cipher, small enough that an old key opens little."""


def open_cipher(key: bytes, header: bytes) -> crypto_secretstream_xchacha20poly1305_state:
    """State of one direction of a secretstream, the same for the sender and the receiver.

    libsodium draws the header at random, so that one key may serve many streams. Here a key serves one
    direction of one session and the header comes out of the same key derivation, so nothing is drawn and
    nothing is sent.

    :param key: 32 bytes.
    :param header: 24 bytes.
    """
    state = crypto_secretstream_xchacha20poly1305_state()
    crypto_secretstream_xchacha20poly1305_init_pull(state, header, key)
    return state


class FrameEncoder:
    """The sending half of one direction."""

    def __init__(self, state: crypto_secretstream_xchacha20poly1305_state) -> None:
        """:param state: from ``open_cipher``; owned by this encoder from here on."""
        self._state = state
        self._frames = 0
        self._bytes = 0
        self.is_finished = False
        """Whether the final frame was made; nothing may follow it."""

    def seal(self, payload: bytes, *, is_final: bool = False, associated: bytes | None = None) -> bytes:
        """One chunk without its length; the handshake, whose sizes are fixed, sends these bare."""
        assert not self.is_finished, "nothing follows the final frame"
        tag = self._choose_tag(len(payload), is_final)
        self.is_finished = is_final
        return crypto_secretstream_xchacha20poly1305_push(self._state, payload, associated, tag)

    def encode(self, payload: bytes, *, is_final: bool = False) -> bytes:
        """One frame.

        :raises FrameOversize: a payload over ``PAYLOAD_SIZE_MAX``; nothing was encrypted.
        """
        if len(payload) > PAYLOAD_SIZE_MAX:
            raise FrameOversize(len(payload), PAYLOAD_SIZE_MAX)
        length = (len(payload) + CHUNK_OVERHEAD).to_bytes(LENGTH_SIZE, "big")
        return length + self.seal(payload, is_final=is_final, associated=length)

    def _choose_tag(self, size: int, is_final: bool) -> int:
        self._frames += 1
        self._bytes += size
        if is_final:
            return crypto_secretstream_xchacha20poly1305_TAG_FINAL
        if self._frames < REKEY_FRAMES and self._bytes < REKEY_BYTES:
            return crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
        self._frames = self._bytes = 0
        return crypto_secretstream_xchacha20poly1305_TAG_REKEY


class FrameDecoder:
    """The receiving half of one direction. Holds at most one incomplete frame beyond what it was just fed."""

    def __init__(self, state: crypto_secretstream_xchacha20poly1305_state) -> None:
        """:param state: from ``open_cipher``; owned by this decoder from here on."""
        self._state = state
        self._buffer = bytearray()
        self._index = 0
        self.is_finished = False
        """Whether the peer's final frame has been read."""

    def open(self, chunk: bytes, associated: bytes | None = None) -> bytes:
        """Decrypt one chunk.

        :raises FrameUnauthentic: it is not the sender's next chunk.
        """
        try:
            payload, tag = crypto_secretstream_xchacha20poly1305_pull(self._state, chunk, associated)
        except CryptoError:
            raise FrameUnauthentic(self._index) from None
        self._index += 1
        self.is_finished = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL
        return payload

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Take what arrived, and yield every payload that is now complete.

        The iterator must be exhausted before the next call. After an error the decoder is of no further use.

        :raises FrameOversize, FrameUndersize: the announced length is out of range; nothing was buffered for
            it.
        :raises FrameUnauthentic: the frame is not the sender's next one.
        :raises StreamContinued: bytes after the final frame.
        """
        self._buffer += data
        start = 0
        while not self.is_finished and len(self._buffer) - start >= LENGTH_SIZE:
            length = bytes(self._buffer[start : start + LENGTH_SIZE])
            size = int.from_bytes(length, "big")
            if size > CHUNK_SIZE_MAX:
                raise FrameOversize(size, CHUNK_SIZE_MAX)
            if size < CHUNK_OVERHEAD:
                raise FrameUndersize(size, CHUNK_OVERHEAD)
            stop = start + LENGTH_SIZE + size
            if len(self._buffer) < stop:
                break
            chunk = bytes(self._buffer[start + LENGTH_SIZE : stop])
            start = stop
            yield self.open(chunk, length)
        del self._buffer[:start]
        if self.is_finished and self._buffer:
            raise StreamContinued

    def close(self) -> None:
        """The connection ended.

        :raises StreamTruncated: without the final frame.
        """
        if not self.is_finished:
            raise StreamTruncated(len(self._buffer))
