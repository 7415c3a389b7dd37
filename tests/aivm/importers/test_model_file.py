"""Model files: what was written is read back, and what does not fit is refused."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.importers.errors import MalformedModel
from aivm.importers.finishing import Imported
from aivm.importers.model_file import (
    LOG_SOFTMAX,
    PLAIN,
    SOFTMAX,
    decode_model,
    dequantize_output,
    encode_model,
    get_scales,
    load_model,
    make_port,
    quantize_input,
)
from aivm.importers.quantizing import compute_model, quantize_graph
from aivm.importers.reading import read_onnx
from aivm.program.building import make_input
from aivm.program.errors import InitializerMismatch, InvalidInput
from aivm.program.types import DType
from tangle.core.errors import MalformedEncoding
from tests.aivm.importers.networks import NODE, draw, make_model

ROWS = np.random.default_rng(8).normal(size=(40, 96)).astype(np.float32)


def make_imported() -> Imported:
    """A model with one tensor too long to be written into its program."""
    model = make_model([NODE("Gemm", ["x", "w", "b"], ["y"])], (96,), draw(4, w=(96, 64), b=(64,)))
    return quantize_graph(read_onnx(model.SerializeToString()), {"x": ROWS}, lambda *_: None)


def test_a_file_is_read_back() -> None:
    imported = make_imported()
    data = encode_model(imported.model)

    again = decode_model(data)

    assert again == imported.model
    assert len(again.tensors) == 1
    assert load_model(again).plan.program_id == imported.program_id
    first, second = (
        compute_model(model, {"x": ROWS}, lambda *_: None)["y"] for model in (again, imported.model)
    )
    np.testing.assert_array_equal(first, second)


def test_changed_weights_are_not_those_of_the_program() -> None:
    model = make_imported().model
    changed = msgspec.structs.replace(model, tensors=(bytes(len(model.tensors[0])),))
    with pytest.raises(InitializerMismatch):
        load_model(changed)
    with pytest.raises(MalformedModel, match="weight tensors"):
        load_model(msgspec.structs.replace(model, tensors=()))
    with pytest.raises(MalformedModel, match="ports"):
        load_model(msgspec.structs.replace(model, outputs=()))


def test_bytes_that_are_no_file() -> None:
    data = encode_model(make_imported().model)
    for broken in (b"", data[:-1], data + b"\x00", b"\xa0"):
        with pytest.raises(MalformedEncoding):
            decode_model(broken)


@given(st.floats(2.0**-60, 2.0**60, width=32))
def test_scales_lose_nothing(scale: float) -> None:
    assert float(get_scales(make_port("x", scale, 0))) == scale


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((2, 5)), "shape"),
        (np.zeros(4), "shape"),
        (np.full((2, 4), np.nan), "no numbers"),
        (np.full((2, 4), "a"), "elements of type"),
    ],
)
def test_inputs_that_do_not_fit(values: np.ndarray, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refused:
        quantize_input(make_port("x", 0.5, 3), make_input(DType.INT8, 4), values)
    assert refused.value.code == "program-input-wrong"


def test_inputs_saturate_and_round_half_to_even() -> None:
    found = quantize_input(
        make_port("x", 0.5, 3), make_input(DType.INT8, 4), np.array([[0.25, 0.75, 1e9, -1e9]])
    )
    assert found.tolist() == [[3, 5, 127, -128]]


def test_integers_must_be_integers() -> None:
    port, declared = make_port("x", None, 0), make_input(DType.INT32, 2, low=0, high=9)
    assert quantize_input(port, declared, np.array([[1.0, 2.0]])).tolist() == [[1, 2]]
    with pytest.raises(InvalidInput, match="integers"):
        quantize_input(port, declared, np.array([[1.5, 2.0]]))
    with pytest.raises(InvalidInput, match="integers"):
        quantize_input(port, declared, np.array([[1.0, 2.0**40]]))


def test_outputs_as_numbers() -> None:
    values = np.array([[0, 2, 4]], np.int32)
    plain = dequantize_output(make_port("y", 0.5, 2, PLAIN), values)
    assert plain.tolist() == [[-1.0, 0.0, 1.0]]
    shares = dequantize_output(make_port("y", 0.5, 2, SOFTMAX), values)
    np.testing.assert_allclose(shares, np.exp(plain) / np.exp(plain).sum(), rtol=1e-6)
    logarithms = dequantize_output(make_port("y", 0.5, 2, LOG_SOFTMAX), values)
    np.testing.assert_allclose(logarithms, np.log(shares), rtol=1e-5)
    assert dequantize_output(make_port("y", None, 0), values).dtype == np.int64
