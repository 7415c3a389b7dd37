"""Problems and answers from files: both formats, and what is wrong with a file, by line or field."""

from pathlib import Path

import pytest

from poi.market.errors import InvalidProblem
from poi.market.problems import Answer, Distances, Packing, Points
from tangle.cli.errors import InvalidProblemFile
from tangle.cli.problem_files import FILE_SIZE_MAX, read_answer, read_problem


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "problem"
    path.write_text(text, encoding="utf-8")
    return path


HEAD = "NAME: t\nTYPE: TSP\nDIMENSION : 3\nEDGE_WEIGHT_TYPE: "


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"points": [[0, 0], [3, 4]]}', Points(((0, 0), (3, 4)))),
        ('{"points": [[-5, 7], [5, 2]]}', Points(((0, 5), (10, 0)))),
        ('{"distances": [[0, 2], [3, 0]]}', Distances(((0, 2), (3, 0)))),
        ('{"capacity": 10, "sizes": [4, 6]}', Packing(10, (4, 6))),
        (
            HEAD + "EUC_2D\nNODE_COORD_SECTION\n1 1.0 2\n2 3e1 4\n3 5 6\nEOF\n",
            Points(((0, 0), (29, 2), (4, 4))),
        ),
        (
            HEAD + "EXPLICIT\nEDGE_WEIGHT_FORMAT: FULL_MATRIX\nEDGE_WEIGHT_SECTION\n0 1 2 3 0 4\n5 6 0\nEOF",
            Distances(((0, 1, 2), (3, 0, 4), (5, 6, 0))),
        ),
        (
            HEAD + "EXPLICIT\nEDGE_WEIGHT_FORMAT: UPPER_ROW\nEDGE_WEIGHT_SECTION\n1 2\n3\n",
            Distances(((0, 1, 2), (1, 0, 3), (2, 3, 0))),
        ),
        (
            HEAD + "EXPLICIT\nEDGE_WEIGHT_FORMAT: LOWER_DIAG_ROW\nEDGE_WEIGHT_SECTION\n0 1 0 2 3 0\n",
            Distances(((0, 1, 2), (1, 0, 3), (2, 3, 0))),
        ),
    ],
)
def test_problems_are_read(tmp_path: Path, text: str, problem: object) -> None:
    assert read_problem(write(tmp_path, text))[0] == problem


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "neither NODE_COORD_SECTION"),
        ("hello\n", "line 1: 'hello' is neither TSPLIB nor JSON"),
        ('{"points": [[0, 0.5]]}', "Expected `int`"),
        ('{"points": [[0, 0], [1]]}', "length 2"),
        ('{"items": []}', "needs the field"),
        ('{"points": ', "truncated"),
        (HEAD + "GEO\nNODE_COORD_SECTION\n1 1 2\n", "type GEO"),
        (HEAD + "EUC_2D\nNODE_COORD_SECTION\n1 1.5 2\n", "line 6: '1.5' is no whole number"),
        (HEAD + "EUC_2D\nNODE_COORD_SECTION\n1 nan 2\n", "'nan' is no whole number"),
        (HEAD + "EUC_2D\nNODE_COORD_SECTION\n1 1\n", "line 6: a place has"),
        (HEAD + "EUC_2D\nNODE_COORD_SECTION\n1 1 1\n", "states 3 places and has 1"),
        (HEAD + "EXPLICIT\nEDGE_WEIGHT_FORMAT: FUNCTION\nEDGE_WEIGHT_SECTION\n", "'FUNCTION' is not one of"),
        (HEAD + "EXPLICIT\nEDGE_WEIGHT_FORMAT: UPPER_ROW\nEDGE_WEIGHT_SECTION\n1 2\n", "need 3 distances"),
        ("DIMENSION: 1e9\nEDGE_WEIGHT_FORMAT: UPPER_ROW\nEDGE_WEIGHT_SECTION\n", "1000000000 places, not"),
        ("DIMENSION: x\nEDGE_WEIGHT_FORMAT: UPPER_ROW\nEDGE_WEIGHT_SECTION\n", "'x' is no whole number"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InvalidProblemFile, match=reason):
        read_problem(write(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        '{"points": [[0, 0]]}',
        '{"points": []}',
        '{"points": [[0, 0], [0, 99999999]]}',
        '{"capacity": 3, "sizes": [4]}',
        '{"distances": [[0, 1], [2]]}',
        '{"capacity": 999999999999999999999999999, "sizes": [4]}',
        '{"points": [' + ",".join(f"[{place}, {place}]" for place in range(900)) + "]}",
    ],
)
def test_problems_that_nobody_can_answer_or_carry_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidProblem):
        read_problem(write(tmp_path, text))


def test_answers_are_read(tmp_path: Path) -> None:
    assert read_answer(write(tmp_path, "[2, 0, 1]")) == Answer((2, 0, 1))
    assert read_answer(write(tmp_path, "TYPE: TOUR\nTOUR_SECTION\n3\n1 2\n-1\nEOF\n")) == Answer((2, 0, 1))
    for text in ("[1, x]", "1 2 3", ""):
        with pytest.raises(InvalidProblemFile):
            read_answer(write(tmp_path, text))


def test_files_that_are_no_text_or_too_long_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "problem"
    for data in (b"\xff\xfe\x00", b" " * (FILE_SIZE_MAX + 1)):
        path.write_bytes(data)
        with pytest.raises(InvalidProblemFile):
            read_problem(path)
