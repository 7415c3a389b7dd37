"""The directory of wallets: create, import, list, open, change the password."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tangle.core.address import AddressOfOtherNetwork, decode_address
from tangle.core.errors import InvalidSignature
from tangle.core.signing import SigningKey, verify_signature
from tangle.core.types import ChainId, Milliseconds
from tangle.wallet.derivation import derive_path
from tangle.wallet.errors import (
    CorruptKeystore,
    InvalidDerivationPath,
    InvalidLabel,
    InvalidMnemonic,
    InvalidPassword,
    InvalidWalletName,
    KeyFileMissing,
    KeystoreExists,
    WrongPassword,
)
from tangle.wallet.keystore import DerivationCost
from tangle.wallet.mnemonic import derive_seed, generate_mnemonic
from tangle.wallet.wallet import DamagedWallet, WalletEntry, WalletStore

CHEAP = DerivationCost(operations=1, memory_bytes=8192)
WORDS = generate_mnemonic(bytes(range(32)))
NOW = Milliseconds(1_700_000_000_000)
PASSWORD = "correct horse"


def make_randomness() -> Callable[[int], bytes]:
    """A counter in place of randomness: every call gives other bytes, the same in every run."""
    calls = 0

    def give(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return calls.to_bytes(size, "big")

    return give


@pytest.fixture
def store(tmp_path: Path) -> WalletStore:
    return WalletStore(tmp_path / "wallets", "dmst", make_randomness(), CHEAP)


def test_created_wallet_opens_to_the_derived_key(store: WalletStore) -> None:
    entry = store.create("savings", WORDS, PASSWORD, NOW, label="Rainy days")
    opened = store.open("savings", PASSWORD)
    expected = SigningKey(derive_path(derive_seed(WORDS), "m/44'/1'/0'").secret)
    assert opened.public_key == expected.public_key
    assert opened.address == entry.account.address
    assert decode_address(opened.address, "dmst").public_key == expected.public_key
    assert (opened.account.label, opened.account.path) == ("Rainy days", "m/44'/1'/0'")
    assert opened.account.created_ms == NOW


def test_opened_account_signs(store: WalletStore) -> None:
    store.create("savings", WORDS, PASSWORD, NOW)
    opened = store.open("savings", PASSWORD)
    chain = ChainId(bytes(8))
    signature = opened.key.sign(b"tangle/tx", chain, b"body")
    verify_signature(b"tangle/tx", chain, b"body", signature, opened.public_key)
    with pytest.raises(InvalidSignature):
        verify_signature(b"tangle/tx", chain, b"other", signature, opened.public_key)


def test_same_words_give_the_same_account_and_other_numbers_and_passphrases_others(
    store: WalletStore,
) -> None:
    entries = [
        store.create("first", WORDS, PASSWORD, NOW),
        store.create("again", WORDS.upper(), "another password", NOW),
        store.create("second", WORDS, PASSWORD, NOW, account=1),
        store.create("hidden", WORDS, PASSWORD, NOW, passphrase="extra"),
    ]
    first, again, second, hidden = (entry.account.address for entry in entries)
    assert first == again
    assert len({first, second, hidden}) == 3
    assert len({entry.account.uuid for entry in entries}) == 4


def test_files_are_private_and_alone(store: WalletStore) -> None:
    store.create("savings", WORDS, PASSWORD, NOW)
    path = store.get_path("savings")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(store.directory.iterdir()) == [path]


def test_neither_words_nor_secret_are_in_the_file(store: WalletStore) -> None:
    store.import_secret("savings", bytes(range(32)), PASSWORD, NOW)
    store.create("words", WORDS, PASSWORD, NOW)
    assert bytes(range(32)).hex() not in store.get_path("savings").read_text()
    assert WORDS.split()[0] not in store.get_path("words").read_text()


def test_existing_wallet_is_never_overwritten(store: WalletStore) -> None:
    store.create("savings", WORDS, PASSWORD, NOW)
    before = store.get_path("savings").read_bytes()
    with pytest.raises(KeystoreExists):
        store.create("savings", WORDS, PASSWORD, NOW, account=1)
    with pytest.raises(KeystoreExists):
        store.import_secret("savings", bytes(32), PASSWORD, NOW)
    with pytest.raises(KeystoreExists):
        store.import_keystore("savings", store.get_path("savings"), PASSWORD)
    assert store.get_path("savings").read_bytes() == before


def test_secret_is_imported_without_a_path(store: WalletStore) -> None:
    entry = store.import_secret("savings", bytes(range(32)), PASSWORD, NOW)
    assert entry.account.path == ""
    assert store.open("savings", PASSWORD).public_key == SigningKey(bytes(range(32))).public_key
    with pytest.raises(ValueError, match="32 bytes"):
        store.import_secret("other", bytes(31), PASSWORD, NOW)


def test_keystore_moves_to_another_store(store: WalletStore, tmp_path: Path) -> None:
    store.create("savings", WORDS, PASSWORD, NOW)
    other = WalletStore(tmp_path / "other", "dmst", make_randomness(), CHEAP)
    with pytest.raises(WrongPassword):
        other.import_keystore("moved", store.get_path("savings"), "wrong")
    assert other.list_wallets() == []
    other.import_keystore("moved", store.get_path("savings"), PASSWORD)
    assert other.open("moved", PASSWORD).address == store.open("savings", PASSWORD).address


def test_list_shows_sound_damaged_and_foreign_wallets(store: WalletStore) -> None:
    assert store.list_wallets() == []
    sound = store.create("b-sound", WORDS, PASSWORD, NOW)
    foreign = WalletStore(store.directory, "tmst", make_randomness(), CHEAP)
    foreign.create("c-foreign", WORDS, PASSWORD, NOW)
    (store.directory / "a-damaged.json").write_text("{")
    (store.directory / "notes.txt").write_text("not a wallet")
    (store.directory / "Not A Name.json").write_text("{}")
    damaged, listed, other = store.list_wallets()
    assert isinstance(damaged, DamagedWallet)
    assert isinstance(damaged.fault, CorruptKeystore)
    assert isinstance(listed, WalletEntry)
    assert (listed.name, listed.account.uuid) == ("b-sound", sound.account.uuid)
    assert isinstance(other, DamagedWallet)
    assert isinstance(other.fault, AddressOfOtherNetwork)


def test_wallet_of_another_network_is_refused(store: WalletStore) -> None:
    store.create("savings", WORDS, PASSWORD, NOW)
    main = WalletStore(store.directory, "mst", make_randomness(), CHEAP)
    with pytest.raises(AddressOfOtherNetwork, match=r"network devnet .* network main"):
        main.open("savings", PASSWORD)


def test_password_changes_in_one_step(store: WalletStore) -> None:
    created = store.create("savings", WORDS, PASSWORD, NOW)
    before = store.get_path("savings").read_bytes()
    with pytest.raises(WrongPassword):
        store.change_password("savings", "wrong", "new password")
    with pytest.raises(InvalidPassword):
        store.change_password("savings", PASSWORD, "")
    assert store.get_path("savings").read_bytes() == before
    store.change_password("savings", PASSWORD, "new password")
    with pytest.raises(WrongPassword):
        store.open("savings", PASSWORD)
    opened = store.open("savings", "new password")
    assert (opened.address, opened.account.uuid) == (created.account.address, created.account.uuid)
    assert list(store.directory.iterdir()) == [store.get_path("savings")]


def test_every_encryption_has_its_own_salt_and_nonce(store: WalletStore) -> None:
    texts = []
    for name in ("one", "two"):
        store.create(name, WORDS, PASSWORD, NOW)
        texts.append(store.get_path(name).read_text())
    store.change_password("one", PASSWORD, PASSWORD)
    texts.append(store.get_path("one").read_text())
    for field in ('"salt"', '"nonce"', '"ciphertext"'):
        lines = {line for text in texts for line in text.splitlines() if field in line}
        assert len(lines) == 3


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "A", "-a", "a b", "a\n", "a.json", "ä", "a" * 41]
)
def test_name_that_makes_no_safe_file_is_refused(store: WalletStore, name: str) -> None:
    with pytest.raises(InvalidWalletName):
        store.create(name, WORDS, PASSWORD, NOW)
    with pytest.raises(InvalidWalletName):
        store.open(name, PASSWORD)
    assert not store.directory.exists()


@pytest.mark.parametrize("label", ["", "a" * 65, "line\nbreak", "\x1b[31mred", "\u202eback"], ids=ascii)
def test_bad_label_is_refused(store: WalletStore, label: str) -> None:
    with pytest.raises(InvalidLabel):
        store.create("savings", WORDS, PASSWORD, NOW, label=label)


def test_bad_words_account_and_password_write_nothing(store: WalletStore) -> None:
    with pytest.raises(InvalidMnemonic):
        store.create("savings", WORDS + " zoo", PASSWORD, NOW)
    with pytest.raises(InvalidDerivationPath):
        store.create("savings", WORDS, PASSWORD, NOW, account=-1)
    with pytest.raises(InvalidPassword):
        store.create("savings", WORDS, "", NOW)
    assert not store.directory.exists()


def test_missing_wallet(store: WalletStore) -> None:
    for act in (lambda: store.open("nobody", PASSWORD), lambda: store.get("nobody")):
        with pytest.raises(KeyFileMissing, match=r"nobody\.json"):
            act()


def test_representation_of_an_open_account_hides_the_secret(store: WalletStore) -> None:
    store.import_secret("savings", bytes(range(32)), PASSWORD, NOW)
    opened = store.open("savings", PASSWORD)
    assert bytes(range(32)).hex() not in repr(opened)
    assert repr(bytes(range(32))) not in repr(opened)
