"""The house rules that no other tool checks, over every file that git tracks."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent

PACKAGES: Final = ("tangle", "poi", "aivm", "shards", "tui", "simnet")
"""What the wheel ships."""

MODULE_LINES_MAX: Final = 500
"""A longer module holds two subjects."""

MODULE_LINES_MEDIAN_MAX: Final = 150
"""Most modules can be read in one sitting."""

TEST_LINES_MAX: Final = 600
"""Tests repeat themselves more than code may."""

FUNCTION_LINES_MAX: Final = 70
"""A function fits on one screen."""

UNFINISHED: Final = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b")
"""Words that mark unfinished work; written in two halves so that this file does not find itself."""

MACHINE: Final = re.compile(
    r"(?<![\w.}-])/(?:root|opt|home|work)/\w|py"
    r"pi\.org|python"
    r"hosted|index-"
    r"url\b"
)
"""Paths of one machine, and where packages come from: both are decided by whoever runs this."""

EXCEPTION_BARE: Final = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?:\[[\w, -]*\]|:\s*[A-Z0-9, ]+)?\s*$")
"""An exception to a rule without the reason beside it."""


@cache
def get_tracked_texts() -> dict[Path, str]:
    """Every tracked text file by its path relative to the root; binary files are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 -- git is wherever the machine keeps it
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    texts = {}
    for name in filter(None, listed.stdout.split("\0")):
        try:
            texts[Path(name)] = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # not text, or removed and not yet committed
    assert texts
    return texts


def get_modules(*tops: str) -> Iterator[tuple[Path, str]]:
    """Tracked Python modules under the named folders, or all of them."""
    for path, text in get_tracked_texts().items():
        if path.suffix == ".py" and (not tops or path.parts[0] in tops):
            yield path, text


def find_lines(pattern: re.Pattern[str], texts: Iterator[tuple[Path, str]]) -> list[str]:
    """``path:line: text`` of every line that matches."""
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_modules_are_short() -> None:
    limits = {
        path: TEST_LINES_MAX if path.parts[0] == "tests" else MODULE_LINES_MAX for path, _ in get_modules()
    }
    lengths = {path: len(text.splitlines()) for path, text in get_modules()}
    assert not {str(path): length for path, length in lengths.items() if length > limits[path]}


def test_most_modules_are_very_short() -> None:
    lengths = [len(text.splitlines()) for path, text in get_modules(*PACKAGES) if path.name != "__init__.py"]
    assert statistics.median(lengths) <= MODULE_LINES_MEDIAN_MAX


def test_functions_fit_on_a_screen() -> None:
    offenders = [
        f"{path}:{node.lineno}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path, text in get_modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert not offenders


def test_every_module_opens_with_a_docstring() -> None:
    assert not [str(path) for path, text in get_modules() if not ast.get_docstring(ast.parse(text))]


def test_nothing_is_left_unfinished() -> None:
    assert not find_lines(UNFINISHED, iter(get_tracked_texts().items()))


def test_no_file_knows_this_machine() -> None:
    assert not find_lines(MACHINE, iter(get_tracked_texts().items()))


def test_exceptions_to_a_rule_carry_their_reason() -> None:
    assert not find_lines(EXCEPTION_BARE, get_modules())


def test_constraints_name_exact_versions_and_no_addresses() -> None:
    pinned = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+")
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert not [line for line in lines if not line.startswith("#") and not pinned.fullmatch(line)]


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (UNFINISHED, "# TO" + "DO: later"),
        (UNFINISHED, "raise NotImplemented" + "Error"),
        (MACHINE, 'open("/ho' + 'me/somebody/file")'),
        (MACHINE, "https://py" + "pi.org/simple"),
        (EXCEPTION_BARE, "x = f()  # no" + "qa: S101"),
        (EXCEPTION_BARE, "x = f()  # type: ign" + "ore[misc]"),
    ],
)
def test_the_patterns_find_what_they_look_for(pattern: re.Pattern[str], line: str) -> None:
    assert find_lines(pattern, iter([(Path("sample.py"), line)])) == [f"sample.py:1: {line}"]
