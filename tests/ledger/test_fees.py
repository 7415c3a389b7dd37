"""Price, difficulty, fee split and emission: published steps, boundaries and long runs."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tangle.core.parameters import DEVNET, MAIN, MINIMAL, Parameters
from tangle.core.types import INTEGER_MAX, Grains, Milliseconds
from tangle.ledger.fees import (
    EPOCH_STEPS_MAX,
    PRICE_MAX,
    PRICE_STEPS_MAX,
    Market,
    compute_difficulty,
    compute_market,
    compute_price,
    compute_weight,
    decay_emission,
    pay_emission,
    split_fees,
)
from tests.drawing.subdag import get_account
from tests.ledger.builders import START_MS, Ledger

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "ledger" / "fees.json").read_text())

TARGET = MINIMAL.weight_target
INTERVAL = MINIMAL.price_interval_ms


def make_parameters(vector: dict[str, Any]) -> Parameters:
    return replace(MINIMAL, **vector["parameters"])


@pytest.mark.parametrize("vector", VECTORS["prices"], ids=lambda vector: vector["name"])
def test_published_price_steps(vector: dict[str, Any]) -> None:
    parameters = make_parameters(vector)
    price = vector["price"]
    prices = []
    for weight in vector["weights"]:
        price = compute_price(price, weight, parameters)
        prices.append(price)
    assert prices == vector["prices"]


@pytest.mark.parametrize("vector", VECTORS["difficulties"], ids=lambda vector: vector["name"])
def test_published_difficulty_steps(vector: dict[str, Any]) -> None:
    parameters = make_parameters(vector)
    difficulty = vector["difficulty"]
    difficulties = []
    for weight in vector["weights"]:
        difficulty = compute_difficulty(difficulty, weight, parameters)
        difficulties.append(difficulty)
    assert difficulties == vector["difficulties"]


@pytest.mark.parametrize("vector", VECTORS["splits"], ids=lambda vector: vector["name"])
def test_published_splits(vector: dict[str, Any]) -> None:
    split = split_fees(vector["total"], make_parameters(vector))
    assert (split.burned, split.fund, split.leader) == (vector["burned"], vector["fund"], vector["leader"])


@pytest.mark.parametrize("vector", VECTORS["decays"], ids=lambda vector: vector["name"])
def test_published_decays(vector: dict[str, Any]) -> None:
    parameters = make_parameters(vector)
    for epochs, emission in vector["after_epochs"]:
        assert decay_emission(vector["emission"], epochs, parameters) == emission


@pytest.mark.parametrize("vector", VECTORS["markets"], ids=lambda vector: vector["name"])
def test_published_markets(vector: dict[str, Any]) -> None:
    parameters = make_parameters(vector)
    market = Market(*vector["market"])
    for weight, timestamp_ms, expected in vector["checkpoints"]:
        market = compute_market(market, weight, timestamp_ms, parameters)
        assert [market.price, market.difficulty, market.window_start_ms, market.window_weight] == expected


@given(st.integers(1, PRICE_MAX), st.integers(0, 10**12), st.sampled_from([DEVNET, MAIN, MINIMAL]))
def test_a_step_is_bounded_and_goes_the_right_way(price: int, weight: int, parameters: Parameters) -> None:
    price = max(price, parameters.price_floor)
    after = compute_price(price, weight, parameters)
    part = Fraction(price, parameters.price_change_denominator)
    assert price - part <= after <= price + max(Fraction(1), part)
    assert parameters.price_floor <= after <= PRICE_MAX
    if weight > parameters.weight_target:
        assert after > price or price == PRICE_MAX
    else:
        assert after <= price


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_million_steps_never_go_below_the_floor() -> None:
    price, state = int(MINIMAL.price_floor), 1
    highest = 0
    for step in range(1_000_000):
        state = state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407 & 2**64 - 1
        load = (state >> 33) % (3 * TARGET) if step // 1_000 % 2 else (state >> 33) % TARGET
        price = compute_price(price, load, MINIMAL)
        assert price >= MINIMAL.price_floor
        highest = max(highest, price)
    assert highest > 100 * MINIMAL.price_floor


@given(st.integers(0, INTEGER_MAX), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_split_loses_nothing(total: int, burn: int, fund: int) -> None:
    parameters = replace(MINIMAL, burn_share=burn, fund_share=min(fund, 10**6 - burn))
    split = split_fees(total, parameters)
    assert split.burned + split.fund + split.leader == total
    assert min(split.burned, split.fund, split.leader) >= 0


@given(
    st.integers(0, 10**12),
    st.dictionaries(st.binary(min_size=32, max_size=32), st.integers(1, 1_000), max_size=6),
)
def test_emission_pays_equal_shares_and_nothing_else(emission: int, evaluations: dict[Any, int]) -> None:
    paid = pay_emission(emission, evaluations, 0)
    count = sum(evaluations.values())
    share = emission // count if count else 0
    assert {worker: amount for worker, amount in paid.items() if amount} == paid
    assert all(paid.get(worker, 0) == share * number for worker, number in evaluations.items())
    assert emission - count < sum(paid.values()) <= emission or not share


def test_emission_ends_where_supply_would_leave_its_range() -> None:
    worker = get_account("worker")
    assert pay_emission(100, {worker: 1}, INTEGER_MAX - 30) == {worker: 30}
    assert pay_emission(100, {worker: 1}, INTEGER_MAX) == {}


def test_decay_reaches_zero_and_is_bounded_per_checkpoint() -> None:
    parameters = replace(MINIMAL, emission_decay=2**31)
    assert decay_emission(2**40, 41, parameters) == 0
    slow = replace(MINIMAL, emission_decay=1_176_000)
    assert decay_emission(10**12, 10**9, slow) == decay_emission(10**12, EPOCH_STEPS_MAX, slow)


def test_weight_counts_bytes_operation_and_work() -> None:
    parameters = replace(MINIMAL, operation_weight=100, macs_per_weight=1_024)
    assert compute_weight(400, 1_023, parameters) == 500
    assert compute_weight(400, 1_024, parameters) == 501


def test_the_price_moves_at_the_first_checkpoint_after_an_interval() -> None:
    ledger = Ledger({}).at_price(1_000)
    ledger.run([], after_ms=INTERVAL - 1)
    assert ledger.state.price == 1_000
    ledger.run([], after_ms=1)
    assert ledger.state.price == 875
    assert ledger.state.window_start_ms == START_MS + INTERVAL
    ledger.run([], after_ms=2 * INTERVAL + 5)
    assert ledger.state.price == 875 - 109 - 95
    assert ledger.state.window_start_ms == START_MS + 3 * INTERVAL


def test_a_long_silence_takes_a_bounded_number_of_steps() -> None:
    market = Market(Grains(PRICE_MAX), 4, Milliseconds(0), 0)
    silent = compute_market(market, 0, INTERVAL * 10**12, MINIMAL)
    expected = PRICE_MAX
    for _ in range(PRICE_STEPS_MAX):
        expected = compute_price(expected, 0, MINIMAL)
    assert (silent.price, silent.difficulty) == (expected, 1)
    assert silent.window_start_ms == INTERVAL * 10**12


def test_emission_decays_when_commit_time_enters_an_epoch() -> None:
    ledger = Ledger({})
    first = MINIMAL.emission_per_generation
    ledger.run([], after_ms=MINIMAL.epoch_ms - 1)
    assert (ledger.state.epoch, ledger.state.emission) == (0, first)
    ledger.run([], after_ms=1)
    second = first * (2**32 - MINIMAL.emission_decay) >> 32
    assert (ledger.state.epoch, ledger.state.emission) == (1, second)
    ledger.run([], after_ms=3 * MINIMAL.epoch_ms)
    assert ledger.state.epoch == 4
    assert ledger.state.emission == decay_emission(second, 3, MINIMAL)


def test_commit_time_never_goes_back() -> None:
    ledger = Ledger({})
    ledger.run([], after_ms=3 * MINIMAL.epoch_ms)
    before = ledger.state
    ledger.run([], after_ms=-2 * MINIMAL.epoch_ms)
    assert (ledger.state.timestamp_ms, ledger.state.epoch) == (before.timestamp_ms, before.epoch)
    assert ledger.state.emission == before.emission
