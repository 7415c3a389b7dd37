"""From a table to training rows and a holdout.

Rows are parted by the hash of what they hold, class by class: every fifth of each class is held out, whatever
the order of the file. Everything that is measured (ranges, usual values, choices) is measured on the training
rows alone, so the holdout's score says how the model does on rows that nobody looked at.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
from msgspec import Struct

from poi.dataset import Dataset
from poi.tables.errors import InvalidTable
from poi.tables.reading import Table, verify_name
from poi.tables.recipe import (
    CHOICES_MAX,
    LABELS_MAX,
    ChoiceColumn,
    NumberColumn,
    TableRecipe,
    compute_rows,
    is_gap,
    parse_number,
)

HOLDOUT_PART: Final = 5
"""One row in this many is held out."""

ROWS_MIN: Final = 20
"""Fewer rows teach nothing that a holdout of a fifth could show."""

EDGE_SHARE: Final = 0.02
"""Part of a column's numbers that may be clipped at either end: one outlier must not flatten all others."""


class PreparedTable(Struct, frozen=True):
    """What a job is trained and judged on."""

    recipe: TableRecipe
    """How the rows came about."""

    training: Dataset
    """Rows that batches are drawn from."""

    holdout: Dataset
    """Rows that scores are counted on."""


def prepare_table(table: Table) -> PreparedTable:
    """Turn a table into rows 0 ... 127 and labels.

    :raises InvalidTable: it is too small, has nothing to learn or nothing to learn from.
    """
    if len(table.labels) < ROWS_MIN:
        raise InvalidTable(f"it has {len(table.labels)} rows; at least {ROWS_MIN} are needed")
    labels = _list_labels(table)
    training, holdout = _split(table)
    columns = []
    for name, fields in zip(table.names, table.columns, strict=True):
        column = _fit(name, fields, training)
        if column is not None:
            columns.append((column, fields))
    if not columns:
        raise InvalidTable("no column but the label tells its rows apart")
    recipe = TableRecipe(
        tuple(column for column, _ in columns),
        table.label.encode(),
        tuple(label.encode() for label in labels),
    )
    rows = compute_rows(recipe, [fields for _, fields in columns])
    answers = np.array([labels.index(label) for label in table.labels], np.uint8)
    return PreparedTable(
        recipe,
        Dataset(rows[training], answers[training]),
        Dataset(rows[holdout], answers[holdout]),
    )


def _list_labels(table: Table) -> list[str]:
    counts = Counter(table.labels)
    for label in counts:
        verify_name(label, "a label")
    if len(counts) < 2:
        raise InvalidTable(f"column {table.label!r} holds one value only, so there is nothing to learn")
    if len(counts) > LABELS_MAX:
        raise InvalidTable(
            f"column {table.label!r} holds {len(counts)} different values; "
            f"a label is one of at most {LABELS_MAX}"
        )
    rare = next((label for label, count in counts.items() if count < 2), None)
    if rare is not None:
        raise InvalidTable(f"label {rare!r} stands on one row only; two are the least to learn and to test")
    return sorted(counts)


def _split(table: Table) -> tuple[list[int], list[int]]:
    """Places of training rows and of held-out ones, each in the order of hashes."""
    places = range(len(table.labels))
    digests = [_hash_row(table, place) for place in places]
    order = sorted(places, key=lambda place: (digests[place], place))
    seen: Counter[str] = Counter()
    training: list[int] = []
    holdout: list[int] = []
    for place in order:
        label = table.labels[place]
        # Also of a class with few rows one is held out and one is trained on.
        (holdout if seen[label] % HOLDOUT_PART == 1 else training).append(place)
        seen[label] += 1
    return training, holdout


def _hash_row(table: Table, place: int) -> bytes:
    fields = [column[place].encode() for column in table.columns]
    framed = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return blake2b(framed, digest_size=16).digest()


def _fit(name: str, fields: Sequence[str], training: Sequence[int]) -> NumberColumn | ChoiceColumn | None:
    """The column's part of the recipe; none where it says nothing."""
    known = [field for field in fields if not is_gap(field)]
    seen = [fields[place] for place in training if not is_gap(fields[place])]
    if not seen:
        return None
    # Whether it is a column of numbers is asked of the whole file: a text in the holdout makes it texts.
    if all(parse_number(field) is not None for field in known):
        return _fit_numbers(name, seen, is_open=len(known) < len(fields))
    choices = sorted(set(seen))
    if len(choices) > CHOICES_MAX:
        raise InvalidTable(
            f"column {name!r} holds {len(choices)} different texts, more than {CHOICES_MAX}; leave it out"
        )
    for choice in choices:
        verify_name(choice, "a text")
    is_open = len(known) < len(fields)
    if len(choices) == 1 and not is_open:
        return None
    return ChoiceColumn(name.encode(), tuple(choice.encode() for choice in choices))


def _fit_numbers(name: str, seen: Sequence[str], *, is_open: bool) -> NumberColumn | None:
    values = np.array([float(field) for field in seen])
    low, middle, high = (float(each) for each in np.quantile(values, (EDGE_SHARE, 0.5, 1 - EDGE_SHARE)))
    if low == high:
        low, high = float(values.min()), float(values.max())
    if low == high:
        if not is_open:
            return None
        high = low + max(1.0, abs(low))
    return NumberColumn(name.encode(), _write(low), _write(high), _write(middle), int(is_open))


def _write(value: float) -> bytes:
    return repr(value).encode()
