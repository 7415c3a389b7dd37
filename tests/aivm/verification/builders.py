"""Programs, runs and wrong runs for the tests of verification."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aivm.layered import LayeredShape
from aivm.program.binding import bind_program
from aivm.program.building import ProgramBuilder, make_input
from aivm.program.operators import (
    Clip,
    Concat,
    Conv2d,
    Matmul,
    MaxPool,
    Mode,
    Requantize,
    Reshape,
    Softmax,
    TopK,
    Transpose,
)
from aivm.program.types import DType
from aivm.verification.graph import GraphProgram
from aivm.verification.layered import LayeredProgram
from aivm.verification.trace import Context, Trace
from aivm.verification.traced import TracedProgram, run_traced
from tangle.core.types import Digest, PublicKey

CONTEXT = Context(Digest(b"\x01" * 32), PublicKey(b"\x02" * 32), 7)
BEACON = b"checkpoint that came after"

Tensors = tuple[NDArray[Any], ...]


def make_bytes(seed: int, shape: tuple[int, ...], low: int = -127, high: int = 127) -> NDArray[Any]:
    dtype = np.int8 if low < 0 else np.uint8
    return np.random.default_rng(seed).integers(low, high + 1, shape).astype(dtype)


def make_layered(
    sizes: tuple[int, ...] = (40, 30, 20, 4), rows: int = 64, seed: int = 0
) -> tuple[LayeredProgram, Tensors]:
    shape = LayeredShape(sizes, (8,) * (len(sizes) - 2))
    weights = tuple(make_bytes(seed + place, each) for place, each in enumerate(shape.matrix_shapes))
    program = LayeredProgram(shape, weights, rows)
    return program, run_traced(program, (make_bytes(seed + 99, (rows, sizes[0]), 0),))


def make_graph(rows: int = 24, seed: int = 0, channels: int = 4) -> tuple[GraphProgram, Tensors]:
    """A small convolutional network: pooling, joined branches, matmul, softmax, top-k."""
    build = ProgramBuilder()
    image = build.add_input(make_input(DType.UINT8, 2, 8, 8))
    kernels = build.add_initializer(make_bytes(seed, (channels, 1, 3, 3)))
    bias = build.add_initializer(np.arange(channels, dtype=np.int32) * 1000 - 1500)
    sums = build.add(Conv2d((2, 1), (1, 0, 1, 2), (1, 2), 2, 3, -4), image, kernels, bias)
    scaled = build.add(Requantize(Mode.RNE64, DType.INT8, 0, (2**30 + 5,), (42,), 0, -3), sums)
    pooled = build.add(MaxPool((2, 2), (1, 1), (0, 0, 0, 0), (1, 1)), scaled)
    width = pooled.type.elements
    flat = build.add(Reshape((width,)), pooled)
    small = build.add(Clip(-20, 20), flat)
    joined = build.add(Concat(0), flat, small)
    weights = build.add_initializer(make_bytes(seed + 1, (2 * width, 5)))
    logits = build.add(Matmul(-3, 2), joined, weights)
    final = build.add(Requantize(Mode.RNE64, DType.UINT8, 0, (2**30,), (40,), 0, 100), logits)
    exponentials = build.add_initializer(
        np.array([max(1, round(2**24 * 0.97**place)) for place in range(256)], np.int32)
    )
    shares = build.add(Softmax(0, DType.UINT8), final, exponentials)
    best, places = build.add_many(TopK(0, 2), shares)
    plan = build.build(best, places)
    program = GraphProgram(bind_program(plan, build.contents), rows)
    return program, run_traced(program, (make_bytes(seed + 2, (rows, 2, 8, 8), 0, 255),))


def make_wide_graph(rows: int = 600, seed: int = 0) -> tuple[GraphProgram, Tensors]:
    """A matmul with zero points and a bias, large enough to be projected, and one of each row with itself."""
    build = ProgramBuilder()
    row = build.add_input(make_input(DType.INT8, 4, 128))
    weights = build.add_initializer(make_bytes(seed, (128, 64)))
    bias = build.add_initializer(np.arange(64, dtype=np.int32) * 999 - 20_000)
    sums = build.add(Matmul(5, 0), row, weights, bias)
    scaled = build.add(Requantize(Mode.RNE64, DType.INT8, 0, (2**30 + 5,), (43,), 0, -3), sums)
    turned = build.add(Transpose((1, 0)), scaled)
    program = build.build(build.add(Matmul(-3, 1), scaled, turned))
    bound = GraphProgram(bind_program(program, build.contents), rows)
    return bound, run_traced(bound, (make_bytes(seed + 2, (rows, 4, 128)),))


def make_trace(program: TracedProgram, tensors: Tensors, context: Context = CONTEXT) -> Trace:
    return Trace(program, tensors, context)


def change(tensors: Tensors, number: int, place: int = 0, by: int = 1) -> Tensors:
    """The same run with one element of one tensor moved; what follows is left as it was."""
    wrong = tensors[number].copy()
    flat = wrong.reshape(-1)
    flat[place] = flat[place] + by if int(flat[place]) < 100 else flat[place] - by
    return (*tensors[:number], wrong, *tensors[number + 1 :])


def continue_wrongly(program: TracedProgram, tensors: Tensors, number: int, place: int = 0) -> Tensors:
    """A run with one element moved, and everything after it computed from there: a consistent lie."""
    wrong = list(change(tensors, number, place))
    for later in range(number + 1, len(program.types)):
        operands = tuple(wrong[operand] for operand in program.get_operands(later))
        if number in program.get_operands(later) or any(
            not np.array_equal(wrong[each], tensors[each]) for each in program.get_operands(later)
        ):
            wrong[later] = program.compute_tensor(later, operands)
    return tuple(wrong)
