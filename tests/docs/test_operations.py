"""Error codes that the documents name are those of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.docs.reading import ROOT, find_codes, find_table, find_tables, read_document

PACKAGES: Final = ("tangle", "poi", "aivm", "shards", "tui")
"""Where faults are defined."""

CODE: Final = re.compile(r"[a-z]+(?:-[a-z]+)*")


def parse_modules() -> Iterator[ast.Module]:
    for package in PACKAGES:
        for path in sorted(Path(ROOT, package).rglob("*.py")):
            yield ast.parse(path.read_text(encoding="utf-8"))


def collect_error_codes() -> set[str]:
    """Every ``code = "..."`` in the body of a class."""
    return {
        statement.value.value
        for tree in parse_modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        and _get_target(statement) == "code"
    }


def list_codes(document: str) -> list[str]:
    """Codes in the columns of a document's tables that are called after them."""
    codes = []
    for header, *rows in find_tables(read_document(document)):
        for place, title in enumerate(header):
            if title in {"code", "code or message"}:
                codes += [code for row in rows for code in find_codes(row[place]) if CODE.fullmatch(code)]
    return codes


@pytest.mark.parametrize("document", ["docs/troubleshooting.md", "docs/protocol.md"])
def test_error_codes_exist(document: str) -> None:
    codes = list_codes(document)
    assert codes
    assert not set(codes) - collect_error_codes()


def test_troubleshooting_knows_every_reason_why_a_transaction_is_refused() -> None:
    steps = find_table(read_document("docs/protocol.md"), "step")
    refusals = {code for row in steps for code in find_codes(row[2])}
    assert refusals <= set(list_codes("docs/troubleshooting.md"))


def _get_target(statement: ast.Assign | ast.AnnAssign) -> str | None:
    target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
    return target.id if isinstance(target, ast.Name) else None
