"""A directory of wallets: one encrypted keystore per name.

``WalletStore`` is the door for commands and programs: it makes an account from recovery words or a secret,
lists what is there without a password, and opens one account for signing. Time and randomness are handed in;
so are passwords and words, which it never stores.
"""

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from tangle.core.address import AddressOfOtherNetwork, decode_address, encode_address
from tangle.core.signing import SigningKey
from tangle.core.types import Milliseconds, PublicKey
from tangle.wallet.derivation import derive_path, format_account_path
from tangle.wallet.errors import InvalidLabel, InvalidWalletName, KeyFileError, KeyFileExists, KeystoreExists
from tangle.wallet.files import create_secret_file, read_secret_file, replace_secret_file
from tangle.wallet.keystore import (
    COST_DEFAULT,
    NONCE_SIZE,
    SALT_SIZE,
    SECRET_SIZE,
    AccountRecord,
    DerivationCost,
    Keystore,
    decode_keystore,
    decrypt_secret,
    encode_keystore,
    encrypt_secret,
)
from tangle.wallet.mnemonic import derive_seed

LABEL_LENGTH_MAX: Final = 64
"""Longest label in characters: fits on one line of a terminal beside an amount."""

SUFFIX: Final = ".json"
"""A wallet called ``savings`` is the file ``savings.json``."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

Randomness = Callable[[int], bytes]
"""Gives that many unpredictable bytes; ``nacl.utils.random`` in a running program."""


class WalletEntry(Struct, frozen=True):
    """What is known of a wallet without its password."""

    name: str
    """Name of the file, without its ending."""

    account: AccountRecord
    """Its label, address, path and public key; checked against the password only when it is opened."""


class DamagedWallet(Struct, frozen=True):
    """A wallet file that cannot be read, or is for another network."""

    name: str
    """Name of the file, without its ending."""

    fault: KeyFileError | AddressOfOtherNetwork
    """What is wrong with it."""


class SigningAccount(Struct, frozen=True):
    """An opened account. Python cannot wipe memory: keep it only as long as it is needed."""

    key: SigningKey
    """Signs for the account."""

    account: AccountRecord
    """Its label, address and path, all vouched for by the password."""

    @property
    def public_key(self) -> PublicKey:
        """Ed25519 public key: the account's name on the ledger."""
        return self.key.public_key

    @property
    def address(self) -> str:
        """The account, written for people."""
        return self.account.address


class WalletStore:
    """The wallets of one network in one directory."""

    def __init__(
        self, directory: Path, prefix: str, randomness: Randomness, cost: DerivationCost = COST_DEFAULT
    ) -> None:
        """:param directory: made when the first wallet is.
        :param prefix: of the network's addresses; keystores of another network are refused.
        :param cost: of trying one password, for keystores written from now on.
        """
        self.directory = directory
        self.prefix = prefix
        self._randomness = randomness
        self._cost = cost

    def create(
        self,
        name: str,
        words: str,
        password: str,
        now_ms: Milliseconds,
        *,
        passphrase: str = "",
        account: int = 0,
        label: str | None = None,
    ) -> WalletEntry:
        """Make the wallet ``name`` from recovery words, new or old.

        :param passphrase: of the words (BIP-39), not of the file.
        :param account: number of the account under these words.
        :param label: ``name`` when left out.
        :raises InvalidMnemonic: the words are wrong (``UnknownWord`` names which).
        :raises InvalidDerivationPath: the account number is out of range.
        :raises InvalidWalletName: the name makes no file name.
        :raises InvalidLabel: the label is too long or not printable.
        :raises InvalidPassword: the password is empty or too long.
        :raises KeystoreExists: the name is taken.
        :raises KeyFileUnusable: the system refuses to write.
        """
        path = format_account_path(account)
        secret = derive_path(derive_seed(words, passphrase), path).secret
        return self._add(name, secret, path, password, now_ms, label)

    def import_secret(
        self, name: str, secret: bytes, password: str, now_ms: Milliseconds, *, label: str | None = None
    ) -> WalletEntry:
        """Make the wallet ``name`` from a 32-byte ed25519 seed.

        :raises ValueError: the seed has another length; the caller checks what people type.
        :raises TangleError: as ``create``.
        """
        if len(secret) != SECRET_SIZE:
            raise ValueError(f"an ed25519 seed has {SECRET_SIZE} bytes, not {len(secret)}")
        return self._add(name, secret, "", password, now_ms, label)

    def import_keystore(self, name: str, source: Path, password: str) -> WalletEntry:
        """Copy a keystore file from elsewhere, after opening it with its password.

        :raises KeyFileError: as ``open``, and ``KeystoreExists``.
        """
        target = self.get_path(name)
        keystore = self._read(source)
        decrypt_secret(source, keystore, password)
        self._create_file(target, keystore)
        return WalletEntry(name, keystore)

    def list_wallets(self) -> list[WalletEntry | DamagedWallet]:
        """All wallets in the directory, by name; none when there is no directory."""
        entries: list[WalletEntry | DamagedWallet] = []
        for path in sorted(self.directory.glob(f"*{SUFFIX}")):
            name = path.name.removesuffix(SUFFIX)
            if not _NAME.fullmatch(name):
                continue
            try:
                entries.append(WalletEntry(name, self._read(path)))
            except (KeyFileError, AddressOfOtherNetwork) as fault:
                entries.append(DamagedWallet(name, fault))
        return entries

    def get(self, name: str) -> WalletEntry:
        """What is known of one wallet without its password.

        :raises InvalidWalletName: the name makes no file name.
        :raises AddressOfOtherNetwork: it is for another network.
        :raises KeyFileError: missing, unreadable, damaged, unknown format.
        """
        return WalletEntry(name, self._read(self.get_path(name)))

    def open(self, name: str, password: str) -> SigningAccount:
        """Decrypt one wallet. Takes about half a second and 256 MiB: call it outside an event loop.

        :raises WrongPassword: the password does not open it.
        :raises CorruptKeystore: the password is right, but the file was altered.
        :raises CostlyKeystore: the file asks for more memory or time than is reasonable.
        :raises TangleError: as ``get``, and ``InvalidPassword``.
        """
        path = self.get_path(name)
        keystore = self._read(path)
        return SigningAccount(SigningKey(decrypt_secret(path, keystore, password)), keystore)

    def change_password(self, name: str, old: str, new: str) -> None:
        """Encrypt a wallet anew, with a fresh salt, the store's cost and another password, in one step.

        :raises TangleError: as ``open``; the file is then untouched.
        """
        path = self.get_path(name)
        keystore = self._read(path)
        secret = decrypt_secret(path, keystore, old)
        replace_secret_file(path, encode_keystore(self._encrypt(secret, new, keystore)))

    def change_label(self, name: str, label: str, password: str) -> WalletEntry:
        """Call a wallet something else, in one step. The password vouches for the label, so it is needed.

        :raises InvalidLabel: the label is too long or not printable.
        :raises TangleError: as ``open``; the file is then untouched.
        """
        _check_label(label)
        path = self.get_path(name)
        keystore = self._read(path)
        secret = decrypt_secret(path, keystore, password)
        account = AccountRecord(
            uuid=keystore.uuid,
            label=label,
            created_ms=keystore.created_ms,
            path=keystore.path,
            public_key=keystore.public_key,
            address=keystore.address,
        )
        changed = self._encrypt(secret, password, account)
        replace_secret_file(path, encode_keystore(changed))
        return WalletEntry(name, changed)

    def get_path(self, name: str) -> Path:
        """The file of the wallet ``name``, whether it exists or not; this is also what to back up.

        :raises InvalidWalletName: the name makes no file name.
        """
        if not _NAME.fullmatch(name):
            raise InvalidWalletName(name)
        return self.directory / f"{name}{SUFFIX}"

    def _add(
        self, name: str, secret: bytes, path: str, password: str, now_ms: Milliseconds, label: str | None
    ) -> WalletEntry:
        target = self.get_path(name)
        label = name if label is None else label
        _check_label(label)
        if target.exists():
            raise KeystoreExists(
                target
            )  # before half a second of key derivation; _create_file is what decides
        public_key = SigningKey(secret).public_key
        account = AccountRecord(
            uuid=str(uuid.UUID(bytes=self._randomness(16), version=4)),
            label=label,
            created_ms=now_ms,
            path=path,
            public_key=public_key.hex(),
            address=encode_address(self.prefix, public_key),
        )
        keystore = self._encrypt(secret, password, account)
        self._create_file(target, keystore)
        return WalletEntry(name, keystore)

    def _encrypt(self, secret: bytes, password: str, account: AccountRecord) -> Keystore:
        salt, nonce = self._randomness(SALT_SIZE), self._randomness(NONCE_SIZE)
        return encrypt_secret(secret, password, account, self._cost, salt, nonce)

    def _create_file(self, target: Path, keystore: Keystore) -> None:
        try:
            create_secret_file(target, encode_keystore(keystore))
        except KeyFileExists:
            raise KeystoreExists(target) from None

    def _read(self, path: Path) -> Keystore:
        keystore = decode_keystore(path, read_secret_file(path, is_private=False))
        found = decode_address(keystore.address, None).prefix
        if found != self.prefix:
            raise AddressOfOtherNetwork(keystore.address, found, self.prefix)
        return keystore


def _check_label(label: str) -> None:
    if not (0 < len(label) <= LABEL_LENGTH_MAX and label.isprintable()):
        raise InvalidLabel(label, LABEL_LENGTH_MAX)
