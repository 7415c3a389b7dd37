"""Keys of a node, in the clear: ``node.key``, ``validator.key`` and a development network's ``faucet.key``.

A node must start without a person at the keyboard, so these files are not encrypted; the file's
permissions protect them, and a file that others can read is refused. Each file says what it is for and for
which chain, so that a validator's key cannot be put to work as a node's key, nor in the home of another
chain.

The node key names the node to its peers and can be replaced at any time. The validator key signs blocks,
and signing with it on two machines at once is punished: it is a separate file that is moved, never copied.
The faucet key owns the coins that a development network gives away; it is worth nothing anywhere else.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec

from tangle.core.signing import SigningKey
from tangle.core.types import Natural, PublicKey
from tangle.wallet.errors import CorruptKeyFile, WrongKeyChain, WrongKeyKind
from tangle.wallet.files import create_secret_file, read_secret_file

VERSION: Final = 1
"""Version of the format."""

SEED_SIZE: Final = 32
"""Bytes of an ed25519 secret seed (RFC 8032 section 5.1.5)."""

HexKey = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
"""32 bytes in lower-case hexadecimal."""


class KeyKind(StrEnum):
    """What a key is for."""

    NODE = "node"
    """Names the node to its peers."""

    VALIDATOR = "validator"
    """Signs blocks and attestations."""

    FAUCET = "faucet"
    """Owns the coins that a development network gives away."""


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON object in a key file."""

    version: Natural
    """Version of the format."""

    kind: KeyKind
    """What the key is for."""

    chain: str
    """Name of the chain that it belongs to."""

    public_key: HexKey
    """Ed25519 public key; stored so that the file can be told apart without its secret."""

    secret: HexKey
    """Ed25519 seed."""

    def __repr__(self) -> str:
        return f"KeyFile({self.kind}, {self.chain!r}, {self.public_key})"


def generate_key_file(path: Path, kind: KeyKind, chain: str, entropy: bytes) -> PublicKey:
    """Make a key from 32 random bytes and write its file.

    :param chain: name of the chain, as in its genesis.
    :raises KeyFileExists: a file is there already; it is untouched.
    :raises KeyFileUnusable: the system refuses.
    :raises ValueError: ``entropy`` has another length; that is this program's mistake.
    """
    if len(entropy) != SEED_SIZE:
        raise ValueError(f"a key needs {SEED_SIZE} bytes of randomness, not {len(entropy)}")
    public_key = SigningKey(entropy).public_key
    record = KeyFile(VERSION, kind, chain, public_key.hex(), entropy.hex())
    create_secret_file(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
    return public_key


def read_key_file(path: Path) -> KeyFile:
    """Read and check the key file at ``path``, of whatever kind and chain.

    :raises KeyFileMissing: no such file.
    :raises UnsafePermissions: group or others have access to the file.
    :raises KeyFileUnusable: the system refuses, or it is no key file at all.
    :raises CorruptKeyFile: its content is damaged.
    """
    data = read_secret_file(path, is_private=True)
    try:
        record = msgspec.json.decode(data, type=KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The decoder names fields and positions, never values: no secret gets into the message.
        raise CorruptKeyFile(path, str(error)) from None
    if record.version != VERSION:
        raise CorruptKeyFile(path, f"its version is {record.version}, known is {VERSION}")
    if SigningKey(bytes.fromhex(record.secret)).public_key.hex() != record.public_key:
        raise CorruptKeyFile(path, "its secret and its public key do not belong together")
    return record


def load_key_file(path: Path, kind: KeyKind, chain: str) -> SigningKey:
    """Read the key at ``path``, which must be of ``kind`` and for ``chain``.

    :raises WrongKeyKind: it is for another purpose.
    :raises WrongKeyChain: it is for another chain.
    :raises KeyFileError: as ``read_key_file``.
    """
    record = read_key_file(path)
    if record.kind is not kind:
        raise WrongKeyKind(path, record.kind, kind)
    if record.chain != chain:
        raise WrongKeyChain(path, record.chain, chain)
    return SigningKey(bytes.fromhex(record.secret))
