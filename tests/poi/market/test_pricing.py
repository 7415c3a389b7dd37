"""Units and prices are exact functions of the work and of what was sold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from poi.market.limits import DEVNET_RULES, PRICE_STEPS_MAX, UNIT_PRICE_MAX
from poi.market.pricing import (
    compute_bond,
    compute_unit_price,
    compute_units,
    count_generation,
    move_price,
)
from poi.market.problems import Packing, Points, encode_problem
from poi.market.records import Inference, KindPrice, Optimisation, ProgramEntry, Training, Transformation
from poi.presets import DIGITS
from tangle.core.encoding import encode
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds
from tests.poi.market.builders import CUSTOMER, DATA, INPUTS, PACKAGE, PROGRAM, RULES, SOURCES

ENTRY = ProgramEntry(
    PROGRAM,
    CUSTOMER,
    Grains(1),
    macs=60_000,
    steps=5_536,
    bytes_moved=4_096,
    package=PACKAGE,
    since=CheckpointIndex(1),
    end_ms=Milliseconds(9),
    confirmed=1,
    votes=(),
)


@pytest.mark.parametrize(
    ("rows", "level", "units"), [(1, 2, 2), (10, 2, 20), (10, 3, 22), (1, 3, 3), (11, 3, 25)]
)
def test_units_of_a_run(rows: int, level: int, units: int) -> None:
    """65,536 steps and 4,096 bytes a row are two units; V3 adds a tenth, rounded up."""
    assert compute_units(Inference(PROGRAM, INPUTS, rows, level, SOURCES), ENTRY) == units
    assert compute_units(Transformation(PROGRAM, INPUTS, rows, level, SOURCES), ENTRY) == units


def test_parts_of_units_are_rounded_up_over_the_whole_job() -> None:
    small = replace(ENTRY, macs=1, steps=0, bytes_moved=1)
    assert compute_units(Inference(PROGRAM, INPUTS, 1_000, 2, SOURCES), small) == 2
    free = replace(ENTRY, macs=0, steps=0, bytes_moved=0)
    assert compute_units(Inference(PROGRAM, INPUTS, 1_000, 2, SOURCES), free) == 1


def test_units_of_the_other_kinds() -> None:
    points = encode_problem(Points(tuple((place, 0) for place in range(300))))
    assert compute_units(Optimisation(points), None) == 2 + 1
    assert compute_units(Optimisation(encode_problem(Packing(5, (1,)))), None) == 2
    evaluations = DIGITS.make_shape().multiply_accumulates * DIGITS.population
    kept = 4 * DIGITS.make_shape().layers.weight_count
    assert count_generation(DIGITS) == -(-evaluations // 65_536) + -(-kept // 4_096)
    assert compute_units(Training(encode(DIGITS), 7, DATA), None) == 7 * count_generation(DIGITS)


@pytest.mark.parametrize(
    ("units", "price"), [(100, 800), (0, 700), (50, 750), (150, 850), (200, 900), (10_000, 900), (101, 801)]
)
def test_one_interval(units: int, price: int) -> None:
    """Target 100, denominator 8: an eighth up or down at most."""
    assert compute_unit_price(800, units, RULES) == price


def test_the_least_price_leaves_the_floor() -> None:
    assert compute_unit_price(10, 101, RULES) == 11
    assert compute_unit_price(10, 100, RULES) == 10


@given(st.integers(10, UNIT_PRICE_MAX), st.integers(0, 2**40))
def test_a_price_stays_in_its_range_and_moves_with_demand(price: int, units: int) -> None:
    moved = compute_unit_price(price, units, RULES)
    assert RULES.price_floor <= moved <= UNIT_PRICE_MAX
    assert (moved >= price) if units >= RULES.units_target else (moved <= price)


def test_no_price_moves_within_an_interval_and_several_are_taken_at_once() -> None:
    kind = KindPrice(Grains(800), Milliseconds(1_000), 450)
    assert move_price(kind, Milliseconds(1_999), RULES) == kind
    assert move_price(kind, Milliseconds(500), RULES) == kind
    expected = compute_unit_price(compute_unit_price(800, 225, RULES), 225, RULES)
    assert move_price(kind, Milliseconds(3_500), RULES) == KindPrice(expected, Milliseconds(3_000), 0)


def test_a_long_silence_takes_a_limited_number_of_steps() -> None:
    rules = replace(RULES, price_floor=Grains(1))
    price = 10**10
    for _ in range(PRICE_STEPS_MAX):
        price = compute_unit_price(price, 0, rules)
    kind = KindPrice(Grains(10**10), Milliseconds(0), 0)
    assert move_price(kind, Milliseconds(10**9), rules).price == price > 1


def test_a_bond_is_rounded_up() -> None:
    assert compute_bond(7, replace(DEVNET_RULES, bond_share=1_500_000)) == 11
    assert compute_bond(1, replace(DEVNET_RULES, bond_share=1)) == 1


def test_an_id_of_a_program_is_no_part_of_the_price() -> None:
    other = replace(ENTRY, program=Digest(b"o" * 32))
    task = Inference(PROGRAM, INPUTS, 3, 2, SOURCES)
    assert compute_units(task, other) == compute_units(task, ENTRY)
