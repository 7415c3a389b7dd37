"""From texts to numbers: ranges, choices, gaps, and which rows are held out."""

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poi.tables.errors import InvalidTable
from poi.tables.recipe import (
    ChoiceColumn,
    NumberColumn,
    TableRecipe,
    compute_rows,
    decode_recipe,
    encode_recipe,
    parse_number,
)
from tests.poi.tables.builders import FLOWERS, prepare


def make_rows(*fields: str, repeat: int = 15) -> str:
    """``repeat`` times all of these lines under ``a,b,kind``, with alternating labels."""
    lines = [f"{field},{'xy'[place % 2]}" for place, field in enumerate(fields * repeat)]
    return "a,b,kind\n" + "\n".join(lines) + "\n"


def test_numbers_choices_and_gaps_become_inputs() -> None:
    prepared = prepare(FLOWERS)
    width, height, colour = prepared.recipe.columns
    assert isinstance(width, NumberColumn)
    assert isinstance(height, NumberColumn)
    assert colour == ChoiceColumn(b"colour", (b"blue", b"red"))
    assert (width.gaps, height.gaps) == (0, 0)
    assert prepared.recipe.labels == (b"tall", b"wide")
    assert prepared.training.rows.shape == (96, 5)
    assert prepared.training.rows.max() == 127
    assert set(prepared.training.rows[:, -1]) == {127}
    assert set(map(tuple, prepared.training.rows[:, 2:4])) == {(0, 0), (0, 127), (127, 0)}


def test_a_gap_is_the_middle_number_and_says_so() -> None:
    prepared = prepare(make_rows("1,0", "3,1", "NA,0", "9,1"))
    column = prepared.recipe.columns[0]
    assert column == NumberColumn(b"a", b"1.0", b"9.0", b"3.0", 1)
    rows = compute_rows(prepared.recipe, [["?", "1", "100", "-5"], ["0", "1", "0", "1"]])
    assert rows[:, :2].tolist() == [[32, 127], [0, 0], [127, 0], [0, 0]]


def test_an_unknown_text_lights_no_choice() -> None:
    recipe = TableRecipe((ChoiceColumn(b"a", (b"x", b"y")),), b"kind", (b"0", b"1"))
    assert compute_rows(recipe, [["x", "never seen", ""]]).tolist() == [
        [127, 0, 127],
        [0, 0, 127],
        [0, 0, 127],
    ]


def test_a_text_among_numbers_of_a_recipe_is_refused() -> None:
    recipe = prepare(FLOWERS).recipe
    with pytest.raises(InvalidTable, match="column 'width' holds numbers, and 'wide' is none"):
        compute_rows(recipe, [["wide"], ["3"], ["red"]])


def test_columns_that_say_nothing_are_left_out() -> None:
    prepared = prepare(make_rows("1,same", "2,same", "3,same"))
    assert [column.name for column in prepared.recipe.columns] == [b"a"]
    assert prepared.recipe.width == 2


def test_one_in_five_of_each_class_is_held_out_whatever_the_order_of_the_file() -> None:
    header, *lines = FLOWERS.splitlines()
    prepared = prepare(FLOWERS)
    turned = prepare("\n".join([header, *reversed(lines)]))
    assert np.bincount(prepared.holdout.labels).tolist() == [12, 12]
    assert np.bincount(prepared.training.labels).tolist() == [48, 48]
    for part, other in ((prepared.training, turned.training), (prepared.holdout, turned.holdout)):
        assert sorted(map(bytes, part.rows)) == sorted(map(bytes, other.rows))


def test_the_rows_of_a_table_never_change() -> None:
    """Who prepares a table again must come to the same roots; so the bytes are pinned."""
    prepared = prepare(FLOWERS)
    digest = blake2b(digest_size=8)
    for part in (prepared.training, prepared.holdout):
        digest.update(part.rows.tobytes() + part.labels.tobytes())
    assert digest.hexdigest() == PINNED


PINNED = "1b7d9e69d7db65d6"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (make_rows("1,2", repeat=19), "19 rows; at least 20"),
        ("a,kind\n" + "1,x\n2,x\n" * 20, "one value only"),
        (
            "a,kind\n" + "".join(f"1,{place}\n" * 2 for place in range(65)),
            "65 different values; a label",
        ),
        ("a,kind\n" + "1,x\n2,y\n" * 20 + "1,z\n", "label 'z' stands on one row only"),
        ("a,kind\n" + "1,x\n1,y\n" * 20, "no column but the label"),
        ("a,kind\n" + "?,x\n,y\n" * 20, "no column but the label"),
        ("a,kind\n" + "".join(f"name {place},{'xy'[place % 2]}\n" for place in range(99)), "different texts"),
        ("a,kind\n" + "1,x\n1e999,y\n" * 20, "'1e999' is no number that can be reckoned with"),
        ("a,kind\n" + "1,x\n-inf,y\n" * 20, "'-inf' is no number"),
        ("a,kind\n" + "p\x1b[2J,x\nq,y\n" * 20, "cannot be shown"),
        ("a,kind\n" + "1,\x07\n2,y\n" * 20, "cannot be shown"),
        ("a,kind\n" + f"{'p' * 257},x\nq,y\n" * 20, "a text of 257 bytes"),
    ],
)
def test_tables_without_a_lesson_are_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidTable) as refused:
        prepare(text)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_recipes_have_one_encoding() -> None:
    recipe = prepare(FLOWERS).recipe
    assert decode_recipe(encode_recipe(recipe)) == recipe


def test_too_many_names_are_refused() -> None:
    columns = tuple(
        ChoiceColumn(b"%d" % place, tuple(b"%0200d" % each for each in range(32))) for place in range(11)
    )
    with pytest.raises(InvalidTable, match="the names in it take"):
        encode_recipe(TableRecipe(columns, b"kind", (b"x", b"y")))


@pytest.mark.parametrize(("field", "value"), [("1_000", None), ("1.5e3", 1500.0), ("0x10", None)])
def test_numbers_are_what_everybody_calls_a_number(field: str, value: float | None) -> None:
    assert parse_number(field) == value


numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


@given(st.lists(numbers, min_size=4, max_size=40, unique=True))
def test_any_numbers_are_stretched_to_seven_bits(values: list[float]) -> None:
    text = "a,kind\n" + "".join(f"{value!r},{'xy'[place % 2]}\n" for place, value in enumerate(values * 6))
    rows = prepare(text).training.rows
    assert rows.shape[1] == 2
    assert rows[:, 0].max() <= 127
