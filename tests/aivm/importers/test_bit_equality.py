"""Quantised networks as programs give onnxruntime's bits, on whole networks of seven shapes."""

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
import pytest

from aivm.importers.model_file import load_model, quantize_input
from aivm.importers.quantizing import compute_model, import_onnx
from aivm.importers.quick import run_quickly
from aivm.oracle.graph.run import run_program
from tests.aivm.importers.networks import NETWORKS, get_shape, quantize_with_onnxruntime

FORMS: Final = {
    "qdq-signed": (True, True, False),
    "qdq-signed-channels": (True, True, True),
    "qdq-unsigned": (True, False, False),
    "operators-signed": (False, True, False),
    "operators-signed-channels": (False, True, True),
    "operators-unsigned": (False, False, False),
}
"""QDQ or QOperator, int8 or uint8, scales per channel. Mixed signs are left out: onnxruntime itself is wrong
there on processors without VNNI."""


def count_differences(name: str, form: str, rows: int, folder: Path) -> tuple[int, int]:
    """Outputs that differ from onnxruntime's, and outputs compared."""
    model = NETWORKS[name]()
    is_qdq, is_signed, is_per_channel = FORMS[form]
    source = np.random.default_rng(11)
    shape = get_shape(model)
    typical = source.normal(size=(64, *shape)).astype(np.float32)
    wider = source.normal(scale=1.2, size=(rows, *shape)).astype(np.float32)
    data = quantize_with_onnxruntime(
        model, typical, folder, is_qdq=is_qdq, is_signed=is_signed, is_per_channel=is_per_channel
    )
    options = onnxruntime.SessionOptions()
    # Otherwise onnxruntime turns int8 into uint8 beside int8 weights, leaves some convolutions in floats, and
    # is no exact reference of its own integer kernels.
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"x": wider})[0]
    found = compute_model(import_onnx(data).model, {"x": wider}, lambda *_: None)["y"]
    return int((found != wanted).sum()), wanted.size


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_program_gives_the_bits_of_onnxruntime(name: str, form: str, tmp_path: Path) -> None:
    different, compared = count_differences(name, form, 256, tmp_path)

    assert compared >= 256 * 5
    assert different == 0


@pytest.mark.slow
def test_a_million_outputs_are_equal(tmp_path: Path) -> None:
    compared = 0
    for name in NETWORKS:
        for form in FORMS:
            different, count = count_differences(name, form, 4096, tmp_path)
            assert different == 0, f"{name} as {form}: {different} of {count} differ"
            compared += count
    assert compared >= 1_000_000


@pytest.mark.parametrize("name", NETWORKS)
def test_the_quick_run_is_the_definition(name: str, tmp_path: Path) -> None:
    model = NETWORKS[name]()
    rows = np.random.default_rng(3).normal(size=(8, *get_shape(model))).astype(np.float32)
    data = quantize_with_onnxruntime(model, rows, tmp_path, is_qdq=True, is_signed=True, is_per_channel=True)
    imported = import_onnx(data)
    bound = load_model(imported.model)
    inputs = [quantize_input(imported.model.inputs[0], bound.plan.input_types[0], rows)]

    for quick, defined in zip(run_quickly(bound, inputs), run_program(bound, inputs), strict=True):
        np.testing.assert_array_equal(quick, defined)
