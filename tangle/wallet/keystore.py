"""One account's secret, encrypted under a password, as a JSON object (in the shape of EIP-2335).

The password is stretched with Argon2id to 64 bytes. The first half is the key of XChaCha20-Poly1305, which
encrypts the ed25519 seed and binds every public field of the file as associated data: a changed label, path,
address or parameter makes the file refuse to open. A hash of the second half tells a wrong password from an
altered file.

A file may come from anywhere, so its format, its size and the price of opening it are limited before any work
is done. Only the one account's seed is in the file, never the words: who opens it gets one account.
"""

import hmac
import unicodedata
from pathlib import Path
from typing import Annotated, Final

import msgspec
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from tangle.core.address import InvalidAddress, decode_address
from tangle.core.encoding import encode
from tangle.core.hashing import compute_hash
from tangle.core.signing import SigningKey
from tangle.core.types import Milliseconds, Natural
from tangle.wallet.errors import (
    CorruptKeystore,
    CostlyKeystore,
    InsufficientMemory,
    InvalidPassword,
    UnsupportedKeystore,
    WrongPassword,
)

VERSION: Final = 1
"""Version of the format."""

KDF_FUNCTION: Final = "argon2id"
"""The one key derivation known (RFC 9106, as in libsodium: one lane)."""

CIPHER_FUNCTION: Final = "xchacha20poly1305"
"""The one cipher known (the IETF construction of libsodium)."""

MEMORY_BYTES_MAX: Final = 1024**3
"""Most memory that opening a file may take: libsodium's SENSITIVE setting. More is a trap."""

OPERATIONS_MAX: Final = 10
"""Most passes over that memory: some ten seconds at the limit of memory."""

PASSWORD_SIZE_MAX: Final = 1024
"""Longest password in bytes; a longer one is a file given by mistake."""

SALT_SIZE: Final = argon2id.SALTBYTES
NONCE_SIZE: Final = 24
SECRET_SIZE: Final = 32
_TAG_SIZE: Final = 16
_KEY_SIZE: Final = 32

_PURPOSE: Final = b"tangle/keystore"

Hex16 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Hex24 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{48}\Z")]
Hex32 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Hex48 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{96}\Z")]
Text = Annotated[str, msgspec.Meta(max_length=128)]


class DerivationCost(msgspec.Struct, frozen=True):
    """How dear it is to try one password."""

    operations: int
    """Passes over the memory."""

    memory_bytes: int
    """Memory that one try takes."""


COST_DEFAULT: Final = DerivationCost(operations=3, memory_bytes=256 * 1024**2)
"""libsodium's MODERATE setting: about half a second here, and 256 MiB for every guess of an attacker."""


class KeyDerivation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the password becomes a key."""

    function: Text
    """Always ``argon2id``."""

    operations: Natural
    """Passes over the memory."""

    memory_bytes: Natural
    """Memory taken."""

    salt: Hex16
    """16 random bytes, new for every encryption."""

    check: Hex32
    """Hash of the second half of the derived key: tells a wrong password from an altered file."""


class Cipher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The encrypted seed."""

    function: Text
    """Always ``xchacha20poly1305``."""

    nonce: Hex24
    """24 random bytes, new for every encryption."""

    ciphertext: Hex48
    """The 32-byte ed25519 seed, encrypted, and the 16-byte tag."""


class AccountRecord(msgspec.Struct, frozen=True):
    """The public part of a keystore: what may be shown without the password."""

    uuid: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
    """Names this key among copies of its file."""

    label: Text
    """What its owner calls it."""

    created_ms: Milliseconds
    """When it was made, in milliseconds since the Unix epoch."""

    path: Text
    """Derivation path from the recovery words; empty for a secret that came from elsewhere."""

    public_key: Hex32
    """Ed25519 public key."""

    address: Text
    """The account, with its network's prefix."""


class Keystore(AccountRecord, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The JSON object in a wallet file."""

    version: Natural
    """Version of the format."""

    kdf: KeyDerivation
    """How the password becomes a key."""

    cipher: Cipher
    """The encrypted seed."""


def encrypt_secret(
    secret: bytes, password: str, account: AccountRecord, cost: DerivationCost, salt: bytes, nonce: bytes
) -> Keystore:
    """Encrypt an account's seed.

    :param secret: ed25519 seed, 32 bytes, of ``account``.
    :param salt: 16 fresh random bytes.
    :param nonce: 24 fresh random bytes.
    :raises InvalidPassword: empty or too long.
    :raises InsufficientMemory: the machine cannot spare the memory.
    """
    prepared = _prepare_password(password)
    key, check = _derive_key(prepared, salt, cost.operations, cost.memory_bytes)
    kdf = KeyDerivation(KDF_FUNCTION, cost.operations, cost.memory_bytes, salt.hex(), check.hex())
    public = _encode_public(VERSION, account, kdf)
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(secret, public, nonce, key)
    return Keystore(
        version=VERSION,
        uuid=account.uuid,
        label=account.label,
        created_ms=account.created_ms,
        path=account.path,
        public_key=account.public_key,
        address=account.address,
        kdf=kdf,
        cipher=Cipher(CIPHER_FUNCTION, nonce.hex(), sealed.hex()),
    )


def decrypt_secret(path: Path, keystore: Keystore, password: str) -> bytes:
    """Open a keystore that ``decode_keystore`` accepted, and return its 32-byte ed25519 seed.

    :param path: where it came from, for errors.
    :raises InvalidPassword: empty or too long.
    :raises InsufficientMemory: the machine cannot spare the memory.
    :raises WrongPassword: the password does not open it.
    :raises CorruptKeystore: the password is right, but the file was altered.
    """
    kdf = keystore.kdf
    prepared = _prepare_password(password)
    key, check = _derive_key(prepared, bytes.fromhex(kdf.salt), kdf.operations, kdf.memory_bytes)
    if not hmac.compare_digest(check.hex(), kdf.check):
        raise WrongPassword(path)
    public = _encode_public(keystore.version, keystore, kdf)
    sealed = bytes.fromhex(keystore.cipher.ciphertext)
    try:
        secret = crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed, public, bytes.fromhex(keystore.cipher.nonce), key
        )
    except CryptoError:
        raise CorruptKeystore(path, "a field was changed after it was written") from None
    if SigningKey(secret).public_key.hex() != keystore.public_key:
        raise CorruptKeystore(path, "its secret and its public key do not belong together")
    return secret


def encode_keystore(keystore: Keystore) -> bytes:
    """The bytes of a wallet file: indented JSON and a line end."""
    return msgspec.json.format(msgspec.json.encode(keystore)) + b"\n"


def decode_keystore(path: Path, data: bytes) -> Keystore:
    """Read a wallet file and judge everything that needs no password.

    :param path: where it came from, for errors.
    :raises CorruptKeystore: not the format, or its public key and address contradict each other.
    :raises UnsupportedKeystore: a version, key derivation or cipher that is not known.
    :raises CostlyKeystore: opening it would take more memory or passes than the limits.
    """
    try:
        keystore = msgspec.json.decode(data, type=Keystore)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptKeystore(path, str(error)) from None
    kdf = keystore.kdf
    for field, found, expected in (
        ("version", str(keystore.version), str(VERSION)),
        ("key derivation", kdf.function, KDF_FUNCTION),
        ("cipher", keystore.cipher.function, CIPHER_FUNCTION),
    ):
        if found != expected:
            raise UnsupportedKeystore(path, field, found, expected)
    if kdf.operations > OPERATIONS_MAX:
        raise CostlyKeystore(path, "passes", kdf.operations, OPERATIONS_MAX)
    if kdf.memory_bytes > MEMORY_BYTES_MAX:
        raise CostlyKeystore(path, "bytes of memory", kdf.memory_bytes, MEMORY_BYTES_MAX)
    if kdf.operations < argon2id.OPSLIMIT_MIN or kdf.memory_bytes < argon2id.MEMLIMIT_MIN:
        raise CorruptKeystore(path, "its key derivation has less than the least passes or memory")
    try:
        address = decode_address(keystore.address, None)
    except InvalidAddress as error:
        raise CorruptKeystore(path, str(error)) from None
    if address.public_key.hex() != keystore.public_key:
        raise CorruptKeystore(path, "its address and its public key do not belong together")
    return keystore


def _prepare_password(password: str) -> bytes:
    """The password's bytes: NFKD, without control characters (EIP-2335, "Password requirements")."""
    normalized = unicodedata.normalize("NFKD", password)
    data = "".join(c for c in normalized if unicodedata.category(c) != "Cc").encode("utf-8", "surrogatepass")
    if not data:
        raise InvalidPassword("empty")
    if len(data) > PASSWORD_SIZE_MAX:
        raise InvalidPassword(f"longer than {PASSWORD_SIZE_MAX} bytes")
    return data


def _derive_key(password: bytes, salt: bytes, operations: int, memory_bytes: int) -> tuple[bytes, bytes]:
    """The cipher's key and the check value, 32 bytes each."""
    try:
        derived = argon2id.kdf(2 * _KEY_SIZE, password, salt, opslimit=operations, memlimit=memory_bytes)
    except (RuntimeError, MemoryError):  # libsodium fails here for one reason: no memory
        raise InsufficientMemory(memory_bytes) from None
    return derived[:_KEY_SIZE], compute_hash(_PURPOSE, derived[_KEY_SIZE:])


def _encode_public(version: int, account: AccountRecord, kdf: KeyDerivation) -> bytes:
    """Every public field in one canonical encoding: the associated data of the cipher."""
    texts = (account.uuid, account.label, account.path, account.public_key, account.address)
    kdf_fields = (
        kdf.function.encode(),
        kdf.operations,
        kdf.memory_bytes,
        kdf.salt.encode(),
        kdf.check.encode(),
    )
    return encode((_PURPOSE, version, account.created_ms, tuple(text.encode() for text in texts), kdf_fields))
