"""What a command loads before it does anything: people wait for that, and for nothing they do not use.

Times depend on the machine; the modules that a command loads do not.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

LIST_MODULES = """
import json, sys
sys.argv = ["tangle", *json.loads(sys.argv[1])]
from tangle.cli.main import main
try:
    main()
except SystemExit:
    print(json.dumps(sorted(sys.modules)))
"""
"""Runs one command and prints what it has loaded."""

HEAVY = {
    "a web client": "aiohttp",
    "arrays": "numpy",
    "a logger": "structlog",
    "metrics": "prometheus_client",
    "the database": "lmdb",
    "coloured output": "rich.console",
    "the dashboard": "textual",
    "the whole node": "tangle.node.node",
}
"""What costs tens or hundreds of milliseconds each."""


def list_modules(home: Path, *words: str) -> set[str]:
    """Modules that ``tangle words`` loads."""
    command = [sys.executable, "-c", LIST_MODULES, json.dumps([*words, "--home", str(home)])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert "tangle.cli.groups" in modules
    return modules


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["version"], set()),
        (["version", "--json"], set()),
        (["status", "--url", "http://127.0.0.1:1"], {"a web client"}),
        (["completion", "bash"], set()),
    ],
    ids=" ".join,
)
def test_small_commands_load_what_they_need(words: list[str], needed: set[str], tmp_path: Path) -> None:
    loaded = list_modules(tmp_path, *words)
    assert {name for name, module in HEAVY.items() if module in loaded} == needed
