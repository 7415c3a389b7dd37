"""The state of one translation: what every name stands for, and how numbers become bytes of a wanted scale.

Two kinds of models pass through here. A quantised model says each scale itself, and the program gives
onnxruntime's bits (mode ORT_F32). A float model says none: a tensor that is needed as bytes gets the scale
of its calibrated range (mode RNE64).
"""

from collections.abc import Mapping
from math import inf
from typing import Final, NoReturn

import numpy as np

from aivm.importers.collecting import Collector
from aivm.importers.errors import CalibrationMissing, UnsupportedNode
from aivm.importers.graph import Array, Graph, GraphNode, count_readers
from aivm.importers.pairs import add_pair
from aivm.importers.scales import Affine, make_affine, split_scale
from aivm.importers.values import Constant, Index, Joined, Packed, Pair, Raw, Real, Shares, Sum, Value
from aivm.program.building import Handle
from aivm.program.operators import Clip, Concat, Mode, Requantize, Softmax, Table
from aivm.program.types import HIGHEST, LOWEST, DType

SHARE: Final = Affine(DType.INT8, 1 / 256, -128)
"""What a softmax gives."""

EXPONENTIAL_BITS: Final = 24
"""Fraction bits of a softmax's table."""


class Translation:
    """One model on its way to a program."""

    def __init__(self, graph: Graph, ranges: Mapping[str, tuple[float, float]] | None) -> None:
        """:param ranges: calibrated range of every tensor by name; None for a quantised model."""
        self.graph = graph
        self.ranges = ranges
        self.mode = Mode.ORT_F32 if ranges is None else Mode.RNE64
        self.builder = Collector()
        self.values: dict[str, Value] = {name: Constant(array) for name, array in graph.constants.items()}
        self.notes: list[str] = []
        self.readers = count_readers(graph)

    def refuse(self, node: GraphNode, reason: str) -> NoReturn:
        """:raises UnsupportedNode: always."""
        raise UnsupportedNode(node.name, node.operator, reason)

    def get_constant(self, node: GraphNode, place: int) -> Array | None:
        """An operand that must be known now; None when it is left out."""
        name = node.get_input(place)
        if not name:
            return None
        value = self.values[name]
        if not isinstance(value, (Constant, Packed)):
            self.refuse(node, f"{name!r} must be a constant")
        return value.array

    def get_bytes(self, node: GraphNode, place: int) -> tuple[Real, Affine]:
        """An operand as bytes with scale and zero point."""
        name = node.get_input(place)
        value = self.values[name]
        if isinstance(value, Real) and value.affine is not None:
            return value, value.affine
        affine = self.get_range(node, name, value)
        real = Real(self.bring(node, value, affine), affine.get_levels(), affine)
        self.values[name] = real
        return real, affine

    def get_range(self, node: GraphNode, name: str, value: Value) -> Affine:
        """Scale and zero point for a tensor that has none.

        :raises CalibrationMissing: this is a quantised model, and it does not say them.
        """
        if isinstance(value, Shares):
            return SHARE
        if isinstance(value, (Constant, Packed)):
            if isinstance(value, Packed) and value.scales.size == 1 and value.integers.dtype != np.int32:
                dtype = DType.INT8 if value.integers.dtype == np.int8 else DType.UINT8
                return Affine(dtype, float(value.scales.ravel()[0]), value.zero)
            return make_affine(float(value.array.min()), float(value.array.max()))
        if self.ranges is None or name not in self.ranges:
            raise CalibrationMissing(node.name, name)
        return make_affine(*self.ranges[name])

    def bring(self, node: GraphNode, value: Value, affine: Affine) -> Handle:
        """The bytes of a tensor in a wanted scale, as ``QuantizeLinear`` would give them."""
        match value:
            case Real():
                if value.affine == affine:
                    return value.handle
                return self.add_table(value.handle, affine.quantize(value.levels))
            case Sum():
                return self._bring_sum(node, value, affine)
            case Pair():
                return add_pair(self.builder, value, affine, is_exact=self.ranges is None)
            case Joined():
                parts = [self.bring(node, part, affine) for part in value.parts]
                return self.builder.add(Concat(value.axis), *parts)
            case Shares():
                if self.ranges is None:
                    self.notes.append(
                        f"{value.name!r}: onnxruntime computes this softmax in floats; a byte may differ"
                    )
                shares = Real(self._add_softmax(node, value), SHARE.get_levels(), SHARE)
                return self.bring(node, shares, affine)
            case Constant() | Packed():
                return self.builder.add_initializer(affine.quantize(self.drop_rows(node, value.array)))
            case Raw() | Index():
                pass
        raise UnsupportedNode(node.name, node.operator, "it needs numbers and reads integers without a scale")

    def drop_rows(self, node: GraphNode, array: Array, rank: int | None = None) -> Array:
        """A constant without the dimension that counts rows.

        :param rank: dimensions of one row of what it is combined with.
        """
        if rank is not None and array.ndim == rank + 1:
            if array.shape[0] != 1:
                self.refuse(node, f"a constant of shape {array.shape} differs from row to row")
            return np.asarray(array[0])
        return array

    def add_table(self, handle: Handle, entries: Array) -> Handle:
        """Look every byte up."""
        return self.builder.add(Table(), handle, self.builder.add_initializer(entries))

    def limit(self, handle: Handle, affine: Affine, low: float, high: float) -> Handle:
        """Bytes limited to a range of numbers; nothing is added where they cannot leave it."""
        least, most = (
            int(affine.quantize(np.array(end))) if end not in (-inf, inf) else limits[affine.dtype]
            for end, limits in ((low, LOWEST), (high, HIGHEST))
        )
        if least <= handle.type.low and most >= handle.type.high:
            return handle
        return self.builder.add(Clip(least, max(least, most)), handle)

    def _bring_sum(self, node: GraphNode, value: Sum, affine: Affine) -> Handle:
        ratios = value.scale.astype(np.float32) / np.float32(affine.scale)
        axis, flat = get_changing_axis(ratios)
        if axis is None:
            self.refuse(node, "its scale changes along more than one dimension")
        parts = [split_scale(float(ratio), self.mode, node.outputs[0]) for ratio in flat]
        multipliers, shifts = (tuple(part[place] for part in parts) for place in (0, 1))
        rank = value.handle.type.rank
        if len(flat) > 1:
            axis += rank - ratios.ndim
        scaled = self.builder.add(
            Requantize(self.mode, affine.dtype, axis, multipliers, shifts, 0, affine.zero), value.handle
        )
        return self.limit(scaled, affine, value.low, value.high)

    def _add_softmax(self, node: GraphNode, value: Shares) -> Handle:
        base = value.base
        if value.is_log:
            self.refuse(node, "logarithms of shares are left to whoever reads an output")
        if isinstance(base, Real) and base.affine is not None:
            handle, affine = base.handle, base.affine
        else:
            affine = self.get_range(node, value.name, base)
            handle = self.bring(node, base, affine)
        steps = np.exp(-np.arange(256) * affine.scale)
        table = np.rint(steps * 2**EXPONENTIAL_BITS).astype(np.int32)
        return self.builder.add(Softmax(value.axis, DType.INT8), handle, self.builder.add_initializer(table))


def get_changing_axis(scales: Array) -> tuple[int | None, Array]:
    """The one dimension along which scales differ, and them; None for several dimensions."""
    long = [place for place, length in enumerate(scales.shape) if length > 1]
    if not long:
        return 0, scales.ravel()
    return (long[0] if len(long) == 1 else None), scales.ravel()
