"""Random programs: every operator, with shapes, attributes and ranges drawn until a node fits."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from aivm.program.binding import BoundProgram, Tensor, bind_program
from aivm.program.building import Handle, ProgramBuilder, make_input
from aivm.program.errors import InvalidProgram
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
from aivm.program.planning import Plan
from aivm.program.types import DTYPES, HIGHEST, LOWEST, DType

Generator = np.random.Generator
Step = Callable[[ProgramBuilder, Generator, Handle, Handle], Handle | tuple[Handle, ...]]
BYTES = (DType.INT8, DType.UINT8)


def _zero(generator: Generator, dtype: DType) -> int:
    if dtype is DType.INT32:
        return 0
    return int(generator.choice((0, 0, LOWEST[dtype], HIGHEST[dtype], int(generator.integers(0, 100)))))


def _weights(builder: ProgramBuilder, generator: Generator, *shape: int) -> Handle:
    kind = generator.integers(3)
    values = generator.integers(-127, 128, shape) if kind else generator.choice((-127, 127), shape)
    return builder.add_initializer(values.astype(np.int8))


def _bias(builder: ProgramBuilder, generator: Generator, count: int) -> list[Handle]:
    if generator.integers(2):
        return []
    return [builder.add_initializer(generator.integers(-(2**23), 2**23 + 1, count).astype(np.int32))]


def _matmul(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    width = int(generator.integers(1, 8))
    weights = _weights(builder, generator, x.type.shape[-1] if x.type.shape else 1, width)
    zero = _zero(generator, x.type.dtype)
    return builder.add(
        Matmul(zero, int(generator.integers(-2, 3))), x, weights, *_bias(builder, generator, width)
    )


def _attention(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    order = (*range(x.type.rank - 2), x.type.rank - 1, x.type.rank - 2)
    turned = builder.add(Transpose(order), x)
    return builder.add(Matmul(_zero(generator, x.type.dtype), _zero(generator, x.type.dtype)), x, turned)


def _pair(generator: Generator, low: int, high: int) -> tuple[int, int]:
    return int(generator.integers(low, high)), int(generator.integers(low, high))


def _conv2d(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    channels = x.type.shape[0]
    groups = int(generator.choice([divisor for divisor in range(1, channels + 1) if channels % divisor == 0]))
    count = groups * int(generator.integers(1, 3))
    weights = _weights(builder, generator, count, channels // groups, *_pair(generator, 1, 4))
    pads = (*_pair(generator, 0, 3), *_pair(generator, 0, 3))
    operator = Conv2d(
        _pair(generator, 1, 3), pads, _pair(generator, 1, 3), groups, _zero(generator, x.type.dtype), 0
    )
    return builder.add(operator, x, weights, *_bias(builder, generator, count))


def _requantize(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    mode = Mode(int(generator.integers(1, 4)))
    low = 2**23 if mode is Mode.ORT_F32 else 2**30
    axis = int(generator.integers(max(1, x.type.rank)))
    count = x.type.shape[axis] if x.type.shape and generator.integers(2) else 1
    largest = max(abs(x.type.low), abs(x.type.high), 1).bit_length()
    centre = low.bit_length() - 1 + max(0, largest - 7)
    shifts = np.clip(generator.integers(centre - 3, centre + 4, count), 0, 62)
    multipliers = generator.integers(low, 2 * low, count)
    if generator.integers(3) == 0:
        multipliers[:] = low  # a power of two: ties are frequent
    dtype = BYTES[int(generator.integers(2))]
    numbers = tuple(map(int, multipliers)), tuple(map(int, shifts))
    place = axis if count > 1 else 0
    zero = _zero(generator, x.type.dtype)
    return builder.add(Requantize(mode, dtype, place, *numbers, zero, _zero(generator, dtype)), x)


def _add(builder: ProgramBuilder, generator: Generator, x: Handle, y: Handle) -> Handle:
    mode = (Mode.RNE64, Mode.TFL1)[int(generator.integers(2))]
    dtype = DType(int(generator.integers(1, 4)))
    factors = generator.integers(-(2**20), 2**20, 2)
    zeros = _zero(generator, x.type.dtype), _zero(generator, y.type.dtype)
    shift = int(generator.integers(0, 24))
    operator = Add(mode, dtype, *zeros, int(factors[0]), int(factors[1]), shift, _zero(generator, dtype))
    return builder.add(operator, x, y)


def _mul(builder: ProgramBuilder, generator: Generator, x: Handle, y: Handle) -> Handle:
    return builder.add(Mul(_zero(generator, x.type.dtype), _zero(generator, y.type.dtype)), x, y)


def _clip(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    low, high = sorted(map(int, generator.integers(LOWEST[x.type.dtype], HIGHEST[x.type.dtype] + 1, 2)))
    return builder.add(Clip(low, high), x)


def _table(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    dtype = DType(int(generator.integers(1, 4)))
    low, high = (LOWEST[dtype], HIGHEST[dtype] + 1) if dtype is not DType.INT32 else (-(2**20), 2**20)
    return builder.add(
        Table(), x, builder.add_initializer(generator.integers(low, high, 256).astype(DTYPES[dtype]))
    )


def _maxpool(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    pads = (*_pair(generator, 0, 2), *_pair(generator, 0, 2))
    pairs = _pair(generator, 1, 4), _pair(generator, 1, 3)
    return builder.add(MaxPool(*pairs, pads, _pair(generator, 1, 3)), x)


def _averagepool(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    pads = (*_pair(generator, 0, 2), *_pair(generator, 0, 2))
    border = Border(int(generator.integers(2)))
    pairs = _pair(generator, 1, 4), _pair(generator, 1, 3)
    return builder.add(AveragePool(*pairs, pads, border, _zero(generator, x.type.dtype)), x)


def _reshape(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    first = int(
        generator.choice([size for size in range(1, x.type.elements + 1) if x.type.elements % size == 0])
    )
    shapes = ((x.type.elements,), (first, x.type.elements // first), (1, first, x.type.elements // first))
    return builder.add(Reshape(shapes[int(generator.integers(3))]), x)


def _transpose(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    return builder.add(Transpose(tuple(map(int, generator.permutation(x.type.rank)))), x)


def _concat(builder: ProgramBuilder, generator: Generator, x: Handle, y: Handle) -> Handle:
    if y == x:
        y = builder.add_initializer(np.full(x.type.shape, x.type.high, DTYPES[x.type.dtype]))
    return builder.add(Concat(int(generator.integers(max(1, x.type.rank)))), x, y, x)


def _gather(builder: ProgramBuilder, generator: Generator, x: Handle, y: Handle) -> Handle:
    axis = int(generator.integers(max(1, x.type.rank)))
    length = x.type.shape[axis]
    if generator.integers(2):
        wanted = generator.integers(0, length, _pair(generator, 1, 4)).astype(np.int32)
        return builder.add(Gather(axis), x, builder.add_initializer(wanted))
    limited = builder.add(Clip(0, min(length - 1, HIGHEST[y.type.dtype])), y)
    return builder.add(Gather(axis), x, limited)


def _softmax(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    slope = float(generator.choice((0.001, 0.05, 0.7)))
    table = np.rint(2.0**24 * np.exp(-slope * np.arange(256))).astype(np.int32)
    dtype = BYTES[int(generator.integers(2))]
    return builder.add(
        Softmax(int(generator.integers(max(1, x.type.rank))), dtype), x, builder.add_initializer(table)
    )


def _layernorm(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    length = x.type.shape[-1]
    parts = [
        builder.add_initializer(generator.integers(-9000, 9000, length).astype(np.int32)) for _ in range(2)
    ]
    centering = Centering(int(generator.integers(2)))
    zero = 0 if centering is Centering.MEAN else _zero(generator, x.type.dtype)
    dtype = BYTES[int(generator.integers(2))]
    epsilon, shift = int(generator.choice((1, 65_536, 2**40))), int(generator.integers(16, 28))
    return builder.add(LayerNorm(centering, zero, epsilon, shift, dtype, _zero(generator, dtype)), x, *parts)


def _argmax(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> Handle:
    return builder.add(Argmax(int(generator.integers(max(1, x.type.rank)))), x)


def _topk(builder: ProgramBuilder, generator: Generator, x: Handle, _: Handle) -> tuple[Handle, ...]:
    axis = int(generator.integers(max(1, x.type.rank)))
    return builder.add_many(TopK(axis, int(generator.integers(1, x.type.shape[axis] + 1))), x)


STEPS: tuple[Step, ...] = (
    _matmul, _attention, _conv2d, _requantize, _requantize, _requantize, _add, _mul, _clip, _table, _maxpool,
    _averagepool, _reshape, _transpose, _concat, _gather, _softmax, _layernorm, _argmax, _topk,
)  # fmt: skip
SHAPES = ((1,), (7,), (3, 5), (2, 6, 5), (4, 4, 4), (1, 9, 8), (2, 3, 2, 3))
SIZE_MAX = 400
"""Most elements of a tensor: kernels of tiny tensors show the same bits, and compile as fast as they can."""


def make_program(seed: int, nodes: int) -> BoundProgram:
    """A program of about ``nodes`` nodes; every tensor that no node reads is an output."""
    generator = np.random.default_rng(seed)
    builder = ProgramBuilder()
    handles = []
    for _ in range(int(generator.integers(1, 3))):
        dtype = BYTES[int(generator.integers(2))]
        shape = SHAPES[int(generator.integers(len(SHAPES)))]
        low, high = sorted(map(int, generator.integers(LOWEST[dtype], HIGHEST[dtype] + 1, 2)))
        is_full = bool(generator.integers(3))
        tensor = make_input(dtype, *shape) if is_full else make_input(dtype, *shape, low=low, high=high)
        handles.append(builder.add(Clip(LOWEST[dtype], HIGHEST[dtype]), builder.add_input(tensor)))
    while builder.node_count < nodes:
        step = STEPS[int(generator.integers(len(STEPS)))]
        x, y = (handles[-1 - int(generator.integers(min(4, len(handles))))] for _ in range(2))
        mark = builder.get_mark()
        try:
            added = step(builder, generator, x, y)
        except (InvalidProgram, IndexError, ValueError):
            builder.forget(mark)
            continue
        given = added if isinstance(added, tuple) else (added,)
        if max(handle.type.elements for handle in given) > SIZE_MAX:
            builder.forget(mark)
            continue
        handles += given
    plan = builder.build(*builder.get_unread())
    return bind_program(plan, builder.contents)


def make_rows(plan: Plan, rows: int, seed: int, kind: str) -> tuple[Tensor, ...]:
    """Inputs within their ranges: ``uniform``, ``extremes`` of both ends, or ``low``."""
    generator = np.random.default_rng(seed)
    tensors = []
    for tensor in plan.input_types:
        shape = (rows, *tensor.shape)
        ends = {"extremes": (tensor.low, tensor.high), "low": (tensor.low,)}
        values = (
            generator.choice(ends[kind], shape)
            if kind in ends
            else generator.integers(tensor.low, tensor.high + 1, shape)
        )
        tensors.append(values.astype(DTYPES[tensor.dtype]))
    return tuple(tensors)


@st.composite
def programs(draw: st.DrawFn, nodes: int = 5) -> BoundProgram:
    return make_program(draw(st.integers(0, 2**32)), draw(st.integers(1, nodes)))
