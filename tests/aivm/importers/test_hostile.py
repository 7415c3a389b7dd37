"""Corrupt and hostile models: one clear refusal each, with a stable code, before anything is computed."""

import sys
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from aivm.importers.errors import (
    CalibrationMissing,
    CustomOperator,
    CyclicModel,
    EmptyTensor,
    ExternalWeights,
    ImportRefused,
    InvalidCalibration,
    InvalidScale,
    LibraryMissing,
    MalformedModel,
    OversizeModel,
    UnsupportedNode,
)
from aivm.importers.quantizing import import_onnx, import_quantized, quantize_graph
from aivm.importers.reading import read_onnx
from aivm.program.errors import ProgramOverflow, ProgramTooLarge
from tangle.core.errors import TangleError
from tests.aivm.importers.networks import NETWORKS, NODE, draw, make_dense, make_model

ROWS = np.random.default_rng(5).normal(size=(16, 64)).astype(np.float32)


def ignore(*_: object) -> None:
    """Progress that nobody watches."""


def make_relu() -> Any:
    """A model of one node."""
    return make_model([NODE("Relu", ["x"], ["y"], name="only")], (4,), {})


def quantize_float(model: Any, rows: Any = None) -> None:
    quantize_graph(
        read_onnx(model.SerializeToString()), {"x": np.zeros((4, 4)) if rows is None else rows}, ignore
    )


@pytest.mark.parametrize("data", [b"", b"\x00", b"not a model", bytes(range(256)), b"\xff" * 1000])
def test_bytes_that_are_no_model(data: bytes) -> None:
    with pytest.raises(MalformedModel) as refused:
        read_onnx(data)
    assert refused.value.code == "model-malformed"


def test_a_model_that_was_cut_off_anywhere_is_refused_or_read() -> None:
    whole = make_dense().SerializeToString()
    refusals = 0
    for end in range(0, len(whole), 97):
        try:
            read_onnx(whole[:end])
        except ImportRefused:
            refusals += 1
    assert refusals > 100


def test_bytes_changed_anywhere_end_in_a_refusal_or_a_program() -> None:
    whole = make_stored(0.1)
    source = np.random.default_rng(9)
    for _ in range(1000):
        changed = bytearray(whole)
        for place in source.integers(0, len(whole), 3):
            changed[place] = int(source.integers(0, 256))
        with suppress(TangleError):
            import_onnx(bytes(changed))


@pytest.mark.parametrize("name", NETWORKS)
def test_float_models_changed_anywhere_end_in_a_refusal_or_a_program(name: str) -> None:
    whole = NETWORKS[name]().SerializeToString()
    source = np.random.default_rng(21)
    outcomes = {"made": 0, "refused": 0}
    for _ in range(60):
        changed = bytearray(whole)
        for place in source.integers(
            0, min(len(whole), 500), 2
        ):  # names, operators and attributes come first
            changed[place] = int(source.integers(0, 256))
        try:
            graph = read_onnx(bytes(changed))
            shapes = {
                entry.name: entry.shape if np.prod(entry.shape) < 2**16 else () for entry in graph.inputs
            }
            rows = {entry: np.ones((4, *shape), np.float32) for entry, shape in shapes.items()}
            quantize_graph(graph, rows, ignore)
            outcomes["made"] += 1
        except TangleError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 10


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (NODE("Add", ["x"], ["y"]), "has 1 operands"),
        (NODE("Relu", [""], ["y"]), "has 1 operands"),
        (NODE("MaxPool", ["x"], ["y"]), "lacks its attribute 'kernel_shape'"),
        (NODE("LeakyRelu", ["x"], ["y"], alpha=3), "of another type"),
        (NODE("Relu", ["x"], ["y"], beta=3.0), "has no attribute 'beta'"),
        (NODE("Relu", ["x"], ["y", "z"]), "has 2 results"),
    ],
    ids=["few", "empty", "incomplete", "mistyped", "strange", "many"],
)
def test_nodes_that_are_not_what_onnx_describes(node: Any, reason: str) -> None:
    with pytest.raises(MalformedModel, match=reason):
        read_onnx(make_model([node], (4,), {}).SerializeToString())


def test_an_operator_that_the_opset_has_not() -> None:
    with pytest.raises(UnsupportedNode, match="opset 9 has no such operator"):
        read_onnx(make_model([NODE("Gelu", ["x"], ["y"])], (4,), {}, opset=9).SerializeToString())


def test_a_cycle() -> None:
    nodes = [
        NODE("Add", ["x", "b"], ["a"], name="first"),
        NODE("Relu", ["a"], ["b"]),
        NODE("Relu", ["b"], ["y"]),
    ]
    with pytest.raises(CyclicModel) as refused:
        read_onnx(make_model(nodes, (4,), {}).SerializeToString())
    assert (refused.value.code, refused.value.node, refused.value.tensor) == ("model-cyclic", "'first'", "b")


def test_a_tensor_that_does_not_exist() -> None:
    with pytest.raises(MalformedModel, match="'nowhere', which does not exist"):
        read_onnx(make_model([NODE("Add", ["x", "nowhere"], ["y"])], (4,), {}).SerializeToString())


def test_a_tensor_given_twice() -> None:
    nodes = [NODE("Relu", ["x"], ["y"]), NODE("Abs", ["x"], ["y"])]
    with pytest.raises(MalformedModel, match="given twice"):
        read_onnx(make_model(nodes, (4,), {}).SerializeToString())


def test_huge_shapes_of_weights_and_inputs() -> None:
    model = make_dense()
    model.graph.initializer[0].dims[:] = [2**31, 2**31]
    with pytest.raises(OversizeModel) as refused:
        read_onnx(model.SerializeToString())
    assert refused.value.code == "model-too-large"
    with pytest.raises(OversizeModel):
        read_onnx(make_model([NODE("Relu", ["x"], ["y"])], (2**20, 2**20), {}).SerializeToString())


def test_a_constant_that_would_fill_the_memory() -> None:
    nodes = [NODE("ConstantOfShape", ["n"], ["huge"]), NODE("Add", ["x", "huge"], ["y"])]
    model = make_model(nodes, (4,), {"n": np.array([2**20, 2**20], np.int64)})
    with pytest.raises(OversizeModel):
        quantize_float(model)


def test_an_expansion_that_would_fill_the_memory() -> None:
    nodes = [NODE("Expand", ["x", "n"], ["huge"]), NODE("Relu", ["huge"], ["y"])]
    model = make_model(nodes, (4,), {"n": np.array([2**20, 2**20, 4], np.int64)})
    with pytest.raises(OversizeModel):
        quantize_float(model)


def test_bytes_in_another_file_are_never_opened() -> None:
    model = make_dense()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    with pytest.raises(ExternalWeights) as refused:
        read_onnx(model.SerializeToString())
    assert (refused.value.code, refused.value.tensor) == ("model-external-data", "w")


def test_a_custom_operator() -> None:
    model = make_model([NODE("Evil", ["x"], ["y"], domain="somebody.else", name="n")], (4,), {})
    with pytest.raises(CustomOperator) as refused:
        read_onnx(model.SerializeToString())
    assert refused.value.code == "model-operator-custom"
    assert "somebody.else:Evil" in str(refused.value)


def test_opset_imports_that_no_node_uses_do_not_matter() -> None:
    model = make_relu()
    model.opset_import.append(helper.make_opsetid("ai.onnx.preview", 1))
    model.opset_import.append(helper.make_opsetid("com.nobody", 7))
    assert read_onnx(model.SerializeToString()).opset == 17


def test_an_operator_that_integers_do_not_express_is_named() -> None:
    model = make_model([NODE("Det", ["x"], ["y"], name="determinant")], (4, 4), {})
    with pytest.raises(UnsupportedNode, match="node 'determinant' \\(Det\\)"):
        quantize_float(model, np.ones((4, 4, 4)))


def test_branches_and_loops() -> None:
    branch = helper.make_graph(
        [NODE("Relu", ["x"], ["z"])], "b", [], [helper.make_empty_tensor_value_info("z")]
    )
    node = NODE("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    with pytest.raises(UnsupportedNode, match="no fixed cost"):
        read_onnx(make_model([node], (4,), {"c": np.array(True)}).SerializeToString())


def test_zero_sizes() -> None:
    with pytest.raises(EmptyTensor) as refused:
        read_onnx(make_model([NODE("Relu", ["x"], ["y"])], (0,), {}).SerializeToString())
    assert refused.value.code == "model-size-zero"
    empty = make_model([NODE("MatMul", ["x", "w"], ["y"])], (4,), {"w": np.zeros((4, 0), np.float32)})
    with pytest.raises(EmptyTensor):
        read_onnx(empty.SerializeToString())


def test_a_length_that_is_not_fixed() -> None:
    model = make_relu()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "any"
    with pytest.raises(MalformedModel, match="has no length"):
        read_onnx(model.SerializeToString())


def make_stored(scale: float, terms: int = 4, bias: int = 0) -> bytes:
    """A quantised product of ``terms`` bytes."""
    weights: dict[str, Any] = {
        "s": np.array(scale, np.float32),
        "z": np.array(0, np.int8),
        "w": np.full((terms, 2), 127, np.int8),
        "b": np.full(2, bias, np.int32),
        "bs": np.array(np.float32(scale) * np.float32(scale), np.float32),
    }
    nodes = [
        NODE("QuantizeLinear", ["x", "s", "z"], ["q"]),
        NODE("DequantizeLinear", ["q", "s", "z"], ["r"]),
        NODE("DequantizeLinear", ["w", "s", "z"], ["v"]),
        NODE("DequantizeLinear", ["b", "bs"], ["c"]),
        NODE("Gemm", ["r", "v", "c"], ["y"]),
    ]
    model = make_model(nodes, (terms,), weights)
    return bytes(model.SerializeToString())


def test_sums_that_could_overflow() -> None:
    with pytest.raises(ProgramOverflow) as refused:
        import_onnx(make_stored(0.1, bias=2**24))
    assert refused.value.code == "program-overflow"
    assert "node 4 (Gemm) of the model" in str(refused.value)
    with pytest.raises(ProgramTooLarge):
        import_onnx(make_stored(0.1, terms=65_537))


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_scales_that_are_none(scale: float) -> None:
    with pytest.raises(InvalidScale) as refused:
        import_onnx(make_stored(scale))
    assert refused.value.code == "model-scale-invalid"


@pytest.mark.parametrize("scale", [np.nan, np.inf])
def test_scales_that_are_no_numbers(scale: float) -> None:
    with pytest.raises((InvalidScale, MalformedModel)):
        import_onnx(make_stored(scale))


def test_dynamic_quantisation_is_named() -> None:
    nodes = [
        NODE("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        NODE("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    with pytest.raises(UnsupportedNode, match="quantise statically"):
        import_quantized(read_onnx(make_model(nodes, (4,), {}).SerializeToString()))


def test_a_float_model_without_data() -> None:
    with pytest.raises(CalibrationMissing) as refused:
        import_onnx(make_dense().SerializeToString())
    assert refused.value.code == "calibration-missing"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (np.where(np.arange(64) == 9, np.nan, ROWS), "row 0 holds a value that is no number"),
        (np.where(np.arange(64) == 9, np.inf, ROWS), "row 0 holds"),
        (ROWS[:, :63], "shape"),
        (ROWS[0], "shape"),
        (ROWS[:0], "0 rows"),
        (np.full((4, 64), "a"), "are no numbers"),
    ],
    ids=["nan", "infinite", "narrow", "flat", "empty", "text"],
)
def test_calibration_data_that_does_not_fit(rows: Any, reason: str) -> None:
    with pytest.raises(InvalidCalibration, match=reason) as refused:
        quantize_graph(read_onnx(make_dense().SerializeToString()), {"x": rows}, ignore)
    assert refused.value.code == "calibration-invalid"


def test_calibration_data_under_another_name() -> None:
    with pytest.raises(InvalidCalibration, match="it is missing"):
        quantize_graph(read_onnx(make_dense().SerializeToString()), {"one": ROWS, "other": ROWS}, ignore)


def test_weights_that_are_no_numbers() -> None:
    model = make_dense()
    broken = draw(1, w=(64, 48))["w"]
    broken[3, 3] = np.nan
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(broken, "w"))
    with pytest.raises(MalformedModel, match="no numbers"):
        read_onnx(model.SerializeToString())


def test_weights_whose_bytes_do_not_fit_their_shape() -> None:
    model = make_dense()
    model.graph.initializer[0].dims[:] = [64, 49]
    with pytest.raises(MalformedModel, match="do not fit"):
        read_onnx(model.SerializeToString())


def test_numbers_do_not_become_integers_on_the_way() -> None:
    nodes = [
        NODE("Cast", ["x"], ["i"], to=TensorProto.INT64),
        NODE("Cast", ["i"], ["y"], to=TensorProto.FLOAT),
    ]
    with pytest.raises(UnsupportedNode, match="by quantisation only"):
        quantize_float(make_model(nodes, (4,), {}))


def test_rows_cannot_be_mixed() -> None:
    nodes = [NODE("ReduceSum", ["x", "a"], ["y"], keepdims=1)]
    with pytest.raises(UnsupportedNode, match="one row for each"):
        quantize_float(make_model(nodes, (4,), {"a": np.array([0], np.int64)}))


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(LibraryMissing, match=r"pip install 'tangle-node\[onnx\]'") as refused:
        read_onnx(b"")
    assert refused.value.code == "library-missing"
