"""Float networks through calibration: every operator that is read, close to the float model."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.importers.errors import InvalidCalibration, InvalidScale
from aivm.importers.model_file import load_model, quantize_input
from aivm.importers.pairs import compute_all_pairs, make_add
from aivm.importers.pruning import measure_sparsity, prune_weights
from aivm.importers.quantizing import compare, compute_model, import_quantized, quantize_graph
from aivm.importers.quick import run_quickly
from aivm.importers.reading import read_onnx
from aivm.importers.scales import Affine, make_affine, split_scale
from aivm.importers.values import Pair, Real
from aivm.oracle.graph.run import run_program
from aivm.program.building import Handle, make_input
from aivm.program.operators import LayerNorm, Mode, Softmax, Table
from aivm.program.types import DType
from tests.aivm.importers.networks import NETWORKS, NODE, draw, get_shape, make_model


def ignore(*_: object) -> None:
    """Progress that nobody watches."""


@pytest.mark.parametrize("name", NETWORKS)
def test_float_networks_stay_close(name: str) -> None:
    model = NETWORKS[name]()
    graph = read_onnx(model.SerializeToString())
    rows = np.random.default_rng(4).normal(size=(96, *get_shape(model))).astype(np.float32)

    imported = quantize_graph(graph, {"x": rows}, ignore)
    comparison = compare(graph, imported.model, {"x": rows}, None, ignore)

    assert comparison.rows == 96
    assert comparison.agreeing >= 88
    assert 0 < comparison.largest_difference < 0.5


def make_one(nodes: list[Any], shape: tuple[int, ...], **weights: Any) -> tuple[Any, Any]:
    """A graph and rows for it."""
    graph = read_onnx(make_model(nodes, shape, weights).SerializeToString())
    return graph, np.random.default_rng(4).normal(size=(64, *shape)).astype(np.float32)


W = draw(6, w=(4, 4), k=(4, 4, 3, 3), g=(4,), b=(4,), v=(4,))

CASES: dict[str, tuple[list[Any], tuple[int, ...], dict[str, Any]]] = {
    "gelu": (
        [NODE("Erf", ["x"], ["e"]), NODE("Mul", ["x", "e"], ["m"]), NODE("Tanh", ["m"], ["y"])],
        (6,),
        {},
    ),
    "transpose": ([NODE("Transpose", ["x"], ["t"], perm=[0, 2, 1]), NODE("Abs", ["t"], ["y"])], (3, 5), {}),
    "split": ([NODE("Split", ["x"], ["a", "b"], axis=1), NODE("Sub", ["a", "b"], ["y"])], (6,), {}),
    "slice": (
        [NODE("Slice", ["x", "s", "e", "a", "t"], ["y"])],
        (8,),
        {"s": np.array([6]), "e": np.array([0]), "a": np.array([1]), "t": np.array([-2])},
    ),
    "gather": ([NODE("Gather", ["x", "i"], ["y"], axis=1)], (5, 3), {"i": np.array([4, -1, 0])}),
    "mean": ([NODE("ReduceMean", ["x"], ["y"], axes=[2], keepdims=0)], (4, 6), {}),
    "maximum": ([NODE("ReduceMax", ["x"], ["y"], axes=[1], keepdims=1)], (4, 6), {}),
    "sum": ([NODE("ReduceSum", ["x", "a"], ["y"])], (4, 6), {"a": np.array([-1])}),
    "average": ([NODE("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])], (3, 6, 6), {}),
    "border": ([NODE("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])], (3, 6, 6), {}),
    "product": (
        [NODE("Transpose", ["x"], ["t"], perm=[0, 2, 1]), NODE("MatMul", ["x", "t"], ["y"])],
        (3, 5),
        {},
    ),
    "normalised": (
        [NODE("Conv", ["x", "k"], ["c"]), NODE("BatchNormalization", ["c", "g", "b", "b", "v"], ["y"])],
        (4, 6, 6),
        {"k": W["k"], "g": W["g"], "b": W["b"], "v": np.abs(W["v"]) + 1},
    ),
    "shape": (
        [
            NODE("Shape", ["x"], ["n"]),
            NODE("Gather", ["n", "z"], ["r"]),
            NODE("Concat", ["r", "m"], ["t"], axis=0),
            NODE("Reshape", ["x", "t"], ["y"]),
        ],
        (4, 3),
        {"z": np.array([0]), "m": np.array([12])},
    ),
    "padded": (
        [NODE("Conv", ["x", "k"], ["y"], auto_pad="SAME_UPPER", strides=[2, 2])],
        (4, 7, 7),
        {"k": W["k"]},
    ),
    "line": ([NODE("MaxPool", ["x"], ["y"], kernel_shape=[2], strides=[2])], (4, 6), {}),
    "constant": ([NODE("Add", ["x", "w"], ["a"]), NODE("Mul", ["a", "w"], ["y"])], (4, 4), {"w": W["w"]}),
    "divided": ([NODE("Div", ["x", "w"], ["y"])], (4,), {"w": np.array([1, 2, 4, 0.5], np.float32)}),
    "concat": ([NODE("Sigmoid", ["x"], ["s"]), NODE("Concat", ["x", "s"], ["y"], axis=-1)], (4,), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_operators_stay_within_a_few_steps(name: str) -> None:
    nodes, shape, weights = CASES[name]
    graph, rows = make_one(nodes, shape, **weights)
    imported = quantize_graph(graph, {"x": rows}, ignore)

    comparison = compare(graph, imported.model, {"x": rows}, None, ignore)
    found = compute_model(imported.model, {"x": rows}, ignore)["y"]

    assert comparison.largest_difference < 0.04 * np.abs(found).max(), "more than a few 256ths of the range"


@pytest.mark.parametrize("name", CASES)
def test_the_quick_run_of_an_operator_is_the_definition(name: str) -> None:
    nodes, shape, weights = CASES[name]
    graph, rows = make_one(nodes, shape, **weights)
    imported = quantize_graph(graph, {"x": rows}, ignore)
    bound = load_model(imported.model)
    inputs = [quantize_input(imported.model.inputs[0], bound.plan.input_types[0], rows[:8])]

    for quick, defined in zip(run_quickly(bound, inputs), run_program(bound, inputs), strict=True):
        np.testing.assert_array_equal(quick, defined)


def test_softmax_inside_a_network_and_at_its_end() -> None:
    graph, rows = make_one([NODE("Softmax", ["x"], ["s"]), NODE("MatMul", ["s", "w"], ["y"])], (4,), w=W["w"])
    inside = quantize_graph(graph, {"x": rows}, ignore)
    assert any(isinstance(node.operator, Softmax) for node in inside.model.program.nodes)
    assert compare(graph, inside.model, {"x": rows}, None, ignore).largest_difference < 0.02

    graph, rows = make_one([NODE("MatMul", ["x", "w"], ["a"]), NODE("Softmax", ["a"], ["y"])], (4,), w=W["w"])
    end = quantize_graph(graph, {"x": rows}, ignore)
    assert len(end.model.program.nodes) <= 2
    assert "computed by whoever reads it" in end.notes[0]
    shares = compute_model(end.model, {"x": rows}, ignore)["y"]
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_a_normalisation_written_in_small_nodes_is_recognised() -> None:
    nodes = [
        NODE("ReduceMean", ["x"], ["m"], axes=[2]),
        NODE("Sub", ["x", "m"], ["d"]),
        NODE("Mul", ["d", "d"], ["q"]),
        NODE("ReduceMean", ["q"], ["v"], axes=[2]),
        NODE("Add", ["v", "e"], ["a"]),
        NODE("Sqrt", ["a"], ["r"]),
        NODE("Div", ["d", "r"], ["n"]),
        NODE("Mul", ["n", "g"], ["s"]),
        NODE("Add", ["s", "b"], ["y"]),
    ]
    graph, rows = make_one(nodes, (5, 4), e=np.array(1e-5, np.float32), g=W["g"], b=W["b"])

    imported = quantize_graph(graph, {"x": rows}, ignore)

    assert [type(node.operator) for node in imported.model.program.nodes] == [LayerNorm]
    assert compare(graph, imported.model, {"x": rows}, None, ignore).largest_difference < 0.2, "alike numbers"


def test_a_function_in_many_nodes_is_one_table() -> None:
    nodes = [
        NODE("Mul", ["x", "c"], ["a"]),
        NODE("Mul", ["x", "a"], ["b"]),
        NODE("Tanh", ["b"], ["t"]),
        NODE("Mul", ["x", "t"], ["y"]),
    ]
    graph, rows = make_one(nodes, (4,), c=np.array(0.7, np.float32))

    imported = quantize_graph(graph, {"x": rows}, ignore)

    assert [type(node.operator) for node in imported.model.program.nodes] == [Table]


def test_a_model_exported_for_one_row_takes_any_number() -> None:
    nodes = [NODE("Reshape", ["x", "s"], ["f"]), NODE("MatMul", ["f", "w"], ["y"])]
    model = make_model(nodes, (2, 2), {"s": np.array([1, 4]), "w": W["w"]})
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = read_onnx(model.SerializeToString())
    rows = np.random.default_rng(4).normal(size=(40, 2, 2)).astype(np.float32)

    imported = quantize_graph(graph, {"x": rows}, ignore)

    assert compare(graph, imported.model, {"x": rows}, None, ignore).largest_difference < 0.05


def test_pruning_sets_the_smallest_weights_to_zero() -> None:
    graph = read_onnx(NETWORKS["dense"]().SerializeToString())

    pruned = prune_weights(graph, 0.5)

    assert measure_sparsity(graph) == 0
    assert measure_sparsity(pruned) == pytest.approx(0.5, abs=0.01)
    kept = pruned.constants["w"] != 0
    assert np.abs(graph.constants["w"][kept]).min() >= np.abs(graph.constants["w"][~kept]).max()
    with pytest.raises(InvalidCalibration):
        prune_weights(graph, 1.0)


@given(st.floats(2.0**-30, 2.0**20), st.sampled_from((Mode.RNE64, Mode.TFL1)))
def test_scales_keep_31_bits(scale: float, mode: Mode) -> None:
    multiplier, shift = split_scale(scale, mode, "x")
    assert abs(multiplier / 2**shift - scale) <= scale * 2.0**-31


@given(st.floats(2.0**-30, 2.0**20, width=32))
def test_float32_scales_are_exact(scale: float) -> None:
    multiplier, shift = split_scale(scale, Mode.ORT_F32, "x")
    assert multiplier / 2**shift == scale


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 2.0**40, 2.0**-80])
def test_scales_that_cannot_be_expressed(scale: float) -> None:
    with pytest.raises(InvalidScale):
        split_scale(scale, Mode.ORT_F32, "x")


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_zero_is_always_a_byte(first: float, second: float) -> None:
    affine = make_affine(min(first, second), max(first, second))
    assert float(affine.dequantize(affine.quantize(np.zeros(1)))[0]) == 0.0


def make_pair(operator: str) -> tuple[Pair, Affine]:
    left, right = Affine(DType.INT8, 0.02, 3), Affine(DType.INT8, 0.05, -7)
    sides = [
        Real(Handle("input", place, make_input(DType.INT8, 1)), affine.get_levels(), affine)
        for place, affine in enumerate((left, right))
    ]
    return Pair(sides[0], sides[1], operator), Affine(DType.INT8, 0.06, 1)


def test_all_pairs_of_bytes_are_near_their_sum() -> None:
    pair, affine = make_pair("Add")
    exact = pair.left.levels.astype(float)[:, None] + pair.right.levels.astype(float)[None, :]
    wanted = np.clip(exact / affine.scale + affine.zero, -128, 127)
    assert np.abs(compute_all_pairs(pair, affine) - wanted).max() <= 0.5001


def test_the_factors_of_a_sum_keep_30_bits() -> None:
    pair, affine = make_pair("Sub")
    operator = make_add(pair, affine)
    assert operator.left_multiplier / 2**operator.shift == pytest.approx(0.02 / 0.06, rel=1e-8)
    assert operator.right_multiplier < 0


def test_stored_means_over_windows_carry_a_note() -> None:
    nodes = [
        NODE("QuantizeLinear", ["x", "s"], ["q"]),
        NODE("DequantizeLinear", ["q", "s"], ["r"]),
        NODE("AveragePool", ["r"], ["m"], kernel_shape=[2, 2]),
        NODE("QuantizeLinear", ["m", "s"], ["p"]),
        NODE("DequantizeLinear", ["p", "s"], ["y"]),
    ]
    graph, _ = make_one(nodes, (2, 4, 4), s=np.array(0.1, np.float32))
    assert "may differ by one step" in import_quantized(graph).notes[0]
