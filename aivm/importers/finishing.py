"""From a translated graph to a model file: its outputs, and only what they depend on."""

import numpy as np
from msgspec import Struct

from aivm.importers.errors import UnsupportedNode
from aivm.importers.graph import GraphNode
from aivm.importers.model_file import (
    LOG_SOFTMAX,
    PLAIN,
    SOFTMAX,
    VERSION,
    ModelFile,
    Port,
    get_externals,
    make_port,
)
from aivm.importers.scales import Affine, split_scale
from aivm.importers.translation import Translation
from aivm.importers.values import Constant, Index, Packed, Raw, Real, Shares, Sum, Value
from aivm.program.building import Handle
from aivm.program.operators import Clip, Mode, Requantize
from aivm.program.planning import Plan, plan_program
from aivm.program.record import compute_program_id
from aivm.program.types import DType
from tangle.core.types import Digest


class Imported(Struct, frozen=True, eq=False):
    """What an import gives."""

    model: ModelFile
    """The model."""

    plan: Plan
    """Its program, checked."""

    notes: tuple[str, ...]
    """What a person should know: where bits differ from the framework's, what was left out."""

    @property
    def program_id(self) -> Digest:
        """Id of the program."""
        return compute_program_id(self.model.program)


def finish(translation: Translation) -> Imported:
    """The model of a translated graph.

    :raises UnsupportedNode: an output is a constant, or has no form as integers.
    :raises InvalidProgram: the program is refused as a whole.
    """
    handles, outputs = [], []
    for name in translation.graph.outputs:
        handle, port = _make_output(translation, name)
        handles.append(handle)
        outputs.append(port)
    inputs = [_make_input_port(translation, entry.name) for entry in translation.graph.inputs]
    plan = plan_program(translation.builder.collect(*handles))
    if len(plan.input_types) != len(inputs):
        raise UnsupportedNode("input", "input", "no output depends on an input")
    contents = translation.builder.contents
    tensors = tuple(contents[Digest(identity)] for identity in get_externals(plan))
    model = ModelFile(VERSION, plan.program, tensors, tuple(inputs), tuple(outputs))
    return Imported(model, plan, tuple(translation.notes))


def _make_input_port(translation: Translation, name: str) -> Port:
    value = translation.values[name]
    match value:
        case Real(affine=Affine() as affine):
            return make_port(name, affine.scale, affine.zero)
        case _:
            return make_port(name, None, 0)


def _make_output(translation: Translation, name: str) -> tuple[Handle, Port]:
    node = GraphNode("output", "output", (name,), (name,), {})
    value: Value = translation.values[name]
    activation = PLAIN
    if isinstance(value, Shares) and value.axis == value.base.handle.type.rank - 1:
        activation = LOG_SOFTMAX if value.is_log else SOFTMAX
        translation.notes.append(f"output {name!r}: its softmax is computed by whoever reads it")
        value = value.base
    match value:
        case Constant() | Packed():
            raise UnsupportedNode("output", name, "it is a constant")
        case Index():
            return value.handle, make_port(name, None, 0)
        case Raw():
            affine = value.affine
            if affine is None:
                return value.handle, make_port(name, None, 0)
            return value.handle, make_port(name, affine.scale, affine.zero, activation)
        case Sum():
            return _close_sum(translation, node, value, activation)
        case _:
            if isinstance(value, Real) and value.affine is not None:
                real, affine = value, value.affine
            else:
                real, affine = translation.get_bytes(node, 0)
            return real.handle, make_port(name, affine.scale, affine.zero, activation)


def _close_sum(translation: Translation, node: GraphNode, value: Sum, activation: int) -> tuple[Handle, Port]:
    handle, scale = value.handle, value.scale
    if translation.ranges is None:
        if (value.low, value.high) != (-np.inf, np.inf) and (value.low, value.high) != (0.0, np.inf):
            raise UnsupportedNode(node.name, node.outputs[0], "a limited sum must be quantised")
        if scale.size > 1 and scale.shape[-1] != scale.size:
            raise UnsupportedNode(node.name, node.outputs[0], "its scales change along an inner dimension")
        if value.low == 0.0:
            handle = translation.builder.add(Clip(0, 2**31 - 1), handle)
        return handle, make_port(node.outputs[0], scale, 0, activation)
    common = np.float32(scale.max())
    if scale.size > 1:  # integers of different scales could not be compared
        parts = [split_scale(float(step / common), Mode.RNE64, node.outputs[0]) for step in scale.ravel()]
        multipliers, shifts = (tuple(part[place] for part in parts) for place in (0, 1))
        axis = next(place for place, length in enumerate(scale.shape) if length > 1)
        axis += handle.type.rank - scale.ndim
        operator = Requantize(Mode.RNE64, DType.INT32, axis, multipliers, shifts, 0, 0)
        handle = translation.builder.add(operator, handle)
    low, high = (
        int(np.clip(np.rint(end / common), -(2**31) + 1, 2**31 - 1)) for end in (value.low, value.high)
    )
    if low > handle.type.low or high < handle.type.high:
        handle = translation.builder.add(Clip(low, high), handle)
    return handle, make_port(node.outputs[0], float(common), 0, activation)
