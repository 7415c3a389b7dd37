"""Accounts, effects and the ledger's state: their bytes, and what the digest covers."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from poi.market.records import MarketHead
from shards.checkpoints import SHARDS_MAX
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.hashing import compute_home_shard
from tangle.core.parameters import MINIMAL
from tangle.core.types import INTEGER_MAX, Digest, Grains, Sequence, Shard, TransactionId
from tangle.ledger.accounts import (
    EMPTY_ACCOUNT,
    Account,
    decode_account,
    encode_account,
    encode_account_entry,
)
from tangle.ledger.effects import (
    EFFECT_SIZE_MAX,
    AccountChange,
    Effect,
    Status,
    compute_effect_digest,
    decode_effect,
    encode_effect,
)
from tangle.ledger.state import (
    LEDGER_STATE_SIZE_MAX,
    LedgerState,
    compute_state_digest,
    decode_ledger_state,
    encode_ledger_state,
    link_checkpoint,
    make_genesis_state,
)
from tests.drawing.subdag import GENESIS_ID, get_account, make_transaction
from tests.ledger.builders import Ledger, make_genesis

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "ledger" / "effects.json").read_text())

numbers = st.integers(0, INTEGER_MAX)
accounts = st.builds(Account, numbers.map(Grains), numbers.map(Sequence), numbers.map(Grains))


def make_effect(vector: dict[str, Any]) -> Effect:
    changes = tuple(
        AccountChange(bytes.fromhex(key), *values)  # type: ignore[arg-type] # NewTypes over what JSON holds
        for key, *values in vector["changes"]
    )
    return Effect(
        transaction=TransactionId(bytes.fromhex(vector["transaction"])),
        status=Status(vector["status"]),
        fee=Grains(vector["fee"]),
        work_counted=vector["work_counted"],
        changes=changes,
        figures=tuple(vector["figures"]),
    )


@pytest.mark.parametrize("vector", VECTORS["effects"], ids=lambda vector: vector["name"])
def test_published_effects(vector: dict[str, Any]) -> None:
    effect = make_effect(vector)
    assert encode_effect(effect).hex() == vector["encoded"]
    assert decode_effect(bytes.fromhex(vector["encoded"])) == effect
    assert compute_effect_digest(effect).hex() == vector["digest"]


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_published_refusals(vector: dict[str, Any]) -> None:
    with pytest.raises(MalformedEncoding):
        decode_effect(bytes.fromhex(vector["encoded"]))


@pytest.mark.parametrize("vector", VECTORS["accounts"], ids=lambda vector: vector["encoded"])
def test_published_accounts(vector: dict[str, Any]) -> None:
    account = Account(*vector["account"])
    assert encode_account(account).hex() == vector["encoded"]
    assert decode_account(bytes.fromhex(vector["encoded"])) == account


@given(accounts)
def test_accounts_round_trip(account: Account) -> None:
    assert decode_account(encode_account(account)) == account


@pytest.mark.parametrize("data", [b"", bytes(23), bytes(25), b"\xff" * 24, bytes(16) + b"\x80" + bytes(7)])
def test_other_bytes_are_no_account(data: bytes) -> None:
    with pytest.raises(MalformedEncoding):
        decode_account(data)


def test_an_entry_is_key_and_value() -> None:
    key = get_account("alice")
    account = Account(Grains(7), Sequence(2), Grains(1))
    assert encode_account_entry(key, account) == key + encode_account(account)
    assert encode_account(EMPTY_ACCOUNT) == bytes(24)


def test_the_longest_effect_fits() -> None:
    change = AccountChange(get_account("a"), Grains(INTEGER_MAX), Sequence(INTEGER_MAX), Grains(INTEGER_MAX))
    largest = Effect(
        TransactionId(bytes(32)), Status.FUNDS, Grains(INTEGER_MAX), 1, (change,) * 4, (INTEGER_MAX,) * 2
    )
    assert len(encode_effect(largest)) <= EFFECT_SIZE_MAX
    with pytest.raises(OversizeEncoding):
        decode_effect(bytes(EFFECT_SIZE_MAX + 1))


def test_the_state_round_trips_and_fits() -> None:
    state = Ledger({"alice": 10**9}).state
    assert decode_ledger_state(encode_ledger_state(state)) == state
    largest = replace(
        state,
        **{f.name: INTEGER_MAX for f in fields(LedgerState) if isinstance(getattr(state, f.name), int)},
        supply=replace(state.supply, **{f.name: INTEGER_MAX for f in fields(state.supply)}),
        **dict.fromkeys(("sent", "acknowledged", "received"), (INTEGER_MAX,) * SHARDS_MAX),
    )
    assert len(encode_ledger_state(largest)) <= LEDGER_STATE_SIZE_MAX
    with pytest.raises(MalformedEncoding):
        decode_ledger_state(encode_ledger_state(state) + b"\x00")


def test_the_digest_covers_every_field_but_its_own_past() -> None:
    state = Ledger({"alice": 10**9}).state
    digest = compute_state_digest(state)
    assert compute_state_digest(link_checkpoint(state, Digest(b"x" * 32))) == digest
    assert link_checkpoint(state, Digest(b"x" * 32)).previous == b"x" * 32
    seen = {digest}
    for field in fields(LedgerState):
        value = getattr(state, field.name)
        if field.name == "previous":
            continue
        if isinstance(value, int):
            other: Any = value + 1
        elif isinstance(value, bytes):
            other = bytes([value[0] ^ 1]) + value[1:]
        elif isinstance(value, tuple):
            other = (1, *value)
        else:
            change = {"opened": 1} if isinstance(value, MarketHead) else {"escrow": 1}
            other = replace(value, **change)
        seen.add(compute_state_digest(replace(state, **{field.name: other})))
    assert len(seen) == len(fields(LedgerState))


@given(st.permutations(range(6)), st.data())
def test_the_digest_does_not_depend_on_the_order_of_changes(order: list[int], data: st.DataObject) -> None:
    balances = {f"a{number}": 10**9 for number in range(6)}
    transactions = [
        make_transaction([GENESIS_ID], name=str(number), issuer=f"a{number}", recipient=f"b{number % 2}")
        for number in range(6)
    ]
    together, apart = Ledger(balances), Ledger(balances)
    together.run(transactions)
    cut = data.draw(st.integers(0, 6))
    apart.run([transactions[number] for number in order[:cut]])
    apart.run([transactions[number] for number in order[cut:]])
    # The split of fees rounds per checkpoint, so only accounts that no fee reaches must agree with two of
    # them.
    assert together.get("b0") == apart.get("b0")
    assert apart.state.accounts == apart.compute_accounts_sum()
    once = Ledger(balances)
    once.run([transactions[number] for number in order])
    assert once.state.accounts == together.state.accounts
    assert compute_state_digest(once.state) == compute_state_digest(together.state)


def test_an_emptied_account_leaves_the_digest() -> None:
    ledger = Ledger({"alice": 10**9})
    key = get_account("alice")
    assert ledger.state.accounts == ledger.compute_accounts_sum() != Ledger({}).state.accounts
    ledger.accounts[key] = EMPTY_ACCOUNT
    assert ledger.compute_accounts_sum() == Ledger({}).state.accounts


def test_genesis_accounts_live_in_their_home_shards() -> None:
    balances = {f"a{number}": number for number in range(40)}
    genesis = make_genesis(balances, replace(MINIMAL, shard_bits=2))
    shards = [make_genesis_state(genesis, Shard(shard)) for shard in range(4)]
    assert sum(state.supply.genesis for state, _ in shards) == sum(balances.values())
    for shard, (state, held) in enumerate(shards):
        assert held
        assert all(compute_home_shard(key, 2) == shard for key in held)
        assert state.supply.balances == sum(account.balance for account in held.values())
    assert sum(len(held) for _, held in shards) == len(balances)
