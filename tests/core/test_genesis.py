"""Parameters and genesis: presets, every relation, and what names a chain."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields, replace

from tangle.core.encoding import encode
from tangle.core.errors import InvalidParameters, MalformedEncoding, OversizeEncoding, UnsupportedVersion
from tangle.core.genesis import (
    GENESIS_SIZE_MAX,
    VALIDATORS_MAX,
    Allocation,
    BoardEntry,
    Genesis,
    Validator,
    compute_chain_id,
    compute_genesis_hash,
    compute_shard_genesis_id,
    decode_genesis,
    encode_genesis,
)
from tangle.core.parameters import DEVNET, MINIMAL, PRESETS, Parameters, check_parameters
from tangle.core.staking_rules import StakingRules
from tangle.core.types import INTEGER_MAX, Grains, Milliseconds, PublicKey, Shard

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "core" / "genesis.json").read_text())


def make_key(number: int) -> PublicKey:
    return PublicKey(number.to_bytes(32, "big"))


GENESIS = Genesis(
    version=1,
    name=VECTOR["name"].encode(),
    timestamp_ms=Milliseconds(VECTOR["timestamp_ms"]),
    parameters=PRESETS[VECTOR["preset"]],
    validators=tuple(
        Validator(PublicKey(bytes.fromhex(key)), weight) for key, weight in VECTOR["validators"]
    ),
    allocations=tuple(
        Allocation(PublicKey(bytes.fromhex(key)), amount) for key, amount in VECTOR["allocations"]
    ),
    board=tuple(BoardEntry(budget, bytes.fromhex(job)) for budget, job in VECTOR["board"]),
)


def test_the_published_genesis() -> None:
    assert encode_genesis(GENESIS).hex() == VECTOR["encoded"]
    assert decode_genesis(bytes.fromhex(VECTOR["encoded"])) == GENESIS
    assert compute_genesis_hash(GENESIS).hex() == VECTOR["hash"]
    chain = compute_chain_id(GENESIS)
    assert chain.hex() == VECTOR["chain"]
    ids = [compute_shard_genesis_id(chain, Shard(shard)).hex() for shard in range(4)]
    assert ids == VECTOR["shard_genesis_ids"]


def test_every_parameter_changes_the_chain() -> None:
    chains = {compute_chain_id(GENESIS)}
    for field in fields(Parameters):
        value = getattr(DEVNET, field.name)
        if isinstance(value, StakingRules):
            continue
        other = value + b"x" if isinstance(value, bytes) else value + 1
        chains.add(compute_chain_id(replace(GENESIS, parameters=replace(DEVNET, **{field.name: other}))))
    for field in fields(StakingRules):
        changed = {field.name: getattr(DEVNET.staking, field.name) + 1}
        parameters = replace(DEVNET, staking=replace(DEVNET.staking, **changed))
        chains.add(compute_chain_id(replace(GENESIS, parameters=parameters)))
    assert len(chains) == len(fields(Parameters)) + len(fields(StakingRules))


@pytest.mark.parametrize(
    "changes",
    [
        {"stake_min": 0},
        {"candidates_max": 0},
        {"committee_max": 0},
        {"committee_max": 257},
        {"unbonding_epochs": 0},
        {"work_decay": 1_000_001},
        {"work_bonus": 1_000_001},
        {"slash_share": 1_000_001},
        {"refuted_share": 1_000_001},
    ],
    ids=str,
)
def test_rules_of_staking_that_cannot_work_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(InvalidParameters):
        check_parameters(replace(MINIMAL, staking=replace(MINIMAL.staking, **changes)))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_consistent(name: str) -> None:
    check_parameters(PRESETS[name])


@pytest.mark.parametrize(
    "changes",
    [
        {"address_prefix": b""},
        {"address_prefix": b"Mst"},
        {"address_prefix": b"m1"},
        {"shard_bits": 9},
        {"anchor_gap": 0, "lazy_oldest_gap": 0},
        {"expiry_gap": 0},
        {"lazy_oldest_gap": MINIMAL.anchor_gap + 1},
        {"leaders_per_round": 0},
        {"commit_depth": 3},
        {"tips_per_block": 0},
        {"attestations_per_block": 0},
        {"price_floor": 0},
        {"weight_target": 0},
        {"price_change_denominator": 0},
        {"price_interval_ms": 0},
        {"epoch_ms": 0},
        {"checkpoint_interval_ms": 0},
        {"difficulty_max": 0},
        {"difficulty_max": 17},
        {"macs_per_weight": 0},
        {"burn_share": 600_000, "fund_share": 400_001},
        {"emission_decay": 2**32},
    ],
    ids=str,
)
def test_each_relation_is_required(changes: dict[str, Any]) -> None:
    parameters = replace(MINIMAL, **changes)
    with pytest.raises(InvalidParameters):
        check_parameters(parameters)
    with pytest.raises(InvalidParameters):
        decode_genesis(encode_genesis(replace(GENESIS, parameters=parameters)))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"version": 2}, UnsupportedVersion),
        ({"name": b""}, MalformedEncoding),
        ({"name": b"x" * 33}, MalformedEncoding),
        ({"name": b"caf\xc3\xa9"}, InvalidParameters),
        ({"name": b"two\nlines"}, InvalidParameters),
        ({"validators": ()}, MalformedEncoding),
        ({"validators": (Validator(make_key(1), 0),)}, MalformedEncoding),
        ({"validators": (Validator(make_key(1), 1), Validator(make_key(1), 2))}, InvalidParameters),
        ({"allocations": (Allocation(make_key(1), Grains(1)),) * 2}, InvalidParameters),
        (
            {
                "allocations": (
                    Allocation(make_key(1), Grains(INTEGER_MAX)),
                    Allocation(make_key(2), Grains(1)),
                )
            },
            InvalidParameters,
        ),
        ({"board": ()}, MalformedEncoding),
        ({"board": (BoardEntry(0, b""),)}, MalformedEncoding),
        ({"board": (BoardEntry(1, b"job"), BoardEntry(2, b"job"))}, InvalidParameters),
        ({"timestamp_ms": -1}, MalformedEncoding),
    ],
    ids=str,
)
def test_contradictions_are_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_genesis(encode(replace(GENESIS, **changes)))


def test_the_committee_and_the_document_are_bounded() -> None:
    validators = tuple(Validator(make_key(number), 1) for number in range(VALIDATORS_MAX + 1))
    largest = replace(GENESIS, validators=validators[:-1])
    assert decode_genesis(encode_genesis(largest)) == largest
    with pytest.raises(MalformedEncoding):
        decode_genesis(encode_genesis(replace(GENESIS, validators=validators)))
    with pytest.raises(OversizeEncoding):
        decode_genesis(bytes(GENESIS_SIZE_MAX + 1))
