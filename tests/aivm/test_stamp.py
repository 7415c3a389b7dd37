"""A stamp saves the vectors' run, only for what passed, and only while nothing changed."""

import platform
from pathlib import Path

import pytest

from aivm.backends.numpy_backend import NumpyBackend
from aivm.conformance.stamp import compute_fingerprint, ensure_conformance
from aivm.errors import ConformanceFailure
from tests.aivm.test_conformance import NarrowAccumulator


def test_what_passed_is_not_run_again(tmp_path: Path) -> None:
    cache = tmp_path / "kernels"
    assert ensure_conformance(NumpyBackend(), "clang 1", cache)
    assert not ensure_conformance(NumpyBackend(), "clang 1", cache)
    assert ensure_conformance(NumpyBackend(), "clang 2", cache)


def test_what_fails_leaves_no_stamp(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ConformanceFailure):
            ensure_conformance(NarrowAccumulator(), "", tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_machine_or_device_is_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    here = compute_fingerprint(NumpyBackend(), "")
    assert here == compute_fingerprint(NumpyBackend(), "")
    monkeypatch.setattr(NumpyBackend, "device", "CUDA")
    there = compute_fingerprint(NumpyBackend(), "")
    updated = platform.uname()._replace(release="another")
    monkeypatch.setattr("platform.uname", lambda: updated)
    assert len({here, there, compute_fingerprint(NumpyBackend(), "")}) == 3
