"""Operators that move elements. Rows stay first: whatever mixes rows is refused."""

from math import prod

import numpy as np

from aivm.importers.errors import UnsupportedNode
from aivm.importers.graph import Array, GraphNode
from aivm.importers.translation import Translation, get_changing_axis
from aivm.importers.values import Constant, Index, Joined, Packed, Pair, Raw, Real, Shares, Sum, Value
from aivm.program.binding import ROWS_MAX
from aivm.program.building import Handle
from aivm.program.operators import Concat, Gather, Reshape, Transpose

Movable = Real | Sum | Raw | Index
"""Values that are one tensor of integers."""


def get_movable(translation: Translation, node: GraphNode, place: int = 0) -> Movable:
    """An operand as one tensor of integers."""
    value = translation.values[node.get_input(place)]
    match value:
        case Real() | Sum() | Raw() | Index():
            return value
        case Pair() | Joined() | Shares():
            return translation.get_bytes(node, place)[0]
        case Constant() | Packed():
            pass
    raise UnsupportedNode(node.name, node.operator, "it reads nothing but constants")


def with_handle(
    translation: Translation, node: GraphNode, value: Movable, handle: Handle, scale: Array
) -> Movable:
    """The same value with other integers.

    :param scale: scales of a sum, moved alike.
    """
    match value:
        case Real():
            return Real(handle, value.levels, value.affine)
        case Sum():
            for axis in range(scale.ndim):  # back to the shortest form
                first = np.take(scale, [0], axis=axis)
                if np.array_equal(np.broadcast_to(first, scale.shape), scale):
                    scale = first
            if get_changing_axis(scale)[0] is None:
                translation.refuse(node, "scales of its operand change along several dimensions")
            return Sum(handle, scale if scale.size > 1 else scale.reshape(()), value.low, value.high)
        case Raw():
            return Raw(handle, value.affine)
        case Index():
            return Index(handle)


def spread_scale(value: Movable) -> Array:
    """Scales of a sum for every element of a row; nothing for others."""
    if not isinstance(value, Sum):
        return np.zeros(())
    if value.scale.size == 1:
        return np.broadcast_to(value.scale.reshape(()), value.handle.type.shape)
    return np.broadcast_to(value.scale, value.handle.type.shape)


def reshape_value(
    translation: Translation, node: GraphNode, value: Movable, shape: tuple[int, ...]
) -> Movable:
    """A value whose rows have another shape."""
    if value.handle.type.shape == shape:
        return value
    handle = translation.builder.add(Reshape(shape), value.handle)
    scale = spread_scale(value).reshape(shape) if isinstance(value, Sum) else np.zeros(())
    return with_handle(translation, node, value, handle, scale)


def transpose_value(
    translation: Translation, node: GraphNode, value: Movable, order: tuple[int, ...]
) -> Movable:
    """A value whose rows have their dimensions in another order."""
    if order == tuple(range(len(order))):
        return value
    handle = translation.builder.add(Transpose(order), value.handle)
    scale = spread_scale(value).transpose(order) if isinstance(value, Sum) else np.zeros(())
    return with_handle(translation, node, value, handle, scale)


def get_axis(translation: Translation, node: GraphNode, axis: int, rank: int) -> int:
    """A dimension of a row from ONNX's number, which counts rows and may be negative.

    :param rank: dimensions of one row.
    """
    place = axis + rank + 1 if axis < 0 else axis
    if place == 0:
        translation.refuse(node, "it mixes rows: dimension 0 counts them")
    if not 1 <= place <= rank:
        translation.refuse(node, f"there is no dimension {axis}")
    return place - 1


def get_axes(translation: Translation, node: GraphNode, place: int) -> tuple[int, ...] | None:
    """Dimensions as an attribute (older opsets) or as an operand; None when all are meant."""
    if "axes" in node.attributes:
        return tuple(node.attributes["axes"])
    operand = translation.get_constant(node, place)
    return None if operand is None else tuple(int(axis) for axis in operand.ravel())


def translate_reshape(translation: Translation, node: GraphNode) -> None:
    """Rows of another shape."""
    value = get_movable(translation, node)
    target = translation.get_constant(node, 1)
    if target is None or target.ndim != 1 or not len(target):
        translation.refuse(node, "its shape must be constant")
    wanted = [int(length) for length in target]
    shape, elements = value.handle.type.shape, value.handle.type.elements
    if wanted[0] not in (0, -1, 1):
        translation.refuse(node, f"shape {tuple(wanted)} mixes rows: its first length must be 0, 1 or -1")
    rest = list(wanted[1:])
    for place, length in enumerate(rest):
        if length == 0 and place < len(shape) and not node.attributes.get("allowzero"):
            rest[place] = shape[place]
    if rest.count(-1) == 1:
        known = -prod(rest)
        if known > 0 and elements % known == 0:
            rest[rest.index(-1)] = elements // known
    if prod(rest) != elements or min(rest, default=1) < 1:
        translation.refuse(node, f"rows of shape {shape} do not become {tuple(wanted[1:])}")
    translation.values[node.outputs[0]] = reshape_value(translation, node, value, tuple(rest))


def translate_flatten(translation: Translation, node: GraphNode) -> None:
    """Rows as vectors."""
    value = get_movable(translation, node)
    if int(node.attributes.get("axis", 1)) != 1:
        translation.refuse(node, "only flattening of whole rows keeps them apart")
    translation.values[node.outputs[0]] = reshape_value(
        translation, node, value, (value.handle.type.elements,)
    )


def translate_squeeze(translation: Translation, node: GraphNode) -> None:
    """Rows without dimensions of length 1."""
    value = get_movable(translation, node)
    shape = value.handle.type.shape
    axes = get_axes(translation, node, 1)
    if axes is None:
        translation.refuse(node, "which dimensions go must be said")
    places = {get_axis(translation, node, axis, len(shape)) for axis in axes}
    if any(shape[place] != 1 for place in places):
        translation.refuse(node, f"dimensions {sorted(places)} of {shape} are not all of length 1")
    kept = tuple(length for place, length in enumerate(shape) if place not in places)
    translation.values[node.outputs[0]] = reshape_value(translation, node, value, kept)


def translate_unsqueeze(translation: Translation, node: GraphNode) -> None:
    """Rows with more dimensions of length 1."""
    value = get_movable(translation, node)
    axes = get_axes(translation, node, 1) or ()
    shape = list(value.handle.type.shape)
    rank = len(shape) + len(axes)
    for place in sorted(get_axis(translation, node, axis, rank) for axis in axes):
        shape.insert(place, 1)
    translation.values[node.outputs[0]] = reshape_value(translation, node, value, tuple(shape))


def translate_transpose(translation: Translation, node: GraphNode) -> None:
    """Dimensions in another order, rows staying first."""
    value = get_movable(translation, node)
    rank = value.handle.type.rank
    order = tuple(node.attributes.get("perm", tuple(reversed(range(rank + 1)))))
    if sorted(order) != list(range(rank + 1)) or order[0] != 0:
        translation.refuse(node, f"order {order} mixes rows or does not fit rank {rank + 1}")
    moved = transpose_value(translation, node, value, tuple(place - 1 for place in order[1:]))
    translation.values[node.outputs[0]] = moved


def translate_concat(translation: Translation, node: GraphNode) -> None:
    """Tensors one after the other; their common scale is decided by who reads them."""
    parts: list[Value] = [translation.values[name] for name in node.inputs]
    first = next((part for part in parts if not isinstance(part, (Constant, Packed))), None)
    if first is None or isinstance(first, (Raw, Index)):
        translation.refuse(node, "it joins tensors without scales")
    rank = len(get_shape(first))
    axis = get_axis(translation, node, int(node.attributes["axis"]), rank)
    lowered: list[Value] = []
    for place, part in enumerate(parts):
        if isinstance(part, (Constant, Packed)):
            lowered.append(Constant(translation.drop_rows(node, part.array, rank)))
        elif isinstance(part, (Pair, Shares, Joined)):
            lowered.append(translation.get_bytes(node, place)[0])
        else:
            lowered.append(part)
    affines = {part.affine if isinstance(part, Real) else None for part in lowered}
    shared = next(iter(affines))
    if len(affines) == 1 and shared is not None:  # already of one scale: nothing to decide
        handle = translation.builder.add(
            Concat(axis), *(part.handle for part in lowered if isinstance(part, Real))
        )
        translation.values[node.outputs[0]] = Real(handle, shared.get_levels(), shared)
        return
    translation.values[node.outputs[0]] = Joined(tuple(lowered), axis)


def get_shape(value: Value) -> tuple[int, ...]:
    """Shape of one row of a tensor."""
    match value:
        case Real() | Sum() | Raw() | Index():
            return value.handle.type.shape
        case Pair():
            return np.broadcast_shapes(value.left.handle.type.shape, value.right.handle.type.shape)
        case Shares():
            return value.base.handle.type.shape
        case Joined():
            shapes = [list(get_shape(part)) for part in value.parts]
            shapes[0][value.axis] = sum(shape[value.axis] for shape in shapes)
            return tuple(shapes[0])
        case Constant() | Packed():
            return value.array.shape


def take_places(
    translation: Translation, node: GraphNode, value: Movable, axis: int, places: Array
) -> Movable:
    """Some places of a dimension, in the order given."""
    length = value.handle.type.shape[axis]
    if np.array_equal(places, np.arange(length)):
        return value
    if not places.size:
        translation.refuse(node, "nothing is left of a dimension")
    indices = translation.builder.add_initializer(places.astype(np.int32))
    handle = translation.builder.add(Gather(axis), value.handle, indices)
    scale = np.take(spread_scale(value), places, axis=axis) if isinstance(value, Sum) else np.zeros(())
    return with_handle(translation, node, value, handle, scale)


def translate_slice(translation: Translation, node: GraphNode) -> None:
    """Parts of dimensions."""
    value = get_movable(translation, node)
    rank = value.handle.type.rank
    if "starts" in node.attributes:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes = node.attributes.get("axes", range(len(starts)))
        steps = [1] * len(starts)
    else:
        starts, ends = (_get_list(translation, node, place) for place in (1, 2))
        axes = _get_list(translation, node, 3) or range(len(starts))
        steps = _get_list(translation, node, 4) or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step == 0:
            translation.refuse(node, "a step of 0")
        if axis in (0, -rank - 1):
            if start == 0 and end >= ROWS_MAX and step == 1:
                continue
            translation.refuse(node, "it takes some rows only")
        place = get_axis(translation, node, axis, rank)
        length = value.handle.type.shape[place]
        value = take_places(translation, node, value, place, np.arange(length)[slice(start, end, step)])
    translation.values[node.outputs[0]] = value


def translate_split(translation: Translation, node: GraphNode) -> None:
    """A dimension cut into parts."""
    value = get_movable(translation, node)
    axis = get_axis(translation, node, int(node.attributes.get("axis", 0)), value.handle.type.rank)
    length = value.handle.type.shape[axis]
    sizes = list(node.attributes.get("split", ())) or _get_list(translation, node, 1)
    if not sizes:
        size = -(-length // len(node.outputs))
        sizes = [min(size, length - size * place) for place in range(len(node.outputs))]
    if sum(sizes) != length or len(sizes) != len(node.outputs):
        translation.refuse(node, f"a length of {length} does not split into {sizes}")
    start = 0
    for name, size in zip(node.outputs, sizes, strict=True):
        translation.values[name] = take_places(translation, node, value, axis, np.arange(start, start + size))
        start += size


def _get_list(translation: Translation, node: GraphNode, place: int) -> list[int]:
    operand = translation.get_constant(node, place)
    return [] if operand is None else [int(item) for item in operand.ravel()]
