"""A transaction on its way to a machine that is offline, and back: one JSON file.

Somebody with a node writes the file, the owner of the key signs it where no network is, and anybody submits
it. The file holds the very bytes that are signed, so the signer reads from them what it agrees to, and from
nothing else; who changes a byte afterwards breaks the signature.
"""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tangle.core.encoding import decode, encode
from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    TRANSACTION_SIZE_MAX,
    SignedEnvelope,
    Transaction,
    TransactionBody,
    decode_transaction,
    sign_transaction,
    verify_transaction_signature,
)
from tangle.core.types import Signature

SIGNING_FILE_VERSION: Final = 1
"""The only version so far."""

SIGNING_FILE_KIND: Final = "tangle-transaction"
"""What the file says that it is."""

SIGNING_FILE_SIZE_MAX: Final = 4 * TRANSACTION_SIZE_MAX
"""Longest file in bytes: the longest transaction in hex, with room for spaces."""


class InvalidSigningFile(TangleError):
    """A file that holds no transaction to sign."""

    code = "signing-file-invalid"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class NotSigned(TangleError):
    """A transaction that nobody has signed yet, where a signed one is needed."""

    code = "not-signed"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is not signed yet; sign it with: tangle tx sign {path} WALLET")


class WrongSigner(TangleError):
    """A transaction of another account than the wallet's."""

    code = "wrong-signer"

    def __init__(self, wanted: str, found: str) -> None:
        self.wanted = wanted
        self.found = found
        super().__init__(f"it spends from {wanted}, which only that wallet can sign; this one is {found}")


class SigningFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The file's one object."""

    version: int
    """Format version, ``SIGNING_FILE_VERSION``."""

    kind: str
    """``SIGNING_FILE_KIND``."""

    body: str
    """The encoded body in hex: what is signed."""

    signature: str | None = None
    """The signature in hex; none until it is signed."""


def write_signing_file(body: TransactionBody) -> bytes:
    """The file of a transaction that nobody has signed yet."""
    return _write(SigningFile(SIGNING_FILE_VERSION, SIGNING_FILE_KIND, encode(body).hex()))


def read_body(path: Path, data: bytes) -> TransactionBody:
    """What the transaction in a file says, signed or not.

    :raises InvalidSigningFile: it holds none.
    """
    return _read_body(path, _read(path, data))


def sign_file(path: Path, data: bytes, key: SigningKey) -> bytes:
    """The file with its issuer's signature; signing again gives the same bytes.

    :raises InvalidSigningFile: it holds no transaction.
    :raises InvalidSignature: the key is not its issuer's.
    """
    file = _read(path, data)
    transaction = sign_transaction(_read_body(path, file), key)
    return _write(msgspec.structs.replace(file, signature=transaction.signature.hex()))


def read_transaction(path: Path, data: bytes) -> Transaction:
    """The signed transaction of a file, its signature checked.

    :raises InvalidSigningFile: it holds no transaction.
    :raises NotSigned: it was not signed yet.
    :raises InvalidSignature: the signature is not its issuer's under these bytes.
    """
    file = _read(path, data)
    body = _read_body(path, file)
    if file.signature is None:
        raise NotSigned(path)
    signature = Signature(_read_hex(path, file.signature))
    try:
        transaction = decode_transaction(encode(SignedEnvelope(encode(body), signature)))
    except TangleError as error:
        raise InvalidSigningFile(path, str(error)) from None
    verify_transaction_signature(transaction)
    return transaction


def _read(path: Path, data: bytes) -> SigningFile:
    if len(data) > SIGNING_FILE_SIZE_MAX:
        raise InvalidSigningFile(path, f"it is longer than {SIGNING_FILE_SIZE_MAX} bytes")
    try:
        file = msgspec.json.decode(data, type=SigningFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidSigningFile(path, f"it holds no transaction to sign: {error}") from None
    if file.kind != SIGNING_FILE_KIND or file.version != SIGNING_FILE_VERSION:
        reason = f"{file.kind[:40]!r} of version {file.version}, not {SIGNING_FILE_KIND!r} of version 1"
        raise InvalidSigningFile(path, f"it holds {reason}")
    return file


def _read_body(path: Path, file: SigningFile) -> TransactionBody:
    try:
        return decode(TransactionBody, _read_hex(path, file.body), limit=TRANSACTION_SIZE_MAX)
    except InvalidSigningFile:
        raise
    except TangleError as error:
        raise InvalidSigningFile(path, str(error)) from None


def _read_hex(path: Path, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidSigningFile(path, "a field is not in hex digits") from None


def _write(file: SigningFile) -> bytes:
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
