"""Ed25519 signatures with a purpose and a chain.

What is signed is always ``purpose || 0x00 || chain id || body``: a signature for a transaction can never pass
as one for a block, nor one made for a test network on the main network. libsodium's rules decide validity: it
refuses non-canonical S, non-canonical and low-order public keys (RFC 8032 section 5.1.7, cofactorless).
"""

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError, CryptoError

from tangle.core.errors import InvalidSignature
from tangle.core.types import ChainId, PublicKey, Signature


class SigningKey:
    """An ed25519 key pair made from its 32-byte seed. It signs; it never shows its secret in a ``repr``."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        """:param seed: 32 secret bytes (RFC 8032 section 5.1.5)."""
        public_key, self._secret = crypto_sign_seed_keypair(seed)
        self.public_key = PublicKey(public_key)

    def __repr__(self) -> str:
        return f"SigningKey({self.public_key.hex()})"

    def sign(self, purpose: bytes, chain: ChainId, body: bytes) -> Signature:
        """Sign ``body`` for ``purpose`` on ``chain``."""
        message = compute_signing_message(purpose, chain, body)
        return Signature(crypto_sign(message, self._secret)[:crypto_sign_BYTES])


def compute_signing_message(purpose: bytes, chain: ChainId, body: bytes) -> bytes:
    """The bytes that are signed: ``purpose || 0x00 || chain || body``."""
    return b"%b\x00%b%b" % (purpose, chain, body)


def verify_signature(
    purpose: bytes, chain: ChainId, body: bytes, signature: Signature, public_key: PublicKey
) -> None:
    """Check one signature.

    :raises InvalidSignature: it does not verify, or the key is one that libsodium refuses.
    """
    try:
        crypto_sign_open(signature + compute_signing_message(purpose, chain, body), public_key)
    except (BadSignatureError, CryptoError, ValueError):
        raise InvalidSignature(purpose, public_key) from None
