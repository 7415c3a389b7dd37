"""Derivation of ed25519 keys against every ed25519 vector of SLIP-0010."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.core.signing import SigningKey
from tangle.wallet.derivation import (
    DEPTH_MAX,
    derive_child,
    derive_master,
    derive_path,
    format_account_path,
    parse_path,
)
from tangle.wallet.errors import InvalidDerivationPath

VECTORS = [
    pytest.param(vector["seed"], node, id=f"{number}:{node['path']}")
    for number, vector in enumerate(
        json.loads((Path(__file__).parents[1] / "vectors" / "slip0010_ed25519.json").read_text())["vectors"],
        1,
    )
    for node in vector["nodes"]
]


@pytest.mark.parametrize(("seed", "node"), VECTORS)
def test_slip_0010_vector(seed: str, node: dict[str, str]) -> None:
    derived = derive_path(bytes.fromhex(seed), node["path"])
    assert derived.secret.hex() == node["private"]
    assert derived.chain_code.hex() == node["chain_code"]
    # The specification writes an ed25519 public key with a zero byte before it.
    assert "00" + SigningKey(derived.secret).public_key.hex() == node["public"]


def test_all_vectors_are_there() -> None:
    assert len(VECTORS) == 12


@given(st.lists(st.integers(0, 2**31 - 1), max_size=DEPTH_MAX))
def test_path_round_trip(indices: list[int]) -> None:
    assert parse_path("/".join(["m", *(f"{index}'" for index in indices)])) == tuple(indices)


def test_account_path() -> None:
    assert format_account_path(0) == "m/44'/1'/0'"
    assert format_account_path(7, coin_type=123) == "m/44'/123'/7'"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "begin with m"),
        ("44'/1'/0'", "begin with m"),
        ("M/44'", "begin with m"),
        ("m/", "not a number"),
        ("m/44'/1'/0", "not hardened"),
        ("m/44h", "not a number"),
        ("m/44''", "not a number"),
        ("m/-1'", "not a number"),
        ("m/+1'", "not a number"),
        ("m/1 '", "not a number"),
        ("m/\u0661'", "not a number"),
        ("m/1_0'", "not a number"),
        ("m/007'", "leading zeros"),
        ("m/2147483648'", "out of range"),
        ("m/99999999999999'", "not a number"),
        ("m" + "/1'" * (DEPTH_MAX + 1), "more than"),
        ("m" + "/2'" * 100_000, "more than"),
        ("x" * 100_000, "begin with m"),
    ],
    ids=lambda value: value[:20],
)
def test_bad_path_is_refused(path: str, reason: str) -> None:
    with pytest.raises(InvalidDerivationPath, match=reason) as caught:
        parse_path(path)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("account", [-1, 2**31])
def test_account_out_of_range_is_refused(account: int) -> None:
    with pytest.raises(InvalidDerivationPath):
        format_account_path(account)


@pytest.mark.parametrize("index", [-1, 2**31])
def test_child_index_carries_no_hardening_bit(index: int) -> None:
    with pytest.raises(ValueError, match="hardened index"):
        derive_child(derive_master(bytes(64)), index)


@pytest.mark.parametrize("size", [0, 15, 65])
def test_seed_of_wrong_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        derive_master(bytes(size))


def test_representation_hides_the_secret() -> None:
    node = derive_master(bytes(64))
    assert node.secret.hex() not in repr(node)
    assert repr(node.secret) not in repr(node)
