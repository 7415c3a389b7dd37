"""Encrypted keystores: the right password opens, anything else is refused for its own reason."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt
from nacl.pwhash import argon2id

from tangle.core.address import encode_address
from tangle.core.signing import SigningKey
from tangle.core.types import Milliseconds
from tangle.wallet.errors import (
    CorruptKeystore,
    CostlyKeystore,
    InvalidPassword,
    KeyFileError,
    UnsupportedKeystore,
    WrongPassword,
)
from tangle.wallet.keystore import (
    MEMORY_BYTES_MAX,
    OPERATIONS_MAX,
    AccountRecord,
    DerivationCost,
    Keystore,
    decode_keystore,
    decrypt_secret,
    encode_keystore,
    encrypt_secret,
)

CHEAP = DerivationCost(operations=1, memory_bytes=8192)
SECRET = bytes(range(32))
PASSWORD = "correct horse"
PUBLIC_KEY = SigningKey(SECRET).public_key
OTHER_KEY = SigningKey(bytes(32)).public_key
ACCOUNT = AccountRecord(
    uuid="01234567-89ab-4def-8123-456789abcdef",
    label="savings",
    created_ms=Milliseconds(1_700_000_000_000),
    path="m/44'/1'/0'",
    public_key=PUBLIC_KEY.hex(),
    address=encode_address("dmst", PUBLIC_KEY),
)
FILE = Path("savings.json")


def seal(password: str = PASSWORD, account: AccountRecord = ACCOUNT, secret: bytes = SECRET) -> Keystore:
    return encrypt_secret(secret, password, account, CHEAP, bytes(16), bytes(24))


STORED = encode_keystore(seal())


def change(**changes: Any) -> bytes:
    """The stored file with fields changed; ``kdf__salt`` reaches into ``kdf``, None removes a field."""
    fields = msgspec.json.decode(STORED)
    for name, value in changes.items():
        *parents, leaf = name.split("__")
        target = fields[parents[0]] if parents else fields
        target[leaf] = value
        if value is None:
            del target[leaf]
    return msgspec.json.encode(fields)


def open_file(data: bytes, password: str = PASSWORD) -> bytes:
    return decrypt_secret(FILE, decode_keystore(FILE, data), password)


@settings(max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_round_trip(secret: bytes, password: str) -> None:
    public_key = SigningKey(secret).public_key
    account = msgspec.structs.replace(
        ACCOUNT, public_key=public_key.hex(), address=encode_address("mst", public_key)
    )
    stored = encode_keystore(seal(password, account, secret))
    assert open_file(stored, password) == secret
    assert secret.hex().encode() not in stored


def test_format_is_the_documented_one() -> None:
    fields = msgspec.json.decode(STORED)
    assert fields["version"] == 1
    assert fields["kdf"].keys() == {"function", "operations", "memory_bytes", "salt", "check"}
    assert fields["kdf"]["function"] == "argon2id"
    assert fields["cipher"].keys() == {"function", "nonce", "ciphertext"}
    assert fields["cipher"]["function"] == "xchacha20poly1305"
    assert fields.keys() == {
        *("version", "uuid", "label", "created_ms", "path", "public_key", "address", "kdf", "cipher")
    }


@pytest.mark.parametrize("password", ["correct hors", "Correct horse", "correct horse ", "x"])
def test_wrong_password(password: str) -> None:
    with pytest.raises(WrongPassword, match=r"savings\.json: wrong password"):
        open_file(STORED, password)


def test_password_is_normalised_and_loses_its_line_end() -> None:
    assert open_file(encode_keystore(seal("caf\u00e9")), "cafe\u0301\r\n") == SECRET


@pytest.mark.parametrize("password", ["", "\n", "\x00\x7f", "a" * 1025])
def test_empty_or_absurd_password_is_refused(password: str) -> None:
    with pytest.raises(InvalidPassword):
        seal(password)
    with pytest.raises(InvalidPassword):
        open_file(STORED, password)


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "holiday"},
        {"label": ""},
        {"path": "m/44'/1'/1'"},
        {"path": ""},
        {"created_ms": 0},
        {"uuid": "11234567-89ab-4def-8123-456789abcdef"},
        {"address": encode_address("mst", PUBLIC_KEY)},
        {"address": encode_address("dmst", PUBLIC_KEY).upper()},
        {"address": encode_address("dmst", OTHER_KEY), "public_key": OTHER_KEY.hex()},
        {"cipher__nonce": "01" * 24},
        {"cipher__ciphertext": "00" * 48},
    ],
    ids=str,
)
def test_altered_file_is_not_mistaken_for_a_wrong_password(changes: dict[str, Any]) -> None:
    with pytest.raises(CorruptKeystore, match="changed after it was written"):
        open_file(change(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"kdf__salt": "01" * 16},
        {"kdf__check": "00" * 32},
        {"kdf__operations": 2},
        {"kdf__memory_bytes": 16384},
    ],
    ids=str,
)
def test_altered_derivation_gives_another_key(changes: dict[str, Any]) -> None:
    with pytest.raises(WrongPassword):
        open_file(change(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"label": None},
        {"label": 5},
        {"label": "a" * 129},
        {"kdf": None},
        {"kdf": "argon2id"},
        {"cipher__nonce": None},
        {"extra": 1},
        {"kdf__extra": 1},
        {"cipher__extra": 1},
        {"uuid": "not a uuid"},
        {"created_ms": -1},
        {"created_ms": 2**63},
        {"created_ms": 1.5},
        {"public_key": "AB" * 32},
        {"public_key": OTHER_KEY.hex()},
        {"address": encode_address("dmst", OTHER_KEY)},
        {"address": "dmst1nonsense"},
        {"kdf__salt": "00" * 15},
        {"kdf__salt": "00" * 16 + "\n"},
        {"kdf__operations": 0},
        {"kdf__operations": -1},
        {"kdf__memory_bytes": 8191},
        {"kdf__memory_bytes": 10**30},
        {"cipher__nonce": "00" * 25},
        {"cipher__ciphertext": "00" * 47},
        {"cipher__ciphertext": "zz" * 48},
    ],
    ids=str,
)
def test_damaged_field_is_refused_before_the_password_matters(changes: dict[str, Any]) -> None:
    with pytest.raises(CorruptKeystore):
        decode_keystore(FILE, change(**changes))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": 2}, "version"),
        ({"kdf__function": "scrypt"}, "key derivation"),
        ({"kdf__function": "argon2i"}, "key derivation"),
        ({"cipher__function": "aes-128-ctr"}, "cipher"),
    ],
)
def test_unknown_algorithm_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(UnsupportedKeystore, match=f"its {field} is") as caught:
        decode_keystore(FILE, change(**changes))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "changes",
    [
        {"kdf__memory_bytes": MEMORY_BYTES_MAX + 1},
        {"kdf__memory_bytes": 2**62},
        {"kdf__operations": OPERATIONS_MAX + 1},
        {"kdf__operations": 2**62},
    ],
    ids=str,
)
def test_memory_bomb_is_refused_before_any_work(changes: dict[str, Any]) -> None:
    with pytest.raises(CostlyKeystore, match="may be a trap"):
        decode_keystore(FILE, change(**changes))


@pytest.mark.parametrize("field", ["version", "created_ms", "memory_bytes", "operations"])
def test_number_of_thousands_of_digits_is_refused(field: str) -> None:
    data = re.sub(rf'("{field}": )\d+'.encode(), rb"\g<1>" + b"9" * 9_000, STORED)
    assert len(data) > 9_000
    with pytest.raises(CorruptKeystore):
        decode_keystore(FILE, data)


def test_every_truncation_is_refused() -> None:
    whole = STORED.rstrip()
    for size in range(len(whole)):
        with pytest.raises(CorruptKeystore):
            decode_keystore(FILE, whole[:size])


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptKeystore):
        decode_keystore(FILE, data)


@given(st.integers(0, len(STORED) - 2), st.integers(1, 255))
def test_any_changed_byte_never_opens_as_another_account(position: int, difference: int) -> None:
    changed = bytearray(STORED)
    changed[position] ^= difference
    try:
        assert open_file(bytes(changed)) == SECRET
    except KeyFileError:
        return
    # It opened: then the byte was white space between fields, and every field is as it was.
    assert decode_keystore(FILE, bytes(changed)) == decode_keystore(FILE, STORED)


def test_secret_of_another_account_is_refused() -> None:
    stored = encode_keystore(seal(secret=bytes(32)))
    with pytest.raises(CorruptKeystore, match="secret and its public key"):
        open_file(stored)


def test_too_little_memory_is_an_error_with_a_name() -> None:
    program = """
import resource
from pathlib import Path
from tangle.wallet.errors import InsufficientMemory
from tangle.wallet.keystore import DerivationCost, encrypt_secret
from tests.wallet.test_keystore import ACCOUNT, SECRET
resource.setrlimit(resource.RLIMIT_AS, (512 * 1024**2, 512 * 1024**2))
try:
    encrypt_secret(SECRET, "password", ACCOUNT, DerivationCost(1, 1024**3), bytes(16), bytes(24))
except InsufficientMemory as error:
    print(error.memory_bytes)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str(1024**3)


def test_file_opens_by_its_published_description_alone() -> None:
    """Follows docs/wallet.md step by step, without the code under test."""
    fields = msgspec.json.decode(STORED)
    kdf, cipher = fields["kdf"], fields["cipher"]
    derived = argon2id.kdf(
        64, PASSWORD.encode(), bytes.fromhex(kdf["salt"]), kdf["operations"], kdf["memory_bytes"]
    )
    assert (
        hashlib.blake2b(derived[32:], digest_size=32, person=b"tangle/keystore").hexdigest() == kdf["check"]
    )
    texts = [fields[name].encode() for name in ("uuid", "label", "path", "public_key", "address")]
    kdf_fields = [kdf[name] for name in ("function", "operations", "memory_bytes", "salt", "check")]
    associated = cbor2.dumps(
        [
            b"tangle/keystore",
            fields["version"],
            fields["created_ms"],
            texts,
            [field.encode() if isinstance(field, str) else field for field in kdf_fields],
        ]
    )
    opened = crypto_aead_xchacha20poly1305_ietf_decrypt(
        bytes.fromhex(cipher["ciphertext"]), associated, bytes.fromhex(cipher["nonce"]), derived[:32]
    )
    assert opened == SECRET
