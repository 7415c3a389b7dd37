"""Amounts: what people write, and that nothing is rounded on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.cli.amounts import format_amount, parse_amount
from tangle.cli.errors import InvalidAmount
from tangle.core.types import INTEGER_MAX


@pytest.mark.parametrize(
    ("text", "grains"),
    [
        ("1.5", 1_500_000_000),
        ("1", 1_000_000_000),
        (" 1.5 MST ", 1_500_000_000),
        ("0.000000001", 1),
        ("1.5000000000000", 1_500_000_000),
        ("1500000000grains", 1_500_000_000),
        ("1 grain", 1),
        ("9223372036.854775807", INTEGER_MAX),
        ("007", 7_000_000_000),
    ],
)
def test_amounts_that_are_read(text: str, grains: int) -> None:
    assert parse_amount(text) == grains


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "0",
            "0grains",
            "1.5grains",
            ".5",
            "1.",
            "1.0000000001",
            "nan",
            "1 BTC",
        ),
        *("9223372036.854775808", "9223372036854775808grains", "9" * 5_000, "1_000", "\u0661", "0x10", "inf"),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_texts_that_are_no_amount(text: str) -> None:
    with pytest.raises(InvalidAmount, match="is no amount"):
        parse_amount(text)


@given(st.integers(1, INTEGER_MAX))
def test_what_is_printed_is_read_back(grains: int) -> None:
    assert parse_amount(format_amount(grains)) == grains
    assert parse_amount(f"{grains}grains") == grains


def test_printed_amounts_have_no_trailing_zeros() -> None:
    assert [format_amount(grains) for grains in (0, 1, 10**9, 15 * 10**8)] == [
        "0 MST",
        "0.000000001 MST",
        "1 MST",
        "1.5 MST",
    ]
