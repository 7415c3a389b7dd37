"""Reading a CSV file: columns of texts, or one clear sentence why not.

A file comes from anywhere, so everything about it is checked: its size, its encoding, quotes, the number of
fields on every line, and names that people will see on their terminals. Source: RFC 4180; the separator may
also be a semicolon or a tab.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from poi.tables.errors import InvalidTable
from poi.training import TRAINING_ROWS_MAX

TABLE_SIZE_MAX: Final = 16 * 1024 * 1024
"""Longest file in bytes: its texts take some ten times that in memory while they are read."""

TABLE_ROWS_MAX: Final = TRAINING_ROWS_MAX
"""Most rows, as many as a part of a blob holds."""

TABLE_COLUMNS_MAX: Final = 1_024
"""Most columns: each is at least one input of the model."""

NAME_SIZE_MAX: Final = 256
"""Longest name of a column or of a choice in UTF-8 bytes; longer ones are prose."""

SEPARATORS: Final = ",;\t"
"""What may stand between fields; the one that the header has most of does."""


class Table(Struct, frozen=True):
    """Columns of texts, all equally long."""

    names: tuple[str, ...]
    """Names of the columns with features."""

    columns: tuple[tuple[str, ...], ...]
    """Their fields, without blanks around."""

    label: str
    """Name of the column that is to be learnt."""

    labels: tuple[str, ...]
    """Its fields; none is empty."""


def read_table(data: bytes, label: str, ignored: Sequence[str] = ()) -> Table:
    """Read a file with a header line.

    :param label: name of the column that is to be learnt.
    :param ignored: names of columns to be left out.
    :raises InvalidTable: it is no table, or has no such columns.
    """
    rows = _iterate_rows(_decode(data))
    names = _read_header(next(rows, (0, []))[1])
    for name in (label, *ignored):
        if name not in names:
            raise InvalidTable(f"it has no column {name!r}; it has {_list_names(names)}")
    if label in ignored:
        raise InvalidTable(f"column {label!r} cannot be both learnt and ignored")
    fields: list[list[str]] = []
    for line, row in rows:
        if len(row) != len(names):
            raise InvalidTable(f"it has {len(row)} fields, the header has {len(names)}", line)
        if len(fields) == TABLE_ROWS_MAX:
            raise InvalidTable(f"more than {TABLE_ROWS_MAX} rows are not taken", line)
        if not row[names.index(label)]:
            raise InvalidTable(f"column {label!r} is empty: there is nothing to learn from it", line)
        fields.append(row)
    if not fields:
        raise InvalidTable("it has no rows below its header")
    columns = dict(zip(names, zip(*fields, strict=True), strict=True))
    kept = tuple(name for name in names if name != label and name not in ignored)
    return Table(kept, tuple(columns[name] for name in kept), label, columns[label])


def verify_name(name: str, what: str) -> None:
    """Check a name that people and terminals will be shown.

    :raises InvalidTable: it is too long, or holds control characters.
    """
    if len(name.encode()) > NAME_SIZE_MAX:
        raise InvalidTable(f"{what} of {len(name.encode())} bytes; at most {NAME_SIZE_MAX} are taken")
    if not name.isprintable():
        raise InvalidTable(f"{what} {name!r} holds characters that cannot be shown")


def _decode(data: bytes) -> str:
    if len(data) > TABLE_SIZE_MAX:
        raise InvalidTable(f"it has {len(data)} bytes; at most {TABLE_SIZE_MAX} are taken")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidTable(f"byte {error.start} is not UTF-8 text") from None
    if "\x00" in text:
        raise InvalidTable(f"byte {data.index(0)} is zero: this is no text file")
    return text


def _iterate_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    header = text.split("\n", 1)[0]
    separator = max(SEPARATORS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise InvalidTable(str(error), reader.line_num) from None
        if row is None:
            return
        if row:
            yield reader.line_num, [field.strip() for field in row]


def _read_header(names: list[str]) -> list[str]:
    if not names:
        raise InvalidTable("it is empty")
    if len(names) > TABLE_COLUMNS_MAX:
        raise InvalidTable(f"it has {len(names)} columns; at most {TABLE_COLUMNS_MAX} are taken")
    if not all(names):
        raise InvalidTable(f"column {names.index('') + 1} has no name in the header")
    for name in names:
        verify_name(name, "a column name")
    repeated = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if repeated is not None:
        raise InvalidTable(f"two columns are called {repeated!r}")
    return names


def _list_names(names: list[str], shown: int = 8) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest
