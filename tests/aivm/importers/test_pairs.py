"""Sums and products of two tensors: all 65,536 pairs of bytes against onnxruntime, whatever the scales."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from aivm.importers.model_file import load_model
from aivm.importers.quantizing import import_onnx
from aivm.oracle.graph.run import run_program
from aivm.program.operators import Add, Gather, Mul

TIES = (0.5, 3, 0.5, -2, 0.5, 1)
"""Scales and zero points whose products fall halfway between two bytes all the time."""

SOURCE = np.random.default_rng(6)

DRAWN = [
    tuple(
        part
        for scale, zero in zip(SOURCE.uniform(0.005, 0.1, 3), SOURCE.integers(-128, 128, 3), strict=True)
        for part in (float(np.float32(scale)), int(zero))
    )
    for _ in range(4)
]
"""Scale and zero point of both operands and of the result."""


def make_model(operator: str, parts: tuple[Any, ...], element: int, offset: int) -> bytes:
    """One operator of onnxruntime's, reading bytes and giving bytes."""
    dtype = helper.tensor_dtype_to_np_dtype(element)
    names = ("a_scale", "a_zero", "b_scale", "b_zero", "y_scale", "y_zero")
    constants = [
        numpy_helper.from_array(
            np.array(part, np.float32) if name.endswith("scale") else np.array(part + offset, dtype), name
        )
        for name, part in zip(names, parts, strict=True)
    ]
    inputs = ["a", "a_scale", "a_zero", "b", "b_scale", "b_zero", "y_scale", "y_zero"]
    node = helper.make_node(operator, inputs, ["y"], domain="com.microsoft")
    values = [helper.make_tensor_value_info(name, element, ["rows", 1]) for name in "aby"]
    graph = helper.make_graph([node], "pair", values[:2], values[2:], constants)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())


@pytest.mark.parametrize("element", [TensorProto.INT8, TensorProto.UINT8], ids=["signed", "unsigned"])
@pytest.mark.parametrize("operator", ["QLinearAdd", "QLinearMul"])
@pytest.mark.parametrize("parts", [TIES, *DRAWN])
def test_all_pairs_of_bytes(operator: str, element: int, parts: tuple[Any, ...]) -> None:
    is_signed = element == TensorProto.INT8
    data = make_model(operator, parts, element, 0 if is_signed else 128)
    low = -128 if is_signed else 0
    codes = np.arange(low, low + 256).astype(np.int8 if is_signed else np.uint8)
    left, right = (side.reshape(-1, 1) for side in np.meshgrid(codes, codes, indexing="ij"))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"a": left, "b": right})[0]

    bound = load_model(import_onnx(data).model)
    found = run_program(bound, [left[:65_536], right[:65_536]])[0]

    assert found.size == 65_536
    np.testing.assert_array_equal(found, wanted)


def test_a_table_is_taken_only_where_integer_arithmetic_differs() -> None:
    kinds = []
    for operator, parts in (("QLinearMul", TIES), ("QLinearAdd", DRAWN[0])):
        model = import_onnx(make_model(operator, parts, TensorProto.INT8, 0)).model
        kinds.append({type(node.operator) for node in model.program.nodes})
    assert Gather in kinds[0]
    assert Mul not in kinds[0]
    assert kinds[1] == {Add}
