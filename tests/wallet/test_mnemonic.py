"""Recovery words against the reference vectors of BIP-39, and what happens to wrong ones."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.wallet.errors import InvalidMnemonic, UnknownWord
from tangle.wallet.mnemonic import derive_seed, generate_mnemonic, normalize_mnemonic

FILE = json.loads((Path(__file__).parents[1] / "vectors" / "bip39_english.json").read_text())
VECTORS = FILE["vectors"]
WORDS = VECTORS[-1]["words"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["entropy"])
def test_reference_vector(vector: dict[str, str]) -> None:
    assert derive_seed(vector["words"], FILE["passphrase"]).hex() == vector["seed"]
    entropy = bytes.fromhex(vector["entropy"])
    if len(entropy) == 32:
        assert generate_mnemonic(entropy) == vector["words"]


@given(st.binary(min_size=32, max_size=32))
def test_generated_words_are_24_and_hold(entropy: bytes) -> None:
    words = generate_mnemonic(entropy)
    assert len(words.split()) == 24
    assert normalize_mnemonic(words) == words


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_other_amounts_of_randomness_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        generate_mnemonic(bytes(size))


def test_case_and_white_space_do_not_matter() -> None:
    assert normalize_mnemonic(f"  {WORDS.upper()}\n".replace(" ", "\t ")) == WORDS


def test_passphrase_opens_another_seed_and_is_normalised() -> None:
    assert derive_seed(WORDS, "") != derive_seed(WORDS, "é")
    assert derive_seed(WORDS, "\u00e9") == derive_seed(WORDS, "e\u0301")


@pytest.mark.parametrize(
    ("wrong", "right"), [("abandonn", "abandon"), ("absnet", "absent"), ("zooo", "zoo"), ("acto", "actor")]
)
def test_unknown_word_is_named_with_close_ones(wrong: str, right: str) -> None:
    words = WORDS.split()
    words[6] = wrong
    with pytest.raises(UnknownWord, match=r"word 7, .* did you mean") as caught:
        normalize_mnemonic(" ".join(words))
    assert (caught.value.word, caught.value.position) == (wrong, 6)
    assert right in caught.value.suggestions


def test_unknown_word_without_close_ones_is_named_alone() -> None:
    with pytest.raises(UnknownWord) as caught:
        normalize_mnemonic("qqqqqq " + WORDS)
    assert caught.value.suggestions == ()
    assert "did you mean" not in str(caught.value)


def test_swapped_words_fail_the_checksum() -> None:
    first, second, *rest = WORDS.split()
    with pytest.raises(InvalidMnemonic, match="checksum"):
        normalize_mnemonic(" ".join([second, first, *rest]))


@pytest.mark.parametrize("count", [0, 1, 11, 13, 23])
def test_wrong_number_of_words_is_refused(count: int) -> None:
    with pytest.raises(InvalidMnemonic, match=f"there are {count};"):
        normalize_mnemonic(" ".join(WORDS.split()[:count]))


def test_huge_text_is_refused_unread() -> None:
    with pytest.raises(InvalidMnemonic, match="too many"):
        normalize_mnemonic("zoo " * 10**6)


@given(st.text(max_size=300))
def test_any_text_is_refused_narrowly(text: str) -> None:
    with pytest.raises(InvalidMnemonic):
        normalize_mnemonic(text)
