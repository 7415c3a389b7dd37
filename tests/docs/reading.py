"""Reads the project's documents: their tables, links and headings."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE: Final = re.compile(r"`([^`]+)`")
_NOT_IN_ANCHORS: Final = re.compile(r"[^\w\- ]")

Table = list[list[str]]
"""Rows of cells, the header first."""


@cache
def read_document(path: str) -> str:
    """A document by its path below the root."""
    return (ROOT / path).read_text(encoding="utf-8")


def list_documents() -> list[str]:
    """Every Markdown file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],  # noqa: S607 -- git is wherever the machine keeps it
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).exists())


def find_links(text: str) -> list[str]:
    """Targets of all links and pictures outside code."""
    return _LINK.findall(_FENCE.sub("", text))


def list_anchors(text: str) -> set[str]:
    """What a link can point at within a document: its headings, as Git hosts write them."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return {_NOT_IN_ANCHORS.sub("", heading.lower()).replace(" ", "-") for heading in headings}


def find_tables(text: str) -> list[Table]:
    """Every table of a text."""
    tables: list[Table] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", re.sub(r"`[^`]*`", _protect, line))[1:-1]]
        row = [cell.replace("\0", "|") for cell in cells]
        if number == 0 or not lines[number - 1].startswith("|"):
            tables.append([row])
        elif not set("".join(row)) <= set("-:"):
            tables[-1].append(row)
    return tables


def find_table(text: str, first_column: str) -> Table:
    """Rows below the header of the one table whose first column has this name."""
    found = [table for table in find_tables(text) if table[0][0] == first_column]
    assert len(found) == 1, f"{len(found)} tables begin with a column {first_column!r}"
    return found[0][1:]


def find_codes(cell: str) -> list[str]:
    """What stands in code marks within a cell."""
    return _CODE.findall(cell)


def _protect(match: re.Match[str]) -> str:
    return match.group(0).replace("|", "\0")
