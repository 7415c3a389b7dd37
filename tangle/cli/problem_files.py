"""Optimisation problems and their answers as files: TSPLIB 95, or JSON.

Nothing is guessed: what does not fit is refused with the line or the field. Coordinates are moved so that the
smallest is 0, which changes no distance.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from poi.market.errors import InvalidProblem
from poi.market.limits import PARTS_MAX
from poi.market.problems import (
    Answer,
    Distances,
    Packing,
    Points,
    Problem,
    decode_problem,
    encode_problem,
)
from tangle.cli.errors import InvalidProblemFile

FILE_SIZE_MAX: Final = 2**20
"""Longest file in bytes: far more than any problem that fits into a transaction."""

TEXT_SHOWN_MAX: Final = 40
"""Characters of a faulty line that are quoted."""

MATRIX_FORMATS: Final = ("FULL_MATRIX", "UPPER_ROW", "LOWER_ROW", "UPPER_DIAG_ROW", "LOWER_DIAG_ROW")
"""Ways of TSPLIB to write distances."""


def read_problem(path: Path) -> tuple[Problem, bytes]:
    """A problem, and its encoding as it travels.

    :raises InvalidProblemFile: the file is none of both kinds.
    :raises InvalidProblem: it is too large, or has no answer.
    """
    text = _read(path)
    made = _read_json(path.name, text) if text.lstrip().startswith("{") else _read_tsplib(path.name, text)
    try:
        encoded = encode_problem(made)
    except OverflowError:
        raise InvalidProblem("a number is far too large") from None
    return decode_problem(encoded), encoded


def read_answer(path: Path) -> Answer:
    """An answer: a JSON array, or the tour of a TSPLIB file, whose places are counted from 1.

    :raises InvalidProblemFile: it is neither.
    """
    text = _read(path)
    if text.lstrip().startswith("["):
        return Answer(tuple(_read_numbers(path.name, text)))
    lines = iter(enumerate(text.splitlines(), 1))
    if not any(line.strip() == "TOUR_SECTION" for _, line in lines):
        raise InvalidProblemFile(path.name, "it is neither a JSON array of places nor a TSPLIB tour")
    places: list[int] = []
    for number, line in lines:
        for word in line.split():
            if word in ("-1", "EOF"):
                return Answer(tuple(places))
            places.append(_read_integer(path.name, number, word) - 1)
    return Answer(tuple(places))


def _read(path: Path) -> str:
    if path.stat().st_size > FILE_SIZE_MAX:
        raise InvalidProblemFile(path.name, f"it has more than {FILE_SIZE_MAX} bytes")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidProblemFile(path.name, "it is no text") from None


def _read_numbers(name: str, text: str) -> list[int]:
    try:
        return msgspec.json.decode(text, type=list[int])
    except msgspec.DecodeError as error:
        raise InvalidProblemFile(name, str(error)) from None


def _read_json(name: str, text: str) -> Problem:
    try:
        record: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        fields = set(record)
        if fields == {"points"}:
            return _shift(msgspec.convert(record["points"], list[tuple[int, int]]))
        if fields == {"distances"}:
            return Distances(msgspec.convert(record["distances"], tuple[tuple[int, ...], ...]))
        if fields == {"capacity", "sizes"}:
            sizes = msgspec.convert(record["sizes"], tuple[int, ...])
            return Packing(msgspec.convert(record["capacity"], int), sizes)
    except msgspec.DecodeError as error:
        raise InvalidProblemFile(name, str(error)) from None
    raise InvalidProblemFile(
        name, "it needs the field points, the field distances, or the fields capacity and sizes"
    )


def _read_tsplib(name: str, text: str) -> Problem:
    lines = iter(enumerate(text.splitlines(), 1))
    facts: dict[str, str] = {}
    for number, line in lines:
        stripped = line.strip()
        if stripped == "NODE_COORD_SECTION":
            return _read_coordinates(name, facts, lines)
        if stripped == "EDGE_WEIGHT_SECTION":
            return _read_matrix(name, facts, lines)
        key, colon, value = stripped.partition(":")
        if colon:
            facts[key.strip()] = value.strip()
        elif stripped not in ("", "EOF"):
            shown = stripped[:TEXT_SHOWN_MAX]
            raise InvalidProblemFile(name, f"line {number}: {shown!r} is neither TSPLIB nor JSON")
    raise InvalidProblemFile(name, "it has neither NODE_COORD_SECTION nor EDGE_WEIGHT_SECTION")


def _read_coordinates(name: str, facts: dict[str, str], lines: Iterator[tuple[int, str]]) -> Points:
    kind = facts.get("EDGE_WEIGHT_TYPE", "EUC_2D")
    if kind != "EUC_2D":
        raise InvalidProblemFile(name, f"distances of type {kind} are not offered; EUC_2D and EXPLICIT are")
    points = []
    for number, line in lines:
        words = line.split()
        if not words or words[0] == "EOF":
            break
        if len(words) != 3:
            raise InvalidProblemFile(name, f"line {number}: a place has a number and two coordinates")
        x, y = (_read_integer(name, number, word) for word in words[1:])
        points.append((x, y))
    _verify_dimension(name, facts, len(points))
    return _shift(points)


def _read_matrix(name: str, facts: dict[str, str], lines: Iterator[tuple[int, str]]) -> Distances:
    form = facts.get("EDGE_WEIGHT_FORMAT", "")
    if form not in MATRIX_FORMATS:
        raise InvalidProblemFile(
            name, f"EDGE_WEIGHT_FORMAT {form!r} is not one of {', '.join(MATRIX_FORMATS)}"
        )
    count = _read_integer(name, 1, facts.get("DIMENSION", ""))
    if not 1 <= count <= PARTS_MAX:
        raise InvalidProblemFile(name, f"{count} places, not 1 to {PARTS_MAX}")
    places = _list_places(form, count)
    words = _read_words(name, lines)
    rows = [[0] * count for _ in range(count)]
    found = list(islice(words, len(places) + 1))
    if len(found) != len(places):
        raise InvalidProblemFile(name, f"{count} places need {len(places)} distances in the form {form}")
    for (start, end), distance in zip(places, found, strict=True):
        rows[start][end] = distance
        if form != "FULL_MATRIX":
            rows[end][start] = distance
    return Distances(tuple(map(tuple, rows)))


def _list_places(form: str, count: int) -> list[tuple[int, int]]:
    """Which distances the file gives, in its order."""
    own = 0 if "DIAG" in form else 1
    if form == "FULL_MATRIX":
        return [(start, end) for start in range(count) for end in range(count)]
    if form.startswith("UPPER"):
        return [(start, end) for start in range(count) for end in range(start + own, count)]
    return [(start, end) for start in range(count) for end in range(start + 1 - own)]


def _read_words(name: str, lines: Iterator[tuple[int, str]]) -> Iterator[int]:
    for number, line in lines:
        for word in line.split():
            if word == "EOF" or word.endswith("_SECTION"):
                return
            yield _read_integer(name, number, word)


def _read_integer(name: str, number: int, word: str) -> int:
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not value.is_integer():
        shown = word[:TEXT_SHOWN_MAX]
        raise InvalidProblemFile(
            name, f"line {number}: {shown!r} is no whole number; scale the problem so that all are"
        )
    return int(value)


def _verify_dimension(name: str, facts: dict[str, str], found: int) -> None:
    stated = facts.get("DIMENSION")
    if stated is not None and _read_integer(name, 1, stated) != found:
        raise InvalidProblemFile(name, f"it states {stated} places and has {found}")


def _shift(points: list[tuple[int, int]]) -> Points:
    left = min((x for x, _ in points), default=0)
    low = min((y for _, y in points), default=0)
    return Points(tuple((x - left, y - low) for x, y in points))
