"""How a table's fields become a model's inputs, as a record that goes along with the data.

Whoever wants an answer from the model for a new row needs the same recipe. A number is stretched from ``low
... high`` to 0 ... 127 and clipped; a text becomes one input for each choice, 127 for the one that it is. A
gap becomes the column's usual number, with an input beside it that says so; a text that is none of the
choices lights none of them. The last input is always 127, because layers have no biases.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from aivm.batch import Rows
from aivm.layered import ACTIVATION_MAX
from poi.tables.errors import InvalidTable
from poi.tables.reading import NAME_SIZE_MAX, TABLE_COLUMNS_MAX
from poi.training import RECIPE_SIZE_MAX
from tangle.core.encoding import decode, encode

CHOICES_MAX: Final = 32
"""Most texts of one column: each is an input; more are names or prose, learnt by heart at best."""

LABELS_MAX: Final = 64
"""Most different labels: more are quantities, and a model that names classes does not learn those."""

NUMBER_MAX: Final = 1e300
"""Largest magnitude of a number: differences of two stay finite."""

GAPS: Final = frozenset({"", "?", "-", "na", "n/a", "nan", "null", "none"})
"""Fields that mean that nothing is known, in lower case."""

Name = Annotated[bytes, Meta(min_length=1, max_length=NAME_SIZE_MAX)]
"""A name in UTF-8."""

Number = Annotated[bytes, Meta(min_length=1, max_length=32)]
"""A float64 as decimal text, in the shortest form that reads back as the same number."""


class NumberColumn(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """A column of numbers."""

    name: Name
    """What it is called."""

    low: Number
    """This number and lower ones become 0."""

    high: Number
    """This number and higher ones become 127."""

    fill: Number
    """Stands for a gap."""

    gaps: Annotated[int, Meta(ge=0, le=1)]
    """1: another input says whether there is a gap."""

    @property
    def width(self) -> int:
        """Inputs that it becomes."""
        return 1 + self.gaps


class ChoiceColumn(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """A column of texts."""

    name: Name
    """What it is called."""

    choices: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=CHOICES_MAX)]
    """Its texts, in rising order."""

    @property
    def width(self) -> int:
        """Inputs that it becomes."""
        return len(self.choices)


class TableRecipe(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """All of it."""

    columns: Annotated[
        tuple[NumberColumn | ChoiceColumn, ...], Meta(min_length=1, max_length=TABLE_COLUMNS_MAX)
    ]
    """The columns that are used, in the order of the inputs."""

    label: Name
    """The column that is learnt."""

    labels: Annotated[tuple[Name, ...], Meta(min_length=2, max_length=LABELS_MAX)]
    """What the model's answers 0, 1, 2 ... mean."""

    @property
    def width(self) -> int:
        """Inputs of the model."""
        return sum(column.width for column in self.columns) + 1


def encode_recipe(recipe: TableRecipe) -> bytes:
    """Canonical bytes.

    :raises InvalidTable: names take more than ``RECIPE_SIZE_MAX``.
    """
    data = encode(recipe)
    if len(data) > RECIPE_SIZE_MAX:
        raise InvalidTable(f"the names in it take {len(data)} bytes; at most {RECIPE_SIZE_MAX} are taken")
    return data


def decode_recipe(data: bytes) -> TableRecipe:
    """Read a recipe.

    :raises OversizeEncoding, MalformedEncoding: no canonical encoding of one.
    """
    return decode(TableRecipe, data, limit=RECIPE_SIZE_MAX)


def is_gap(field: str) -> bool:
    """Whether a field says that nothing is known."""
    return field.lower() in GAPS


def parse_number(field: str) -> float | None:
    """A field as a number; none where it is no number.

    :raises InvalidTable: it is none that can be reckoned with.
    """
    if "_" in field:  # Python reads 1_000 as a number, nobody else does
        return None
    try:
        value = float(field)
    except ValueError:
        return None
    if not math.isfinite(value) or abs(value) > NUMBER_MAX:
        raise InvalidTable(f"{field[:40]!r} is no number that can be reckoned with")
    return value


def compute_rows(recipe: TableRecipe, fields: Sequence[Sequence[str]]) -> Rows:
    """Inputs of every row: uint8, (rows, ``recipe.width``), values 0 ... 127.

    :param fields: the fields of each of the recipe's columns, all equally long.
    :raises InvalidTable: a field of a column of numbers is neither number nor gap.
    """
    parts = [
        _stretch(column, values) if isinstance(column, NumberColumn) else _choose(column, values)
        for column, values in zip(recipe.columns, fields, strict=True)
    ]
    constant = np.full((len(fields[0]), 1), ACTIVATION_MAX, np.uint8)
    return np.ascontiguousarray(np.hstack((*parts, constant)))


def _stretch(column: NumberColumn, fields: Sequence[str]) -> NDArray[np.uint8]:
    low, high = float(column.low), float(column.high)
    is_open = np.array([is_gap(field) for field in fields])
    values = np.array([_read(column, field) for field in fields])
    with np.errstate(over="ignore"):  # infinity is clipped like any other number above
        stretched = np.clip(np.rint((values - low) / (high - low) * ACTIVATION_MAX), 0, ACTIVATION_MAX)
    inputs = [stretched, is_open * ACTIVATION_MAX][: column.width]
    return np.stack(inputs, axis=1).astype(np.uint8)


def _read(column: NumberColumn, field: str) -> float:
    if is_gap(field):
        return float(column.fill)
    value = parse_number(field)
    if value is None:
        raise InvalidTable(f"column {column.name.decode()!r} holds numbers, and {field[:40]!r} is none")
    return value


def _choose(column: ChoiceColumn, fields: Sequence[str]) -> NDArray[np.uint8]:
    encoded = [field.encode() for field in fields]
    chosen = [[field == choice for choice in column.choices] for field in encoded]
    return np.array(chosen, np.uint8) * np.uint8(ACTIVATION_MAX)
