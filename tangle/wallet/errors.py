"""What can be wrong with words, paths, key files and keystores.

Each message names the file or the word, says what is wrong and what to do. No message holds a secret beyond
the one mistyped word, and none is worded so that it helps to guess a password.
"""

from pathlib import Path

from tangle.core.errors import TangleError


class InvalidMnemonic(TangleError):
    """Words that are not a BIP-39 mnemonic: wrong number of words, or a checksum that does not hold."""

    code = "mnemonic-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"these words are not a recovery phrase: {reason}")


class UnknownWord(InvalidMnemonic):
    """A word that is not in the BIP-39 English list."""

    code = "mnemonic-word"

    def __init__(self, word: str, position: int, suggestions: tuple[str, ...]) -> None:
        self.word = word
        self.position = position
        self.suggestions = suggestions
        hint = f"; did you mean {' or '.join(suggestions)}?" if suggestions else ""
        super().__init__(f"word {position + 1}, {word!r}, is not in the list{hint}")


class InvalidDerivationPath(TangleError):
    """A derivation path that ed25519 keys cannot follow."""

    code = "path-invalid"

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path[:60]!r} is not a derivation path for ed25519: {reason}")


class InvalidWalletName(TangleError):
    """A wallet's name that would not make a safe file name on every system."""

    code = "wallet-name"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name[:60]!r} cannot name a wallet: use 1 to 40 of a-z, 0-9, '-', '_', first a letter or digit"
        )


class InvalidLabel(TangleError):
    """A label that is too long or would disturb a terminal."""

    code = "wallet-label"

    def __init__(self, label: str, length_max: int) -> None:
        self.label = label
        super().__init__(f"the label {label[:60]!r} must be 1 to {length_max} printable characters")


class InvalidPassword(TangleError):
    """A password that is refused before it is used: empty or absurdly long."""

    code = "password-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the password is {reason}; choose another")


class InsufficientMemory(TangleError):
    """The machine cannot spare the memory that stretching the password takes."""

    code = "memory-insufficient"

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        super().__init__(
            f"stretching the password needs {memory_bytes} bytes of free memory; close other programs"
        )


class KeyFileError(TangleError):
    """Root of the faults of one file that holds a key."""

    code = "key-file"

    def __init__(self, path: Path, message: str) -> None:
        self.path = path
        super().__init__(f"{path}: {message}")


class KeyFileMissing(KeyFileError):
    """There is no such file."""

    code = "key-file-missing"

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, "there is no such key file; check the name and the home directory, or create the key"
        )


class KeyFileExists(KeyFileError):
    """A key would be overwritten. Keys are never overwritten."""

    code = "key-file-exists"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "a key is there already and is never overwritten; move it away first")


class KeystoreExists(KeyFileExists):
    """A wallet of that name is there already."""

    code = "keystore-exists"


class KeyFileUnusable(KeyFileError):
    """The operating system refuses to read or write the file."""

    code = "key-file-unusable"

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(path, f"the file cannot be used: {reason}")


class UnsafePermissions(KeyFileError):
    """A key in the clear that other users of the machine can read or replace."""

    code = "key-file-permissions"

    def __init__(self, path: Path, mode: int) -> None:
        self.mode = mode
        super().__init__(
            path,
            f"other users can get at this key (mode {mode:04o}); run: chmod 600 '{path}', "
            "and if they may have read it, make a new key",
        )


class CorruptKeyFile(KeyFileError):
    """A key file whose content is damaged."""

    code = "key-file-corrupt"

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(path, f"the key file is damaged ({reason}); restore it from a backup")


class WrongKeyKind(KeyFileError):
    """A key file of another purpose: a node's key where a validator's belongs, or the other way round."""

    code = "key-file-kind"

    def __init__(self, path: Path, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(path, f"this is a {found} key, expected is a {expected} key; the files are mixed up")


class WrongKeyChain(KeyFileError):
    """A key file that belongs to another chain."""

    code = "key-file-chain"

    def __init__(self, path: Path, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(
            path, f"this key belongs to chain {found!r}, this node runs {expected!r}; use its own home"
        )


class CorruptKeystore(KeyFileError):
    """A wallet file that is damaged or altered: not its format, or its public fields were changed."""

    code = "keystore-corrupt"

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(
            path, f"the wallet file is damaged or altered ({reason}); restore it from a backup or words"
        )


class UnsupportedKeystore(KeyFileError):
    """A wallet file of a version, key derivation or cipher that this program does not know."""

    code = "keystore-unsupported"

    def __init__(self, path: Path, field: str, found: str, expected: str) -> None:
        self.field = field
        self.found = found
        self.expected = expected
        super().__init__(
            path, f"its {field} is {found[:40]!r}, known is {expected!r}; use the program that made it"
        )


class CostlyKeystore(KeyFileError):
    """A wallet file that asks for more memory or passes than this program is willing to spend."""

    code = "keystore-costly"

    def __init__(self, path: Path, quantity: str, found: int, limit: int) -> None:
        self.quantity = quantity
        self.found = found
        self.limit = limit
        super().__init__(
            path, f"opening it would take {found} {quantity}, the limit is {limit}; it may be a trap"
        )


class WrongPassword(KeyFileError):
    """The password does not open this wallet."""

    code = "password-wrong"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "wrong password")
