"""The doctor runs all vectors of programs on every device, and tells which one errs."""

from pathlib import Path

import pytest
from rich.console import Console

from aivm.backends.program_protocol import OracleBackend
from aivm.conformance.program_vectors import load_program_vectors
from aivm.doctor import examine_programs
from tangle.cli import doctor_programs
from tests.aivm.builders import CACHE
from tests.aivm.program.test_conformance import Erring


def test_without_a_compiler_the_oracle_is_examined(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    interpreter = str(tmp_path / "python")
    (found,) = examine_programs({"PATH": ""}, tmp_path, lambda *step: told.append(step), interpreter)
    assert (found.backend, found.device, found.reason) == ("oracle", "CPU", "")
    assert found.report is not None
    assert told[-1] == ("oracle on CPU", len(load_program_vectors()), len(load_program_vectors()))


def test_a_device_that_errs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aivm.doctor.OracleBackend", Erring)
    (found,) = examine_programs({"PATH": ""}, tmp_path, lambda *_: None, str(tmp_path / "python"))
    assert found.report is None
    assert "fails vector" in found.reason
    assert OracleBackend().name in found.reason


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_device_is_examined_in_a_process_of_its_own() -> None:
    findings = doctor_programs.examine_programs(CACHE, Console(quiet=True))
    assert [finding.name for finding in findings] == ["programs: oracle on CPU", "programs: tinygrad on CPU"]
    assert all(finding.is_good for finding in findings)
