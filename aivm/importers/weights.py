"""Dense networks from safetensors weights: layers ``NAME.weight`` (outputs, inputs) and ``NAME.bias``, as
PyTorch's ``Linear`` names them, with a ReLU between each two.

The file holds arrays and no graph, so only this known shape is read. Nothing in a safetensors file is code.
"""

import json
import re
from math import prod
from typing import Any, Final

import numpy as np

from aivm.importers.errors import EmptyTensor, MalformedModel, OversizeModel
from aivm.importers.graph import FILE_SIZE_MAX, Array, Graph, GraphInput, GraphNode
from aivm.program.limits import ELEMENTS_MAX

KIND: Final = "safetensors"

HEADER_SIZE_MAX: Final = 2**20
"""Longest header in bytes: thousands of tensors; the format itself allows a hundred times as much."""

LENGTH_SIZE: Final = 8
"""Bytes of the header's length."""

DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("<i1"),
    "U8": np.dtype("<u1"),
}
"""Element types that are read."""

OPSET: Final = 17
"""Opset of the graph that is made."""


def read_safetensors(data: bytes) -> dict[str, Array]:
    """Arrays by name. Source: the safetensors format: header length, JSON header, bytes without gaps.

    :raises MalformedModel: header or offsets are not what the format asks for.
    :raises OversizeModel: the file, its header or a tensor is over a limit.
    """
    if len(data) > FILE_SIZE_MAX:
        raise OversizeModel("the size of the file in bytes", len(data), FILE_SIZE_MAX)
    length = int.from_bytes(data[:LENGTH_SIZE], "little")
    if len(data) < LENGTH_SIZE or length > len(data) - LENGTH_SIZE:
        raise MalformedModel(KIND, "it ends within its header")
    if length > HEADER_SIZE_MAX:
        raise OversizeModel("the size of the header in bytes", length, HEADER_SIZE_MAX)
    try:
        header: Any = json.loads(data[LENGTH_SIZE : LENGTH_SIZE + length], object_pairs_hook=_refuse_twins)
    except (ValueError, RecursionError):
        raise MalformedModel(KIND, "its header is no JSON, or names a tensor twice") from None
    if not isinstance(header, dict):
        raise MalformedModel(KIND, "its header is no object")
    header.pop("__metadata__", None)
    body = memoryview(data)[LENGTH_SIZE + length :]
    found, place = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: _get_start(item[1])):
        found[name], place = _read_entry(name, entry, body, place)
    if place != len(body):
        raise MalformedModel(KIND, f"{len(body) - place} bytes belong to no tensor")
    return found


def make_dense_graph(arrays: dict[str, Array]) -> Graph:
    """A network of dense layers, in the order of the numbers in their names.

    :raises MalformedModel: names or shapes are not those of dense layers that follow each other.
    """
    names = sorted(
        (name.removesuffix(".weight") for name in arrays if name.endswith(".weight")), key=_get_order
    )
    if not names:
        raise MalformedModel(KIND, "there is no NAME.weight in it")
    known = {f"{name}.{part}" for name in names for part in ("weight", "bias")}
    strange = sorted(set(arrays) - known)
    if strange:
        raise MalformedModel(
            KIND, f"tensor {strange[0]!r} belongs to no dense layer; export the model as ONNX"
        )
    nodes, tensor = [], "input"
    width = None
    for place, name in enumerate(names):
        weights, bias = arrays[f"{name}.weight"], arrays.get(f"{name}.bias")
        if weights.ndim != 2 or (width is not None and weights.shape[1] != width):
            raise MalformedModel(KIND, f"{name}.weight of shape {weights.shape} after {width} outputs")
        width = weights.shape[0]
        if bias is not None and bias.shape != (width,):
            raise MalformedModel(KIND, f"{name}.bias of shape {bias.shape} for {width} outputs")
        inputs = (tensor, f"{name}.weight", *((f"{name}.bias",) if bias is not None else ()))
        tensor = "output" if place == len(names) - 1 else f"{name}.sum"
        nodes.append(GraphNode(name, "Gemm", inputs, (tensor,), {"transB": 1}))
        if place < len(names) - 1:
            nodes.append(GraphNode(f"{name}.relu", "Relu", (tensor,), (f"{name}.output",), {}))
            tensor = f"{name}.output"
    first = arrays[f"{names[0]}.weight"].shape[1]
    constants = {name: array.astype(np.float32) for name, array in arrays.items()}
    entry = GraphInput("input", np.dtype(np.float32), (first,))
    return Graph(OPSET, tuple(nodes), constants, (entry,), ("output",))


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name twice")
    return entries


def _get_start(entry: Any) -> int:
    try:
        return int(entry["data_offsets"][0])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        raise MalformedModel(KIND, "an entry of its header has no offsets") from None


def _read_entry(name: str, entry: dict[str, Any], body: memoryview, place: int) -> tuple[Array, int]:
    shape, offsets = entry.get("shape"), entry["data_offsets"]
    dtype = DTYPES.get(str(entry.get("dtype")))
    if dtype is None:
        raise MalformedModel(KIND, f"tensor {name!r} has elements of type {str(entry.get('dtype'))[:20]!r}")
    if not isinstance(shape, list) or any(type(item) is not int or item < 0 for item in shape):
        raise MalformedModel(KIND, f"tensor {name!r} has no shape")
    if prod(shape) > ELEMENTS_MAX:
        raise OversizeModel(f"the number of elements of tensor {name!r}", prod(shape), ELEMENTS_MAX)
    if prod(shape) == 0:
        raise EmptyTensor(name, tuple(shape))
    end = place + prod(shape) * dtype.itemsize
    if list(offsets) != [place, end] or end > len(body):
        raise MalformedModel(KIND, f"the bytes of tensor {name!r} are not where its shape puts them")
    array: Array = np.frombuffer(body[place:end], dtype).reshape(shape)
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise MalformedModel(KIND, f"tensor {name!r} holds values that are no numbers")
    return array, end


def _get_order(name: str) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", name)[:8] if len(number) < 10], name
