"""``python -m tangle.cli``: worker processes import the main module again, and must not start a node each."""

import runpy
import sys

import pytest


def test_a_worker_that_imports_the_main_module_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tangle", "no-such-command"])
    assert "main" in runpy.run_module("tangle.cli.__main__", run_name="__mp_main__")
    with pytest.raises(SystemExit):
        runpy.run_module("tangle.cli.__main__", run_name="__main__")
