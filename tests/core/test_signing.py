"""Signatures: RFC 8032, purposes and chains kept apart, low-order keys and second forms refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from tangle.core.errors import InvalidSignature
from tangle.core.signing import SigningKey, compute_signing_message, verify_signature
from tangle.core.types import ChainId, PublicKey, Signature
from tests.core import oracles

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "core" / "signing.json").read_text())
KEY = SigningKey(bytes(range(32)))
CHAIN = ChainId(b"chain 1!")
PURPOSE = b"tangle/tx"


def read(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal)


@pytest.mark.parametrize("vector", VECTORS["rfc8032"], ids=lambda vector: vector["public_key"][:8])
def test_the_library_follows_rfc_8032(vector: dict[str, str]) -> None:
    public_key, secret = crypto_sign_seed_keypair(read(vector["seed"]))
    assert public_key == read(vector["public_key"]) == SigningKey(read(vector["seed"])).public_key
    assert crypto_sign(read(vector["message"]), secret)[:64] == read(vector["signature"])


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["message"])
def test_published_signatures(vector: dict[str, str]) -> None:
    purpose, chain, body = vector["purpose"].encode(), ChainId(read(vector["chain"])), read(vector["body"])
    key = SigningKey(read(vector["seed"]))
    assert compute_signing_message(purpose, chain, body) == read(vector["message"])
    assert key.sign(purpose, chain, body) == read(vector["signature"])
    verify_signature(purpose, chain, body, Signature(read(vector["signature"])), key.public_key)


LOW_ORDER = VECTORS["low_order_keys"]


@pytest.mark.parametrize("vector", LOW_ORDER["keys"], ids=lambda vector: vector["public_key"])
def test_low_order_keys_are_refused(vector: dict[str, Any]) -> None:
    purpose, chain = LOW_ORDER["purpose"].encode(), ChainId(read(LOW_ORDER["chain"]))
    key, body, signature = read(vector["public_key"]), read(vector["body"]), read(vector["signature"])
    # The bare equation S B = R + h A holds: only the rule about keys refuses.
    challenge = oracles.compute_challenge(signature[:32], key, compute_signing_message(purpose, chain, body))
    assert challenge % vector["order"] == 0
    scalar = int.from_bytes(signature[32:], "little")
    assert oracles.compress(oracles.multiply(scalar, oracles.BASE)) == signature[:32]
    with pytest.raises(InvalidSignature):
        verify_signature(purpose, chain, body, Signature(signature), PublicKey(key))


REFUSED = VECTORS["refused"]


@pytest.mark.parametrize("vector", REFUSED["cases"], ids=lambda vector: vector["name"])
def test_published_refusals(vector: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature) as caught:
        verify_signature(
            REFUSED["purpose"].encode(),
            ChainId(read(REFUSED["chain"])),
            read(REFUSED["body"]),
            Signature(read(vector["signature"])),
            PublicKey(read(vector["public_key"])),
        )
    assert caught.value.public_key == read(vector["public_key"])


@given(st.binary(max_size=100), st.integers(0, 63), st.integers(1, 255))
def test_any_change_is_refused(body: bytes, place: int, change: int) -> None:
    signature = KEY.sign(PURPOSE, CHAIN, body)
    verify_signature(PURPOSE, CHAIN, body, signature, KEY.public_key)
    changed = bytearray(signature)
    changed[place] ^= change
    other_key = SigningKey(bytes(32)).public_key
    for purpose, chain, text, mark, key in [
        (b"tangle/block", CHAIN, body, signature, KEY.public_key),
        (PURPOSE, ChainId(b"chain 2!"), body, signature, KEY.public_key),
        (PURPOSE, CHAIN, body + b"x", signature, KEY.public_key),
        (PURPOSE, CHAIN, body, Signature(bytes(changed)), KEY.public_key),
        (PURPOSE, CHAIN, body, signature, other_key),
    ]:
        with pytest.raises(InvalidSignature):
            verify_signature(purpose, chain, text, mark, key)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_keys_of_another_length_are_refused(size: int) -> None:
    with pytest.raises(InvalidSignature):
        verify_signature(PURPOSE, CHAIN, b"", KEY.sign(PURPOSE, CHAIN, b""), PublicKey(bytes(size)))


@pytest.mark.parametrize("size", [0, 63, 65])
def test_signatures_of_another_length_are_refused(size: int) -> None:
    signature = (KEY.sign(PURPOSE, CHAIN, b"") + b"\x00")[:size]
    with pytest.raises(InvalidSignature):
        verify_signature(PURPOSE, CHAIN, b"", Signature(signature), KEY.public_key)


def test_a_key_does_not_show_its_secret() -> None:
    seed = bytes(range(32))
    assert seed.hex() not in repr(SigningKey(seed))
    assert not hasattr(SigningKey(seed), "__dict__")
