"""The programs and inputs of the vectors: every operator at its edges.

A recipe builds one program of several nodes, so that few programs have to be compiled. Inputs are rows: all
lowest, all highest, both ends in turn, then drawn; where special values matter (ties, powers of two) they are
written out.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from msgspec import Struct

from aivm.program.binding import Tensor
from aivm.program.building import Handle, ProgramBuilder, make_input
from aivm.program.operators import (
    Add,
    Argmax,
    AveragePool,
    Border,
    Centering,
    Clip,
    Concat,
    Conv2d,
    Gather,
    LayerNorm,
    Matmul,
    MaxPool,
    Mode,
    Mul,
    Requantize,
    Reshape,
    Softmax,
    Table,
    TopK,
    Transpose,
)
from aivm.program.types import DType

INT8, UINT8, INT32 = DType.INT8, DType.UINT8, DType.INT32
NONE = (0, 0, 0, 0)
ONE = (1, 1)


class Recipe(Struct, frozen=True):
    """How one vector is made."""

    name: str
    """What it is for; also the seed of what is drawn."""

    build: Callable[[ProgramBuilder, "Source"], tuple[Handle, ...]]
    """Adds inputs and nodes; gives the outputs."""

    rows: int = 4
    """Rows, unless ``values`` says otherwise."""

    values: tuple[int, ...] = ()
    """One row that stands in for drawn ones: the elements of the only input."""

    is_quick: bool = False
    """Whether every start of a node runs it."""


class Source:
    """Numbers drawn from SHAKE-256 of a name."""

    def __init__(self, name: str) -> None:
        """:param name: what to hash."""
        self._stream = self._draw(name)

    def take(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``."""
        return low + next(self._stream) % (high - low + 1)

    def make(self, dtype: type[np.integer[Any]], low: int, high: int, *shape: int) -> Tensor:
        """A tensor of drawn integers."""
        count = int(np.prod(shape))
        return np.array([self.take(low, high) for _ in range(count)], dtype).reshape(shape)

    def _draw(self, name: str) -> Iterator[int]:
        block = 0
        while True:
            data = hashlib.shake_256(f"tangle-aivm-program-1/{name}/{block}".encode()).digest(4096)
            for place in range(0, len(data), 4):
                yield int.from_bytes(data[place : place + 4], "little")
            block += 1


def _build_matmul(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    left = builder.add_input(make_input(INT8, 3, 5))
    other = builder.add_input(make_input(UINT8, 5, 4))
    one = builder.add_input(make_input(INT8, 1))
    weights = builder.add_initializer(source.make(np.int8, -127, 127, 5, 4))
    bias = builder.add_initializer(np.array([2**23, -(2**23), 0, 1], np.int32))
    return (
        builder.add(Matmul(-128, 0), left, weights, bias),
        builder.add(Matmul(127, -3), left, weights),
        builder.add(Matmul(0, 255), left, other),
        builder.add(Matmul(0, 0), one, builder.add_initializer(np.array([[-128]], np.int8))),
    )


def _build_long_sums(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    row = builder.add_input(make_input(INT8, 1024))
    same = builder.add_initializer(np.stack([np.full(1024, 127), np.full(1024, -127)], 1).astype(np.int8))
    drawn = builder.add_initializer(source.make(np.uint8, 0, 255, 1024, 3))
    return builder.add(Matmul(-128, 0), row, same), builder.add(Matmul(127, 255), row, drawn)


def _build_batched_matmul(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    left = builder.add_input(make_input(UINT8, 2, 3, 4))
    right = builder.add_input(make_input(UINT8, 2, 4, 2))
    shared = builder.add_initializer(source.make(np.uint8, 0, 255, 4, 3))
    return builder.add(Matmul(128, 128), left, right), builder.add(Matmul(0, 128), left, shared)


def _build_conv2d(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    image = builder.add_input(make_input(INT8, 4, 6, 5))
    full = builder.add_initializer(source.make(np.int8, -127, 127, 3, 4, 3, 3))
    point = builder.add_initializer(source.make(np.int8, -127, 127, 2, 4, 1, 1))
    depthwise = builder.add_initializer(source.make(np.int8, -127, 127, 8, 1, 2, 3))
    halves = builder.add_initializer(np.full((2, 2, 2, 2), -127, np.int8))
    bias = builder.add_initializer(np.array([2**23, -(2**23), 5], np.int32))
    return (
        builder.add(Conv2d(ONE, (1, 1, 1, 1), ONE, 1, -128, 0), image, full, bias),
        builder.add(Conv2d((2, 1), (2, 0, 1, 3), (1, 2), 1, 5, 0), image, full),
        builder.add(Conv2d((2, 3), NONE, ONE, 1, 0, 1), image, point),
        builder.add(Conv2d(ONE, (0, 1, 0, 1), ONE, 4, 127, 0), image, depthwise),
        builder.add(Conv2d((3, 2), (0, 0, 1, 0), (2, 1), 2, 3, -2), image, halves),
    )


def _build_unsigned_conv2d(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    image = builder.add_input(make_input(UINT8, 1, 3, 3))
    large = builder.add_initializer(source.make(np.uint8, 0, 255, 2, 1, 5, 5))
    return (builder.add(Conv2d(ONE, (1, 1, 1, 1), ONE, 1, 128, 128), image, large),)


def _make_edges() -> tuple[int, ...]:
    edges = {0}
    for power in range(31):
        edges |= {2**power - 1, 2**power, 2**power + 1}
    edges |= {2**24 + 3, 2**25 + 2, 2**25 + 6, 3 * 2**23 + 1, 2**31 - 64, 2**31 - 65, 2**31 - 1}
    edges |= set(range(0, 130, 1))  # with a scale of 1/8 these are ties of every parity
    edges = {edge for edge in edges if edge < 2**31}
    return tuple(sorted(edges | {-edge for edge in edges}))


EDGES: Final = _make_edges()
"""Sums at which roundings may err: ties, powers of two, what a float32 cannot hold, both signs."""


def _make_requantize(mode: Mode) -> Callable[[ProgramBuilder, Source], tuple[Handle, ...]]:
    low, high = (2**23, 2**24 - 1) if mode is Mode.ORT_F32 else (2**30, 2**31 - 1)
    base = low.bit_length() - 1

    def build(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
        sums = builder.add_input(make_input(INT32, 1, len(EDGES)))
        pairs = [(low, base), (low, base + 1), (low, base + 3), (low + 1, base + 3), (high, base + 4)]
        pairs += [(high, base + 24), (low, 62), (high, 62), (low, 1), (low, 0)]
        pairs.append((source.take(low, high), base + 16))
        multipliers, shifts = zip(*pairs, strict=True)
        repeated = builder.add(Concat(0), *[sums] * len(pairs))  # each scale is one channel
        halves = Requantize(mode, INT32, 0, (low,), (base + 1,), 0, -7)
        unsigned = Requantize(mode, UINT8, 0, (low,), (base + 3,), 0, 128)
        return (
            builder.add(Requantize(mode, INT8, 0, multipliers, shifts, 0, 0), repeated),
            builder.add(halves, sums),
            builder.add(unsigned, sums),
        )

    return build


def _make_channels(mode: Mode) -> Callable[[ProgramBuilder, Source], tuple[Handle, ...]]:
    low, high = (2**23, 2**24 - 1) if mode is Mode.ORT_F32 else (2**30, 2**31 - 1)
    base = low.bit_length() - 1

    def build(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
        sums = builder.add_input(make_input(INT32, 5, 6, low=-(2**20), high=2**20))
        small = builder.add_input(make_input(UINT8, 5))
        multipliers = (low, high, *(source.take(low, high) for _ in range(3)))
        shifts = (base + 13, base + 14, base + 1, 0, 62)
        channels = Requantize(mode, INT8, 0, multipliers, shifts, 0, 3)
        columns = Requantize(mode, UINT8, 1, (low,) * 6, tuple(base + step for step in range(10, 16)), 1, 255)
        rescaled = Requantize(mode, INT8, 0, multipliers, (base, base + 1, base, base + 2, 0), 255, -128)
        return builder.add(channels, sums), builder.add(columns, sums), builder.add(rescaled, small)

    return build


def _build_add(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    left = builder.add_input(make_input(INT8, 2, 8))
    right = builder.add_input(make_input(UINT8, 8))
    constant = builder.add_initializer(source.make(np.int8, -128, 127, 2, 1))
    wide = builder.add_input(make_input(INT32, 2, 8))
    return tuple(
        builder.add(operator, first, second)
        for first, second, operator in (
            (left, right, Add(Mode.RNE64, INT8, -128, 255, 2**20, 3 * 2**19, 21, 3)),
            (left, right, Add(Mode.TFL1, UINT8, 127, 0, -(2**20), 2**20, 21, 128)),
            (left, constant, Add(Mode.RNE64, INT8, 0, 0, 1, 1, 1, 0)),
            (constant, left, Add(Mode.TFL1, INT8, 0, 0, 1, 1, 1, 0)),
            (left, left, Add(Mode.RNE64, INT32, 0, 0, 1, 1, 0, 0)),
            (wide, right, Add(Mode.RNE64, INT32, 0, 128, 2**30, 2**31 - 1, 31, 0)),
            (wide, left, Add(Mode.RNE64, INT8, 0, 0, 2**30, -(2**31) + 1, 62, 0)),
        )
    )


def _build_mul(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    left = builder.add_input(make_input(INT8, 2, 8))
    right = builder.add_input(make_input(UINT8, 8))
    wide = builder.add_input(make_input(INT32, 8, low=-(2**22), high=2**22))
    scalar = builder.add_initializer(np.array(-127, np.int8))
    return (
        builder.add(Mul(-128, 255), left, right),
        builder.add(Mul(0, 0), right, wide),
        builder.add(Mul(0, 0), left, scalar),
    )


def _build_bytes(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    signed = builder.add_input(make_input(INT8, 256))
    unsigned = builder.add_input(make_input(UINT8, 256))
    wide = builder.add_input(make_input(INT32, 9))
    tables = (
        source.make(np.int8, -128, 127, 256),
        source.make(np.uint8, 0, 255, 256),
        source.make(np.int32, -(2**31) + 1, 2**31 - 1, 256),
    )
    looked_up = [
        builder.add(Table(), operand, builder.add_initializer(table))
        for operand in (signed, unsigned)
        for table in tables
    ]
    return (
        *looked_up,
        builder.add(Clip(0, 127), signed),
        builder.add(Clip(-128, -128), signed),
        builder.add(Clip(6, 250), unsigned),
        builder.add(Clip(-(2**31) + 1, -1), wide),
    )


def _build_maxpool(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    image = builder.add_input(make_input(INT8, 2, 5, 6))
    wide = builder.add_input(make_input(INT32, 1, 2, 2))
    return (
        builder.add(MaxPool((2, 2), (2, 2), NONE, ONE), image),
        builder.add(MaxPool((3, 3), ONE, (1, 1, 1, 1), ONE), image),
        builder.add(MaxPool((2, 3), (1, 2), (1, 0, 0, 2), (2, 1)), image),
        builder.add(MaxPool((5, 6), ONE, NONE, ONE), image),
        builder.add(MaxPool((1, 1), (2, 2), NONE, ONE), image),
        builder.add(MaxPool((2, 2), ONE, (1, 1, 1, 1), ONE), wide),
    )


def _build_averagepool(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    image = builder.add_input(make_input(INT8, 2, 5, 6))
    unsigned = builder.add_input(make_input(UINT8, 2, 5, 6))
    return (
        builder.add(AveragePool((2, 2), (2, 2), NONE, Border.IGNORED, 0), image),  # quarters: ties
        builder.add(AveragePool((3, 3), ONE, (1, 1, 1, 1), Border.IGNORED, -7), image),
        builder.add(AveragePool((3, 3), ONE, (1, 1, 1, 1), Border.COUNTED, -7), image),
        builder.add(AveragePool((5, 6), ONE, NONE, Border.COUNTED, 0), image),
        builder.add(AveragePool((2, 1), (1, 2), (1, 0, 1, 0), Border.IGNORED, 128), unsigned),
        builder.add(AveragePool((1, 2), ONE, (0, 1, 0, 1), Border.COUNTED, 255), unsigned),
    )


def _build_layout(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    tensor = builder.add_input(make_input(INT8, 2, 3, 4))
    other = builder.add_input(make_input(INT8, 2, 1, 4))
    number = builder.add_input(make_input(UINT8))
    constant = builder.add_initializer(source.make(np.int8, -128, 127, 2, 2, 4))
    return (
        builder.add(Reshape((4, 6)), tensor),
        builder.add(Reshape((1, 24, 1)), tensor),
        builder.add(Reshape((1,)), number),
        builder.add(Transpose((2, 0, 1)), tensor),
        builder.add(Transpose((0, 2, 1)), tensor),
        builder.add(Concat(1), other, constant, tensor, other),
        builder.add(Concat(2), tensor, tensor),
        builder.add(Concat(0), constant, builder.add(Concat(1), other, other)),
    )


def _build_gather(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    tensor = builder.add_input(make_input(UINT8, 3, 4))
    chosen = builder.add_input(make_input(INT8, 2, low=0, high=3))
    words = builder.add_initializer(source.make(np.int8, -128, 127, 4, 3))
    fixed = builder.add_initializer(np.array([[3, 0], [0, 2]], np.int32))
    return (
        builder.add(Gather(0), words, chosen),
        builder.add(Gather(1), tensor, chosen),
        builder.add(Gather(1), tensor, fixed),
        builder.add(Gather(0), tensor, builder.add_initializer(np.array(2, np.int32))),
    )


def _build_softmax(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    tensor = builder.add_input(make_input(INT8, 3, 6))
    unsigned = builder.add_input(make_input(UINT8, 1))
    gentle = builder.add_initializer(make_exponentials(0.01))
    steep = builder.add_initializer(make_exponentials(1.5))  # underflows to 0 after a dozen
    return (
        builder.add(Softmax(1, INT8), tensor, gentle),
        builder.add(Softmax(1, UINT8), tensor, steep),
        builder.add(Softmax(0, INT8), tensor, steep),
        builder.add(Softmax(0, INT8), unsigned, gentle),
    )


def make_exponentials(slope: float) -> Tensor:
    """A softmax's table: ``2^24 exp(-slope d)``, rounded."""
    table: Tensor = np.rint(2.0**24 * np.exp(-slope * np.arange(256))).astype(np.int32)
    return table


def _build_layernorm(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    tensor = builder.add_input(make_input(INT8, 2, 8))
    unsigned = builder.add_input(make_input(UINT8, 8))
    one = builder.add_input(make_input(INT8, 1))
    gain = builder.add_initializer(source.make(np.int32, -40_000, 40_000, 8))
    offset = builder.add_initializer(source.make(np.int32, -40_000, 40_000, 8))
    unit = builder.add_initializer(np.full(1, 2**20, np.int32))
    return (
        builder.add(LayerNorm(Centering.MEAN, 0, 1, 26, INT8, 0), tensor, gain, offset),
        builder.add(LayerNorm(Centering.MEAN, 0, 2**54, 16, UINT8, 128), tensor, gain, offset),
        builder.add(LayerNorm(Centering.NONE, -128, 1, 27, INT8, 3), tensor, gain, offset),
        builder.add(LayerNorm(Centering.NONE, 255, 65_536, 0, INT8, 0), unsigned, gain, offset),
        builder.add(LayerNorm(Centering.NONE, 0, 1, 30, INT8, 0), one, unit, unit),
    )


def _build_ranking(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    tensor = builder.add_input(make_input(INT8, 3, 7, low=-2, high=2))  # ties are certain
    wide = builder.add_input(make_input(INT32, 6))
    return (
        builder.add(Argmax(0), tensor),
        builder.add(Argmax(1), tensor),
        builder.add(Argmax(0), wide),
        *builder.add_many(TopK(1, 3), tensor),
        *builder.add_many(TopK(0, 3), tensor),
        *builder.add_many(TopK(0, 1), wide),
    )


def _build_network(builder: ProgramBuilder, source: Source) -> tuple[Handle, ...]:
    # A small network of both kinds of layers, as an importer makes them.
    image = builder.add_input(make_input(INT8, 1, 6, 6))
    kernels = builder.add_initializer(source.make(np.int8, -127, 127, 3, 1, 3, 3))
    bias = builder.add_initializer(source.make(np.int32, -5000, 5000, 3))
    sums = builder.add(Conv2d(ONE, (1, 1, 1, 1), ONE, 1, -12, 0), image, kernels, bias)
    scales = tuple(source.take(2**30, 2**31 - 1) for _ in range(3))
    hidden = builder.add(Requantize(Mode.RNE64, INT8, 0, scales, (40, 39, 40), 0, -5), sums)
    pooled = builder.add(MaxPool((2, 2), (2, 2), NONE, ONE), builder.add(Clip(-5, 127), hidden))
    weights = builder.add_initializer(source.make(np.int8, -127, 127, 27, 4))
    logits = builder.add(Matmul(-5, 0), builder.add(Reshape((27,)), pooled), weights)
    answer = builder.add(Requantize(Mode.ORT_F32, INT8, 0, (2**23 + 4321,), (32,), 0, 1), logits)
    return logits, answer, builder.add(Argmax(0), answer)


RECIPES: Final = (
    Recipe("matmul: biases, zero points, one element", _build_matmul),
    Recipe("matmul: long sums of extremes", _build_long_sums),
    Recipe("matmul: a matrix for every row and one for all", _build_batched_matmul),
    Recipe("conv2d: borders, strides, dilations, groups", _build_conv2d),
    Recipe("conv2d: unsigned, a window larger than the image", _build_unsigned_conv2d),
    *(
        Recipe(f"requantize {mode.name}: ties, extremes", _make_requantize(mode), 1, EDGES, is_quick=True)
        for mode in Mode
    ),
    *(Recipe(f"requantize {mode.name}: by channel", _make_channels(mode)) for mode in Mode),
    Recipe("add: broadcast, both roundings, saturation", _build_add, is_quick=True),
    Recipe("mul: broadcast, extremes", _build_mul),
    Recipe("clip and table: every byte", _build_bytes, 2),
    Recipe("maxpool: borders, dilations, one window", _build_maxpool),
    Recipe("averagepool: ties, borders counted and not", _build_averagepool),
    Recipe("reshape, transpose, concat", _build_layout),
    Recipe("gather: fixed and computed indices", _build_gather),
    Recipe("softmax: gentle and steep, one element", _build_softmax, is_quick=True),
    Recipe("layernorm: no variance, extremes, without centring", _build_layernorm, is_quick=True),
    Recipe("argmax and topk: ties", _build_ranking),
    Recipe("a small network", _build_network, 9, is_quick=True),
)
"""Every operator at its edges. The quick ones hold whatever a device is likely to get wrong."""
