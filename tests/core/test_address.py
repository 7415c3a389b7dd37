"""Addresses and the bech32m codec under them, against the vectors of BIP-350."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.core.address import (
    PREFIXES,
    Address,
    AddressOfOtherNetwork,
    InvalidAddress,
    bytes_to_symbols,
    decode_address,
    decode_bech32m,
    encode_address,
    encode_bech32m,
    symbols_to_bytes,
)
from tangle.core.types import PublicKey

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "bip350.json").read_text())
SYMBOLS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
KEY = PublicKey(bytes(range(32)))
ADDRESS = encode_address("dmst", KEY)

keys = st.binary(min_size=32, max_size=32).map(PublicKey)
prefixes = st.sampled_from(sorted(PREFIXES))


@pytest.mark.parametrize("text", VECTORS["valid"])
def test_valid_vector_is_read_and_written_back(text: str) -> None:
    prefix, symbols = decode_bech32m(text)
    assert encode_bech32m(prefix, symbols) == text.lower()


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=lambda vector: vector["text"])
def test_invalid_vector_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(InvalidAddress):
        decode_bech32m(vector["text"])


@pytest.mark.parametrize("vector", VECTORS["programs"], ids=lambda vector: vector["text"])
def test_program_vector_regroups_to_its_bytes(vector: dict[str, Any]) -> None:
    _, symbols = decode_bech32m(vector["text"])
    assert symbols[0] == vector["first_symbol"]
    assert symbols_to_bytes(vector["text"], symbols[1:]).hex() == vector["bytes"]
    assert bytes_to_symbols(bytes.fromhex(vector["bytes"])) == symbols[1:]


@pytest.mark.parametrize("text", VECTORS["bad_padding"])
def test_padding_that_is_long_or_not_zero_is_refused(text: str) -> None:
    _, symbols = decode_bech32m(text)
    with pytest.raises(InvalidAddress, match="padding"):
        symbols_to_bytes(text, symbols[1:])


@pytest.mark.parametrize("text", VECTORS["valid"])
def test_sound_bech32m_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress, match="no network has the prefix"):
        decode_address(text, None)


@given(prefixes, keys)
def test_round_trip(prefix: str, key: PublicKey) -> None:
    text = encode_address(prefix, key)
    assert len(text) == len(prefix) + 60
    assert decode_address(text, prefix) == decode_address(text.upper(), None) == Address(prefix, key)


@given(st.binary(max_size=60))
def test_symbols_round_trip(data: bytes) -> None:
    assert symbols_to_bytes("", bytes_to_symbols(data)) == data


@given(keys, st.data())
def test_any_changed_character_is_detected_and_located(key: PublicKey, data: st.DataObject) -> None:
    text = encode_address("tmst", key)
    position = data.draw(st.integers(5, len(text) - 1))
    other = data.draw(st.sampled_from(SYMBOLS.replace(text[position], "")))
    with pytest.raises(InvalidAddress) as caught:
        decode_address(text[:position] + other + text[position + 1 :], "tmst")
    assert caught.value.position == position
    assert f"character {position + 1}" in str(caught.value)


def test_every_change_of_one_character_is_refused() -> None:
    for position in range(len(ADDRESS)):
        for character in map(chr, range(256)):
            changed = ADDRESS[:position] + character + ADDRESS[position + 1 :]
            if changed.lower() != ADDRESS:
                with pytest.raises(InvalidAddress):
                    decode_address(changed, "dmst")


@given(keys, st.integers(0, 63), st.sampled_from(SYMBOLS + "1"))
def test_an_added_or_missing_character_is_refused(key: PublicKey, position: int, added: str) -> None:
    text = encode_address("dmst", key)
    for changed in (text[:position] + added + text[position:], text[:position] + text[position + 1 :]):
        with pytest.raises(InvalidAddress):
            decode_address(changed, "dmst")


@given(st.text(max_size=100))
def test_any_text_is_refused_narrowly(text: str) -> None:
    with pytest.raises(InvalidAddress):
        decode_address(text, None)


def test_mixed_case_is_refused_where_it_begins() -> None:
    with pytest.raises(InvalidAddress, match="upper and lower case") as caught:
        decode_address(ADDRESS[:20] + ADDRESS[20:].upper(), "dmst")
    assert caught.value.position is not None
    assert caught.value.position >= 20


def test_address_of_another_network_names_both_networks() -> None:
    with pytest.raises(AddressOfOtherNetwork, match=r"network devnet .* network main") as caught:
        decode_address(ADDRESS, "mst")
    assert (caught.value.found, caught.value.expected) == ("dmst", "mst")
    assert caught.value.code == "address-network"


def test_changed_prefix_is_a_bad_checksum() -> None:
    with pytest.raises(InvalidAddress, match="checksum"):
        decode_address("t" + ADDRESS[1:], None)


@pytest.mark.parametrize("version", [1, 31, 255])
def test_other_version_is_refused(version: int) -> None:
    text = encode_bech32m("dmst", bytes_to_symbols(bytes([version]) + KEY))
    with pytest.raises(InvalidAddress, match=f"version is {version}") as caught:
        decode_address(text, "dmst")
    assert caught.value.position == 5


@pytest.mark.parametrize("size", [0, 1, 20, 31, 33, 40])
def test_wrong_length_is_refused(size: int) -> None:
    text = encode_bech32m("dmst", bytes_to_symbols(bytes(1 + size)))
    with pytest.raises(InvalidAddress, match=f"holds {size} bytes"):
        decode_address(text, "dmst")


def test_address_without_payload_is_refused() -> None:
    with pytest.raises(InvalidAddress, match="version is missing"):
        decode_address(encode_bech32m("dmst", b""), "dmst")


def test_huge_text_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidAddress, match="the most is 90") as caught:
        decode_address("dmst1" + "q" * 10**6, "dmst")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(("prefix", "size"), [("dmst", 31), ("dmst", 33), ("bc", 32), ("DMST", 32)])
def test_encoding_nonsense_is_a_programming_error(prefix: str, size: int) -> None:
    with pytest.raises(ValueError, match="no address"):
        encode_address(prefix, PublicKey(bytes(size)))
