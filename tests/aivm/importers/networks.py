"""Small ONNX networks with random weights, as frameworks export them, and their quantised forms."""

from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

Weights = dict[str, NDArray[Any]]

NODE = helper.make_node


def make_model(
    nodes: list[Any], shape: tuple[int, ...], weights: Weights, *, opset: int = 17, output: str = "y"
) -> Any:
    """A model with input ``x`` of one row's shape and output ``y``."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", *shape])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def draw(seed: int, **shapes: tuple[int, ...]) -> Weights:
    """Weights scaled by the number of products in a sum."""
    source = np.random.default_rng(seed)
    return {
        name: (source.normal(size=shape) / np.sqrt(prod(shape[1:]))).astype(np.float32)
        for name, shape in shapes.items()
    }


def make_dense() -> Any:
    nodes = [
        NODE("Gemm", ["x", "w", "b"], ["a"]),
        NODE("Relu", ["a"], ["r"]),
        NODE("Gemm", ["r", "v", "c"], ["y"]),
    ]
    return make_model(nodes, (64,), draw(1, w=(64, 48), b=(48,), v=(48, 10), c=(10,)))


def make_products() -> Any:
    nodes = [
        NODE("MatMul", ["x", "w"], ["a"]),
        NODE("Add", ["a", "b"], ["s"]),
        NODE("Relu", ["s"], ["r"]),
        NODE("MatMul", ["r", "v"], ["y"]),
    ]
    return make_model(nodes, (64,), draw(2, w=(64, 48), b=(48,), v=(48, 10)))


def make_convolution() -> Any:
    nodes = [
        NODE("Conv", ["x", "k", "b"], ["a"], pads=[1, 1, 1, 1]),
        NODE("Relu", ["a"], ["r"]),
        NODE("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        NODE("Conv", ["p", "l", "c"], ["d"], strides=[2, 2]),
        NODE("Relu", ["d"], ["e"]),
        NODE("Flatten", ["e"], ["f"]),
        NODE("Gemm", ["f", "w", "g"], ["y"]),
    ]
    shapes = {"k": (8, 1, 3, 3), "b": (8,), "l": (16, 8, 2, 2), "c": (16,), "w": (64, 10), "g": (10,)}
    return make_model(nodes, (1, 8, 8), draw(3, **shapes))


def make_residual() -> Any:
    nodes = [
        NODE("Conv", ["x", "k", "b"], ["a"], pads=[1, 1, 1, 1]),
        NODE("Relu", ["a"], ["r"]),
        NODE("Conv", ["r", "l", "c"], ["d"], pads=[1, 1, 1, 1]),
        NODE("Add", ["d", "r"], ["s"]),
        NODE("Relu", ["s"], ["t"]),
        NODE("GlobalAveragePool", ["t"], ["m"]),
        NODE("Flatten", ["m"], ["f"]),
        NODE("Gemm", ["f", "w", "g"], ["y"]),
    ]
    shapes = {"k": (8, 3, 3, 3), "b": (8,), "l": (8, 8, 3, 3), "c": (8,), "w": (8, 5), "g": (5,)}
    return make_model(nodes, (3, 8, 8), draw(4, **shapes))


def make_depthwise() -> Any:
    nodes = [
        NODE("Conv", ["x", "k", "b"], ["a"], pads=[1, 1, 1, 1], group=4),
        NODE("Clip", ["a", "low", "high"], ["r"]),
        NODE("Conv", ["r", "l", "c"], ["d"]),
        NODE("Sigmoid", ["d"], ["s"]),
        NODE("Mul", ["d", "s"], ["m"]),
        NODE("Flatten", ["m"], ["f"]),
        NODE("MatMul", ["f", "w"], ["y"]),
    ]
    weights = draw(5, k=(4, 1, 3, 3), b=(4,), l=(8, 4, 1, 1), c=(8,), w=(288, 7))
    limits = {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    return make_model(nodes, (4, 6, 6), weights | limits)


def make_branches() -> Any:
    nodes = [
        NODE("Conv", ["x", "k", "b"], ["a"]),
        NODE("Conv", ["x", "l", "c"], ["d"]),
        NODE("Concat", ["a", "d"], ["s"], axis=1),
        NODE("Relu", ["s"], ["r"]),
        NODE("Flatten", ["r"], ["f"]),
        NODE("Gemm", ["f", "w", "g"], ["y"], transB=1),
    ]
    shapes = {"k": (8, 3, 3, 3), "b": (8,), "l": (4, 3, 3, 3), "c": (4,), "w": (5, 432), "g": (5,)}
    return make_model(nodes, (3, 8, 8), draw(6, **shapes))


def make_sequence() -> Any:
    nodes = [
        NODE("Conv", ["x", "k", "b"], ["a"], pads=[2, 2]),
        NODE("LeakyRelu", ["a"], ["r"], alpha=0.1),
        NODE("GlobalAveragePool", ["r"], ["m"]),
        NODE("Flatten", ["m"], ["f"]),
        NODE("Gemm", ["f", "w", "g"], ["y"]),
    ]
    return make_model(nodes, (6, 32), draw(7, k=(8, 6, 5), b=(8,), w=(8, 5), g=(5,)))


NETWORKS: Final[dict[str, Callable[[], Any]]] = {
    "dense": make_dense,
    "products": make_products,
    "convolution": make_convolution,
    "residual": make_residual,
    "depthwise": make_depthwise,
    "branches": make_branches,
    "sequence": make_sequence,
}


def get_shape(model: Any) -> tuple[int, ...]:
    """Shape of one row of a network's input."""
    return tuple(length.dim_value for length in model.graph.input[0].type.tensor_type.shape.dim[1:])


class Reader(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
    """Hands rows to onnxruntime's quantiser."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self._chunks: Iterator[NDArray[np.float32]] = iter(np.array_split(rows, 4))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        chunk = next(self._chunks, None)
        return None if chunk is None else {"x": chunk}


def quantize_with_onnxruntime(
    model: Any,
    rows: NDArray[np.float32],
    folder: Path,
    *,
    is_qdq: bool,
    is_signed: bool,
    is_per_channel: bool,
) -> bytes:
    """A quantised model as onnxruntime's own tool makes it."""
    onnx.save(model, folder / "float.onnx")
    kind = QuantType.QInt8 if is_signed else QuantType.QUInt8
    quantize_static(
        folder / "float.onnx",
        folder / "quantized.onnx",
        Reader(rows),
        quant_format=QuantFormat.QDQ if is_qdq else QuantFormat.QOperator,
        activation_type=kind,
        weight_type=kind,
        per_channel=is_per_channel,
    )
    return (folder / "quantized.onnx").read_bytes()
