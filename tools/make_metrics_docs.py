"""Writes the table of metrics in docs/operations.md from the code that makes them: run it after changing one.

Names, meanings and labels are read where they are constructed; a test compares them with what a running node
answers when it is scraped.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

ROOT: Final = Path(__file__).resolve().parent.parent

DOCUMENT: Final = ROOT / "docs" / "operations.md"
"""Where the table stands."""

COMMAND: Final = "python tools/make_metrics_docs.py"
"""How to write it again."""

BEGIN: Final = f"<!-- written by {COMMAND} -->\n"
END: Final = "<!-- end of what is written -->\n"

PACKAGES: Final = ("tangle", "poi", "aivm", "shards", "tui")
"""Where metrics are made."""

NAME: Final = re.compile(r"tangle_[a-z_]+")
COUNTERS: Final = frozenset({"Counter", "CounterMetricFamily"})
"""Constructors of figures that only grow; Prometheus adds ``_total`` to their names."""


class MetricDoc(Struct, frozen=True, order=True):
    """One metric as it is scraped."""

    name: str
    """With ``_total`` where it only grows."""

    labels: tuple[str, ...]
    """Names of its labels."""

    meaning: str
    """One sentence."""


def collect_metrics() -> list[MetricDoc]:
    """Every metric, in the order of the modules and of their lines."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            found += list(_find_metrics(ast.parse(path.read_text(encoding="utf-8"))))
    return found


def make_table() -> str:
    """The table, between its marks."""
    rows = [f"| `{item.name}` | {', '.join(item.labels)} | {item.meaning} |" for item in collect_metrics()]
    return "\n".join([BEGIN + "\n| metric | labels | meaning |", "|---|---|---|", *rows, "", END])


def replace_table(text: str) -> str:
    """``text`` with the present table between the marks."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    assert rest, f"{DOCUMENT.name} has no marks"
    return head + make_table() + tail


def _find_metrics(tree: ast.Module) -> Iterator[MetricDoc]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        texts = [item.value for item in call.args[:2] if isinstance(item, ast.Constant)]
        if len(texts) < 2 or not isinstance(texts[0], str) or NAME.fullmatch(texts[0]) is None:
            continue
        name = f"{texts[0]}_total" if _is_counter(call) else texts[0]
        yield MetricDoc(name, _read_labels(call), str(texts[1]))


def _is_counter(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    is_total = any(
        keyword.arg == "is_total" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in call.keywords
    )
    return name in COUNTERS or is_total


def _read_labels(call: ast.Call) -> tuple[str, ...]:
    """Labels stand third, as one name or as several, or by their keyword."""
    stated = [keyword.value for keyword in call.keywords if keyword.arg == "labels"] or call.args[2:3]
    for value in stated:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return (value.value,)
        if isinstance(value, ast.Tuple | ast.List):
            return tuple(str(item.value) for item in value.elts if isinstance(item, ast.Constant))
    return ()


if __name__ == "__main__":
    DOCUMENT.write_text(replace_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
