"""Everything that runs programs reproduces the vectors; what errs anywhere is caught, and leaves no stamp."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from aivm.backends.opening import open_program_backend
from aivm.backends.program_protocol import OracleBackend
from aivm.backends.tinygrad_programs import TinygradPrograms
from aivm.conformance.generate_programs import TARGET, write_program_vectors
from aivm.conformance.program_vectors import load_program_vectors, read_program
from aivm.conformance.run_programs import run_program_conformance
from aivm.conformance.stamp import ensure_program_conformance
from aivm.errors import ConformanceFailure, DeviceUnavailable
from aivm.program.binding import BoundProgram, Tensor
from aivm.program.operators import OPERATORS
from aivm.program.types import DType
from tests.aivm.builders import CACHE


def test_the_published_file_is_what_the_generator_writes(tmp_path: Path) -> None:
    write_program_vectors(tmp_path / "programs.json")
    assert (tmp_path / "programs.json").read_bytes() == TARGET.read_bytes()


def test_the_oracle_passes_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    report = run_program_conformance(
        OracleBackend(), is_quick=False, on_progress=lambda done, total: told.append((done, total))
    )
    count = len(load_program_vectors())
    assert (report.vectors, told[0], told[-1]) == (count, (1, count), (count, count))
    assert report.elements > 20_000


def test_the_vectors_hold_every_operator() -> None:
    nodes = [node for vector in load_program_vectors() for node in read_program(vector).plan.program.nodes]
    assert {type(node.operator) for node in nodes} == set(OPERATORS.values())


@pytest.mark.timeout(120)  # compiles a few dozen kernels
def test_tinygrad_passes_the_quick_vectors() -> None:
    assert run_program_conformance(TinygradPrograms("CPU"), is_quick=True).vectors >= 7


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_tinygrad_passes_all_vectors() -> None:
    assert run_program_conformance(TinygradPrograms("CPU"), is_quick=False).elements > 20_000


class Erring(OracleBackend):
    """The definition, but for one value of one tensor of bytes."""

    def run(self, bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """One 127 becomes 126."""
        found = super().run(bound, inputs)
        for place, declared in enumerate(bound.plan.output_types):
            if declared.dtype is DType.INT8 and (found[place] == 127).any():
                wrong = np.where(found[place] == 127, 126, found[place]).astype(np.int8)
                return (*found[:place], wrong, *found[place + 1 :])
        return found


class Widening(OracleBackend):
    """Right values of another type."""

    def run(self, bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Everything as int64."""
        return tuple(tensor.astype(np.int64) for tensor in super().run(bound, inputs))


@pytest.mark.parametrize("backend", [Erring(), Widening()], ids=["value", "type"])
def test_what_errs_is_caught_and_leaves_no_stamp(backend: OracleBackend, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ConformanceFailure) as caught:
            ensure_program_conformance(backend, "", tmp_path)
        assert caught.value.vector in {vector.name for vector in load_program_vectors()}
    assert not list(tmp_path.iterdir())


def test_what_passed_is_not_run_again(tmp_path: Path) -> None:
    assert ensure_program_conformance(OracleBackend(), "clang 1", tmp_path)
    assert not ensure_program_conformance(OracleBackend(), "clang 1", tmp_path)
    assert ensure_program_conformance(OracleBackend(), "clang 2", tmp_path)


@pytest.mark.timeout(120)  # compiles the quick vectors, unless an earlier test did
def test_backends_are_opened_by_name_and_only_after_they_passed() -> None:
    assert open_program_backend("numpy", {}, CACHE).name == "oracle"
    opened = open_program_backend("CPU", os.environ, CACHE)
    assert (opened.name, opened.device) == ("tinygrad", "CPU")
    with pytest.raises(DeviceUnavailable):
        open_program_backend("NO_SUCH_DEVICE", dict(os.environ), CACHE)
