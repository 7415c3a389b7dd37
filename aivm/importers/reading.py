"""Reads an ONNX file into a graph, and refuses what is corrupt or hostile before anything is computed.

Only the bytes handed in are read: tensors whose bytes lie in other files are refused. Opset imports of
domains that no node uses are ignored (quantisers leave such behind).
"""

from math import prod
from typing import Any, Final

import numpy as np

from aivm.importers.errors import (
    CustomOperator,
    CyclicModel,
    EmptyTensor,
    ExternalWeights,
    LibraryMissing,
    MalformedModel,
    OversizeModel,
    UnsupportedNode,
)
from aivm.importers.graph import FILE_SIZE_MAX, GRAPH_NODES_MAX, Array, Graph, GraphInput, GraphNode
from aivm.importers.rows import free_rows
from aivm.importers.schemas import verify_node
from aivm.program.limits import ELEMENTS_MAX, INPUTS_MAX

KIND: Final = "ONNX"

OPSET_MIN: Final = 9
"""Oldest opset: before it, broadcasting and shapes were attributes."""

DOMAINS: Final = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Domains whose operators are looked at; one name means one operator among them."""

NUMBER_KINDS: Final = "fiub"
"""Kinds of numpy element types that a tensor may have: floats, integers, truth values."""


def load_library() -> Any:
    """The ``onnx`` package.

    :raises LibraryMissing: it is not installed.
    """
    try:
        import onnx
        import onnx.reference  # the package does not import it by itself
    except ImportError:
        raise LibraryMissing("onnx", "onnx") from None
    return onnx


def read_onnx(data: bytes) -> Graph:
    """Read a model.

    :raises LibraryMissing: the package ``onnx`` is not installed.
    :raises ImportRefused: the model is corrupt, cyclic, too large, needs other files or custom operators.
    """
    onnx = load_library()
    if len(data) > FILE_SIZE_MAX:
        raise OversizeModel("the size of the file in bytes", len(data), FILE_SIZE_MAX)
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError, or whatever its back ends leak on hostile bytes
        raise MalformedModel(KIND, f"its bytes cannot be parsed ({type(error).__name__})") from None
    graph = model.graph
    _verify_texts(graph)
    if not graph.node or not graph.output:
        raise MalformedModel(KIND, "it has no nodes or no outputs")
    if len(graph.node) > GRAPH_NODES_MAX:
        raise OversizeModel("the number of nodes", len(graph.node), GRAPH_NODES_MAX)
    if graph.sparse_initializer:
        raise MalformedModel(KIND, "sparse tensors are not read")
    opset = _read_opset(model)
    constants = {tensor.name: _read_tensor(onnx, tensor, tensor.name) for tensor in graph.initializer}
    inputs = tuple(_read_input(onnx, value) for value in graph.input if value.name not in constants)
    if not 1 <= len(inputs) <= INPUTS_MAX:
        raise MalformedModel(KIND, f"it has {len(inputs)} inputs")
    nodes = []
    for place, proto in enumerate(graph.node):
        node = _read_node(onnx, proto, place, opset)
        if node.operator == "Constant":
            constants[node.outputs[0]] = _read_constant(node)
        else:
            nodes.append(node)
    outputs = tuple(value.name for value in graph.output)
    checked = _verify_order(Graph(opset, tuple(nodes), constants, inputs, outputs))
    fixed = _get_fixed_rows(graph, constants)
    return checked if fixed is None else free_rows(checked, fixed)


def _get_fixed_rows(graph: Any, constants: dict[str, Array]) -> int | None:
    # How many rows the model was exported for, where it says a number.
    first = next(value for value in graph.input if value.name not in constants)
    dimension = first.type.tensor_type.shape.dim[0]
    return int(dimension.dim_value) if dimension.HasField("dim_value") else None


def _verify_texts(graph: Any) -> None:
    # Protobuf hands text that is no UTF-8 out as bytes.
    texts = [entry.name for group in (graph.input, graph.output, graph.initializer) for entry in group]
    for node in graph.node:
        texts += [node.name, node.op_type, node.domain, *node.input, *node.output]
        texts += [attribute.name for attribute in node.attribute]
    if not all(isinstance(text, str) for text in texts):
        raise MalformedModel(KIND, "a name in it is no text")


def _read_opset(model: Any) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] < OPSET_MIN:
        raise MalformedModel(KIND, f"it names opset {versions or 'none'}; read is {OPSET_MIN} and later")
    return int(versions[0])


def _read_tensor(onnx: Any, tensor: Any, name: str) -> Array:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ExternalWeights(name)
    shape = tuple(tensor.dims)
    if any(length < 0 for length in shape):
        raise MalformedModel(KIND, f"tensor {name!r} has shape {shape}")
    if prod(shape) > ELEMENTS_MAX:
        raise OversizeModel(f"the number of elements of tensor {name!r}", prod(shape), ELEMENTS_MAX)
    try:
        array: Array = onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # numpy's and the package's errors for bytes that do not fit the shape
        raise MalformedModel(KIND, f"the bytes of tensor {name!r} do not fit {shape} ({error})") from None
    if array.dtype.kind not in NUMBER_KINDS:
        raise MalformedModel(KIND, f"tensor {name!r} holds {array.dtype}, not numbers")
    if array.dtype.kind == "f" and not array.size:  # empty lists of integers say something; weights do not
        raise EmptyTensor(name, shape)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        if array.size == 1 and np.isinf(array).all():  # a bound may be infinite
            return array
        raise MalformedModel(KIND, f"tensor {name!r} holds values that are no numbers")
    return array


def _read_input(onnx: Any, value: Any) -> GraphInput:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
        raise MalformedModel(KIND, f"input {value.name!r} is no tensor of a known rank")
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    except KeyError:
        raise MalformedModel(KIND, f"input {value.name!r} has element type {kind.elem_type}") from None
    if not kind.shape.dim:
        raise MalformedModel(KIND, f"input {value.name!r} has no dimension that counts rows")
    shape = []
    for place, dimension in enumerate(kind.shape.dim):
        if place == 0:  # rows: any number of them
            continue
        if not dimension.HasField("dim_value"):
            raise MalformedModel(
                KIND,
                f"dimension {place} of input {value.name!r} has no length; export the model with a fixed one",
            )
        shape.append(dimension.dim_value)
    if min(shape, default=1) < 1:
        raise EmptyTensor(value.name, tuple(shape))
    if prod(shape) > ELEMENTS_MAX:
        raise OversizeModel(f"the number of elements of input {value.name!r}", prod(shape), ELEMENTS_MAX)
    return GraphInput(value.name, dtype, tuple(shape))


def _read_node(onnx: Any, proto: Any, place: int, opset: int) -> GraphNode:
    name = repr(proto.name) if proto.name else str(place)
    if proto.domain not in DOMAINS:
        raise CustomOperator(
            name, f"{proto.domain}:{proto.op_type}", "the meaning of its domain is not known"
        )
    verify_node(onnx, proto, name, opset)
    attributes: dict[str, Any] = {}
    for attribute in proto.attribute:
        if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            raise UnsupportedNode(name, proto.op_type, "branches and loops have no fixed cost")
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.type == onnx.AttributeProto.TENSOR:
            value = _read_tensor(onnx, value, f"{proto.op_type}.{attribute.name}")
        elif attribute.type == onnx.AttributeProto.STRING:
            value = value.decode(errors="replace")
        attributes[attribute.name] = value
    return GraphNode(name, proto.op_type, tuple(proto.input), tuple(proto.output), attributes)


def _read_constant(node: GraphNode) -> Array:
    for name, dtype in (
        ("value_float", "f4"),
        ("value_int", "i8"),
        ("value_floats", "f4"),
        ("value_ints", "i8"),
    ):
        if name in node.attributes:
            return np.array(node.attributes[name], dtype)
    value = node.attributes.get("value")
    if not isinstance(value, np.ndarray):
        raise UnsupportedNode(node.name, node.operator, "the constant is no tensor of numbers")
    return value


def _verify_order(graph: Graph) -> Graph:
    # ONNX asks for topological order, so whoever reads what comes later waits for itself.
    known = {"", *graph.constants, *(entry.name for entry in graph.inputs)}
    given: set[str] = set()
    for node in graph.nodes:
        for name in node.outputs:
            if name and (name in given or name in known):
                raise MalformedModel(KIND, f"tensor {name!r} is given twice")
            given.add(name)
    for node in graph.nodes:
        for name in node.inputs:
            if name not in known and name not in given:
                raise MalformedModel(KIND, f"node {node.name} reads {name!r}, which does not exist")
    for node in graph.nodes:
        missing = next((name for name in node.inputs if name not in known), None)
        if missing is not None:
            raise CyclicModel(node.name, missing)
        known.update(node.outputs)
    for name in graph.outputs:
        if not name or name not in known:
            raise MalformedModel(KIND, f"output {name!r} is given by no node")
    return graph
