"""The handshake: two strangers with ed25519 identities come out with two encrypted, ordered, authenticated
streams.

The shape is station-to-station with sealed identities (Diffie, van Oorschot, Wiener 1992; Krawczyk's SIGMA-I,
2003; the secret connection of Tendermint):

    initiator -> responder   opening
    responder -> initiator   opening, sealed proof
    initiator -> responder   sealed proof

An opening is ``magic || version || role || chain || ephemeral X25519 key``, 50 bytes. Both openings make the
transcript; the shared secret and the transcript make the keys, the headers and the challenge. A proof is the
sender's identity and its signature over version, role and challenge (under the purpose SESSION and the
chain). It travels as the first chunk of the sender's stream, so an eavesdropper never sees an identity, every
later frame is chained to the proofs, and an initiator that dialled the wrong node leaves without saying who
it is.

Sans-IO: bytes in, bytes out; the ephemeral secret is handed in. ``docs/adr/0002-peer-sessions.md`` has the
threats.
"""

from enum import IntEnum
from hashlib import blake2b
from typing import Final

from msgspec import Struct
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import CryptoError

from tangle.core.errors import InvalidSignature
from tangle.core.hashing import SESSION
from tangle.core.signing import SigningKey, verify_signature
from tangle.core.types import ChainId, PublicKey, Signature
from tangle.net.errors import (
    FrameUnauthentic,
    HandshakeLowOrder,
    HandshakeMalformed,
    HandshakeReflected,
    HandshakeRole,
    HandshakeSelf,
    HandshakeSignature,
    HandshakeTruncated,
    HandshakeUnauthentic,
    HandshakeUnexpectedPeer,
    HandshakeVersion,
    HandshakeWrongChain,
)
from tangle.net.frames import CHUNK_OVERHEAD, FrameDecoder, FrameEncoder, open_cipher

SESSION_VERSION: Final = 1
"""Version of the handshake and of the messages; both change together."""

MAGIC: Final = b"TANGLE\r\n"
"""First bytes on every connection. The line end makes a text protocol on the wrong port fail at once."""

EPHEMERAL_SIZE: Final = 32
"""Bytes of an X25519 secret or public key (RFC 7748)."""

OPENING_SIZE: Final = len(MAGIC) + 2 + 8 + EPHEMERAL_SIZE
"""Bytes of an opening: 50."""

PROOF_SIZE: Final = 32 + 64 + CHUNK_OVERHEAD
"""Bytes of a sealed identity and signature: 113."""


class Role(IntEnum):
    """Which end of the connection this is. The number is on the wire and in the signature."""

    INITIATOR = 1
    RESPONDER = 2

    @property
    def other(self) -> "Role":
        """The peer's role."""
        return Role.RESPONDER if self is Role.INITIATOR else Role.INITIATOR


class Established(Struct, frozen=True, eq=False):
    """What a finished handshake leaves behind."""

    peer: PublicKey
    """The peer's proven identity."""

    encoder: FrameEncoder
    """Makes the frames to the peer."""

    decoder: FrameDecoder
    """Reads the frames from the peer."""

    leftover: bytes
    """Bytes that arrived after the handshake; the decoder's first input."""

    challenge: bytes
    """Names this session: 32 bytes that both sides share and no other session has."""


class Handshake:
    """One side of one handshake.

    Send what ``start`` returns, then feed ``receive`` and send what it returns, until ``established`` is set.
    Any error ends it: close the connection without answering.
    """

    def __init__(
        self,
        role: Role,
        key: SigningKey,
        chain: ChainId,
        ephemeral_secret: bytes,
        *,
        expected_peer: PublicKey | None = None,
    ) -> None:
        """Prepare one side.

        :param ephemeral_secret: 32 secret bytes, fresh for this connection and never used again.
        :param expected_peer: refuse any other identity (a dialler that knows whom it dials).
        """
        self._role = role
        self._key = key
        self._chain = chain
        self._secret = ephemeral_secret
        self._expected_peer = expected_peer
        self._opening = _encode_opening(role, chain, crypto_scalarmult_base(ephemeral_secret))
        self._buffer = b""
        self._received = 0
        self._keys: _Keys | None = None
        self.established: Established | None = None
        """Set once both sides are proven."""

    def start(self) -> bytes:
        """The first bytes to send; none for a responder, who shows nothing before it has seen an opening."""
        return self._opening if self._role is Role.INITIATOR else b""

    def receive(self, data: bytes) -> bytes:
        """Take what arrived; answer with what to send.

        :raises HandshakeFailed: one of its subclasses; the connection is to be closed.
        """
        assert self.established is None, "the handshake is over"
        self._received += len(data)
        self._buffer += data
        answer = b""
        if self._keys is None:
            _check_prefix(self._buffer)
            if len(self._buffer) < OPENING_SIZE:
                return b""
            opening, self._buffer = self._buffer[:OPENING_SIZE], self._buffer[OPENING_SIZE:]
            self._keys = self._agree(opening)
            if self._role is Role.RESPONDER:
                answer = self._opening + self._prove(self._keys)
        if len(self._buffer) < PROOF_SIZE:
            return answer
        proof, leftover = self._buffer[:PROOF_SIZE], self._buffer[PROOF_SIZE:]
        peer = self._verify_proof(self._keys, proof)
        if self._role is Role.INITIATOR:
            answer = self._prove(self._keys)
        keys = self._keys
        self.established = Established(peer, keys.encoder, keys.decoder, leftover, keys.challenge)
        self._secret = b""
        return answer

    def compute_truncation(self) -> HandshakeTruncated:
        """The fault of a peer that hung up before the end."""
        return HandshakeTruncated(self._received)

    def _agree(self, opening: bytes) -> "_Keys":
        ephemeral = self._check_opening(opening)
        try:
            shared = crypto_scalarmult(self._secret, ephemeral)
        except CryptoError:  # libsodium refuses an all-zero result: every point of low order leads there
            raise HandshakeLowOrder(ephemeral) from None
        first, second = self._opening, opening
        if self._role is Role.RESPONDER:
            first, second = second, first
        return _Keys(shared, first + second, self._role)

    def _check_opening(self, opening: bytes) -> bytes:
        version, role = opening[len(MAGIC)], opening[len(MAGIC) + 1]
        chain, ephemeral = opening[-EPHEMERAL_SIZE - 8 : -EPHEMERAL_SIZE], opening[-EPHEMERAL_SIZE:]
        if version != SESSION_VERSION:
            raise HandshakeVersion(version, SESSION_VERSION)
        if chain != self._chain:
            raise HandshakeWrongChain(chain, self._chain)
        if role != self._role.other:
            raise HandshakeRole(role, self._role.other)
        if ephemeral == self._opening[-EPHEMERAL_SIZE:]:
            raise HandshakeReflected
        return ephemeral

    def _prove(self, keys: "_Keys") -> bytes:
        signature = self._key.sign(SESSION, self._chain, _compute_claim(self._role, keys.challenge))
        return keys.encoder.seal(self._key.public_key + signature)

    def _verify_proof(self, keys: "_Keys", sealed: bytes) -> PublicKey:
        try:
            proof = keys.decoder.open(sealed)
        except FrameUnauthentic:
            raise HandshakeUnauthentic from None
        peer, signature = PublicKey(proof[:32]), Signature(proof[32:])
        claim = _compute_claim(self._role.other, keys.challenge)
        try:
            verify_signature(SESSION, self._chain, claim, signature, peer)
        except InvalidSignature:
            raise HandshakeSignature(peer) from None
        if peer == self._key.public_key:
            raise HandshakeSelf(peer)
        if self._expected_peer not in (None, peer):
            raise HandshakeUnexpectedPeer(peer, self._expected_peer or b"")
        return peer


class _Keys:
    """Everything that the shared secret and the transcript determine.

    Each value is ``BLAKE2b(key = shared secret, salt = label, person = SESSION, data = both openings)``: one
    keyed hash per label, as in libsodium's key exchange, bound to everything that was said in the clear.
    """

    def __init__(self, shared: bytes, transcript: bytes, role: Role) -> None:
        def derive(label: bytes) -> bytes:
            return blake2b(transcript, digest_size=32, key=shared, salt=label, person=SESSION).digest()

        outgoing = open_cipher(derive(b"key-%d" % role), derive(b"header-%d" % role)[:24])
        incoming = open_cipher(derive(b"key-%d" % role.other), derive(b"header-%d" % role.other)[:24])
        self.encoder = FrameEncoder(outgoing)
        self.decoder = FrameDecoder(incoming)
        self.challenge = derive(b"challenge")


def _encode_opening(role: Role, chain: ChainId, ephemeral: bytes) -> bytes:
    return MAGIC + bytes([SESSION_VERSION, role]) + chain + ephemeral


def _compute_claim(role: Role, challenge: bytes) -> bytes:
    return bytes([SESSION_VERSION, role]) + challenge


def _check_prefix(data: bytes) -> None:
    if not data.startswith(MAGIC[: len(data)]):
        raise HandshakeMalformed(f"its first bytes are {data[: len(MAGIC)].hex()}")
