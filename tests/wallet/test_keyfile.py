"""Plain key files of nodes: what they hold, and every way in which one can be wrong."""

import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tangle.core.signing import SigningKey
from tangle.wallet.errors import (
    CorruptKeyFile,
    KeyFileExists,
    KeyFileMissing,
    KeyFileUnusable,
    UnsafePermissions,
    WrongKeyChain,
    WrongKeyKind,
)
from tangle.wallet.files import FILE_SIZE_MAX, create_secret_file, replace_secret_file
from tangle.wallet.keyfile import KeyFile, KeyKind, generate_key_file, load_key_file, read_key_file

SEED = bytes(range(32))
CHAIN = "tangle-devnet"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "node.key"
    generate_key_file(path, KeyKind.NODE, CHAIN, SEED)
    return path


def rewrite(path: Path, **changes: Any) -> None:
    """Change fields of the JSON object at ``path``; None removes one."""
    fields = {**msgspec.json.decode(path.read_bytes()), **changes}
    path.write_bytes(
        msgspec.json.encode({name: value for name, value in fields.items() if value is not None})
    )


@pytest.mark.parametrize("kind", KeyKind)
def test_round_trip(tmp_path: Path, kind: KeyKind) -> None:
    path = tmp_path / f"{kind}.key"
    public_key = generate_key_file(path, kind, CHAIN, SEED)
    assert load_key_file(path, kind, CHAIN).public_key == public_key == SigningKey(SEED).public_key


@pytest.mark.parametrize("kind", KeyKind)
def test_a_file_tells_what_it_is(tmp_path: Path, kind: KeyKind) -> None:
    path = tmp_path / "some.key"
    public_key = generate_key_file(path, kind, CHAIN, SEED)
    record = read_key_file(path)
    assert (record.kind, record.chain, record.public_key) == (kind, CHAIN, public_key.hex())


def test_a_faucet_key_does_no_other_work(tmp_path: Path) -> None:
    path = tmp_path / "faucet.key"
    generate_key_file(path, KeyKind.FAUCET, CHAIN, SEED)
    with pytest.raises(WrongKeyKind, match="this is a faucet key, expected is a validator key"):
        load_key_file(path, KeyKind.VALIDATOR, CHAIN)


def test_only_the_owner_has_access(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["node.key"]


def test_a_key_is_never_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(KeyFileExists, match="never overwritten"):
        generate_key_file(path, KeyKind.NODE, CHAIN, bytes(32))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["node.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
def test_access_of_others_is_refused_with_the_remedy(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(UnsafePermissions, match=r"run: chmod 600 '.*node\.key'") as caught:
        load_key_file(path, KeyKind.NODE, CHAIN)
    assert caught.value.mode == mode


def test_read_only_file_is_fine(path: Path) -> None:
    path.chmod(0o400)
    assert load_key_file(path, KeyKind.NODE, CHAIN).public_key == SigningKey(SEED).public_key


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(KeyFileMissing, match="no such key file"):
        load_key_file(tmp_path / "node.key", KeyKind.NODE, CHAIN)


def test_key_of_another_kind(path: Path) -> None:
    with pytest.raises(WrongKeyKind, match="this is a node key, expected is a validator key"):
        load_key_file(path, KeyKind.VALIDATOR, CHAIN)


def test_key_of_another_chain_is_refused_by_name(path: Path) -> None:
    with pytest.raises(WrongKeyChain, match=r"'tangle-devnet'.*'tangle-main'"):
        load_key_file(path, KeyKind.NODE, "tangle-main")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": "1"},
        {"version": None},
        {"kind": "wallet"},
        {"chain": 5},
        {"secret": None},
        {"secret": "00" * 31},
        {"secret": "00" * 32 + "\n"},
        {"secret": "zz" * 32},
        {"secret": "AB" * 32},
        {"secret": "11" * 32},
        {"public_key": "11" * 32},
        {"extra": 1},
    ],
    ids=str,
)
def test_changed_field_is_refused(path: Path, changes: dict[str, Any]) -> None:
    rewrite(path, **changes)
    with pytest.raises(CorruptKeyFile) as caught:
        load_key_file(path, KeyKind.NODE, CHAIN)
    assert SEED.hex() not in str(caught.value)


def test_every_truncation_is_refused(path: Path) -> None:
    whole = path.read_bytes().rstrip()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(CorruptKeyFile):
            load_key_file(path, KeyKind.NODE, CHAIN)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[" * 10_000, b"null", b"[]", b'"text"', b"\x00" * 50], ids=repr
)
def test_garbage_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CorruptKeyFile):
        load_key_file(path, KeyKind.NODE, CHAIN)


def test_huge_file_is_refused_unread(path: Path) -> None:
    path.write_bytes(b" " * (FILE_SIZE_MAX + 1))
    with pytest.raises(KeyFileUnusable, match="larger than"):
        load_key_file(path, KeyKind.NODE, CHAIN)


def test_directory_and_pipe_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path, reason in ((tmp_path, "directory"), (pipe, "not an ordinary file")):
        with pytest.raises(KeyFileUnusable, match=reason):
            load_key_file(path, KeyKind.NODE, CHAIN)


def test_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "home").write_bytes(b"a file is in the way")
    with pytest.raises(KeyFileUnusable):
        generate_key_file(tmp_path / "home" / "node.key", KeyKind.NODE, CHAIN, SEED)
    with pytest.raises(KeyFileUnusable):
        load_key_file(tmp_path / "home" / "node.key", KeyKind.NODE, CHAIN)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_randomness_of_wrong_length_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        generate_key_file(tmp_path / "node.key", KeyKind.NODE, CHAIN, bytes(size))
    assert list(tmp_path.iterdir()) == []


def test_replacing_leaves_the_new_content_alone_in_the_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    create_secret_file(path, b"old")
    replace_secret_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_a_directory_fails_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(KeyFileUnusable):
        replace_secret_file(tmp_path / "file", b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_representation_hides_the_secret() -> None:
    record = KeyFile(1, KeyKind.NODE, CHAIN, "aa" * 32, "bb" * 32)
    assert "bb" not in repr(record)
