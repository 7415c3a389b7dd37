"""What a person reads when a machine cannot do what set-up needs: one sentence, and the command to run."""

import sys
from pathlib import Path

import pytest

from tools import ensure_clang, set_up

CLANG_THAT_ONLY_STARTS = '#!/bin/sh\n[ "$1" = --version ] && { echo "clang version 99"; exit 0; }\nexit 1\n'


def test_an_old_python_is_refused_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit, match=r"3\.11 or later is needed.* is 3\.9\.2; .*make PYTHON=python3\.11"):
        set_up.check_interpreter()


def test_a_python_without_venv_is_refused_with_the_package_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)  # what importing a missing module looks like
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        set_up.check_interpreter()


def test_this_python_is_accepted() -> None:
    set_up.check_interpreter()


def test_a_clang_that_cannot_compile_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clang = tmp_path / "clang"
    clang.write_text(CLANG_THAT_ONLY_STARTS)
    clang.chmod(0o755)
    monkeypatch.setenv("CC", str(clang))
    with pytest.raises(
        SystemExit, match=r"clang version 99.* cannot build kernels(.|\n)*pip install"
    ) as caught:
        ensure_clang.main()
    assert str(clang) in str(caught.value)
