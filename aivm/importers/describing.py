"""What a program consists of, layer by layer, for people."""

from msgspec import Struct

from aivm.importers.model_file import ModelFile, Port, get_scales
from aivm.program.costs import compute_cost
from aivm.program.operators import get_name
from aivm.program.planning import Plan
from aivm.program.types import TensorType


class Layer(Struct, frozen=True):
    """One node of a program."""

    node: int
    """Its number."""

    operator: str
    """Name of its operator."""

    reads: tuple[int, ...]
    """Numbers of the tensors read."""

    shape: tuple[int, ...]
    """Shape of one row of its first result."""

    dtype: str
    """Element type of its first result."""

    low: int
    """Smallest value that can occur in it."""

    high: int
    """Largest value that can occur in it."""

    macs: int
    """Multiply-accumulates for one row."""

    steps: int
    """Other elementary steps for one row."""


def describe_layers(plan: Plan) -> tuple[Layer, ...]:
    """Every node of a program."""
    layers = []
    for place, node in enumerate(plan.program.nodes):
        operands = tuple(plan.types[number] for number in node.operands)
        results = tuple(plan.types[number] for number in plan.results[place])
        cost = compute_cost((node.operator,), operands, results)
        first = results[0]
        layers.append(
            Layer(
                node=place,
                operator=get_name(node.operator),
                reads=node.operands,
                shape=first.shape,
                dtype=first.dtype.name.lower(),
                low=first.low,
                high=first.high,
                macs=cost.macs,
                steps=cost.steps,
            )
        )
    return tuple(layers)


def describe_ports(model: ModelFile, plan: Plan) -> tuple[str, ...]:
    """A line for every input and output."""
    inputs = (_describe("input", *pair) for pair in zip(model.inputs, plan.input_types, strict=True))
    outputs = (_describe("output", *pair) for pair in zip(model.outputs, plan.output_types, strict=True))
    return (*inputs, *outputs)


def format_shape(shape: tuple[int, ...]) -> str:
    """Lengths for people."""
    return "x".join(map(str, shape)) or "1"


def _describe(kind: str, port: Port, tensor: TensorType) -> str:
    meaning = f"integers from {tensor.low} to {tensor.high}"
    if port.scales:
        meaning = f"scale {float(get_scales(port).ravel()[0]):.6g}, zero point {port.zero}"
    name = port.name.decode(errors="replace")
    return f"{kind} {name}: {format_shape(tensor.shape)} {tensor.dtype.name.lower()}, {meaning}"
