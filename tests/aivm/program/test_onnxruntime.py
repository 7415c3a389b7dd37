"""Mode ORT_F32 gives onnxruntime's bits, operator by operator, over more than a million outputs each.

Only signed with signed and unsigned with unsigned: onnxruntime itself saturates inside its products of
unsigned with signed bytes on processors without VNNI, and is then no reference.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest

from aivm.oracle.graph.run import run_program
from aivm.program.binding import bind_program
from aivm.program.building import ProgramBuilder, make_input
from aivm.program.operators import Argmax, Conv2d, Matmul, MaxPool, Mul
from aivm.program.quantizing import dequantize_linear, quantize_linear
from aivm.program.types import DType
from tests.aivm.program.ort import Array, compute_output_scales, requantize, run_node

DTYPES: dict[type[Any], DType] = {np.int8: DType.INT8, np.uint8: DType.UINT8}
KINDS = pytest.mark.parametrize("kind", [np.int8, np.uint8], ids=["s8s8", "u8u8"])
VALUES_MIN = 120
"""Different values that an output must take, so that saturation does not hide differences."""


class Quantization(NamedTuple):
    """Zero points and scales of one operator."""

    left_zero: int
    right_zero: int
    output_zero: int
    left: Array
    right: Array
    output: Array


def _draw(generator: np.random.Generator, kind: type[Any], terms: int, channels: int = 0) -> Quantization:
    middle = 128 if kind is np.uint8 else 0
    offsets = generator.integers(-3, 4, 3) + middle
    left = np.float32(generator.uniform(0.001, 0.05))
    right = generator.uniform(0.01, 0.03, channels or 1).astype(np.float32)
    # The sums' spread fills the range of a byte.
    output = np.float32(float(left) * float(right.mean()) * 74 * 74 * terms**0.5 / 45)
    right_zero = 0 if kind is np.int8 else int(offsets[1])
    return Quantization(
        int(offsets[0]),
        right_zero,
        int(offsets[2]),
        np.array(left),
        right if channels else right[0],
        np.array(output),
    )


def _bytes(generator: np.random.Generator, kind: type[Any], *shape: int) -> Array:
    return generator.integers(np.iinfo(kind).min, np.iinfo(kind).max + 1, shape).astype(kind)


def _verify_same(found: Array, expected: Array, least: int) -> None:
    assert found.dtype == expected.dtype
    assert int((found != expected).sum()) == 0
    assert found.size >= least
    assert len(np.unique(expected)) >= VALUES_MIN


@KINDS
@pytest.mark.parametrize(("rows", "terms", "width", "least"), [(1100, 64, 1024, 2**20), (80, 700, 40, 3200)])
def test_qlinearmatmul(kind: type[Any], rows: int, terms: int, width: int, least: int) -> None:
    generator = np.random.default_rng(terms)
    numbers = _draw(generator, kind, terms)
    left, right = _bytes(generator, kind, rows, terms), _bytes(generator, kind, terms, width)
    names = ["a", "sa", "za", "w", "sw", "zw", "sy", "zy"]
    fixed = {"sa": numbers.left, "za": kind(numbers.left_zero), "w": right, "sw": numbers.right}
    fixed |= {"zw": kind(numbers.right_zero), "sy": numbers.output, "zy": kind(numbers.output_zero)}
    expected = run_node("QLinearMatMul", {"a": left}, fixed, kind, names=names)
    builder = ProgramBuilder()
    operand = builder.add_input(make_input(DTYPES[kind], terms))
    matmul = Matmul(numbers.left_zero, numbers.right_zero)
    sums = builder.add(matmul, operand, builder.add_initializer(right))
    scales = compute_output_scales(numbers.left, numbers.right, numbers.output)
    bound = requantize(builder, sums, scales, DTYPES[kind], numbers.output_zero, 0)
    _verify_same(run_program(bound, (left,))[0], expected, least)


@KINDS
@pytest.mark.parametrize(
    ("shape", "kernels", "groups", "is_by_channel", "least"),
    [
        ((70, 3, 32, 32), (32, 3, 3), 1, False, 2**20),
        ((40, 8, 9, 9), (16, 3, 3), 8, False, 1000),
        ((40, 8, 9, 9), (16, 3, 2), 2, True, 1000),
        ((200, 8, 9, 9), (6, 1, 1), 1, True, 1000),
    ],
    ids=["many", "depthwise", "groups by channel", "points by channel"],
)
def test_qlinearconv(
    kind: type[Any],
    shape: tuple[int, ...],
    kernels: tuple[int, ...],
    groups: int,
    is_by_channel: bool,
    least: int,
) -> None:
    generator = np.random.default_rng(shape[0])
    count, depth = kernels[0], shape[1] // groups
    weights = _bytes(generator, kind, count, depth, *kernels[1:])
    numbers = _draw(generator, kind, weights[0].size, count if is_by_channel else 0)
    image, bias = _bytes(generator, kind, *shape), generator.integers(-20_000, 20_000, count).astype(np.int32)
    names = ["a", "sa", "za", "w", "sw", "zw", "sy", "zy", "b"]
    right_zero = np.full(count, numbers.right_zero, kind) if is_by_channel else kind(numbers.right_zero)
    fixed = {"sa": numbers.left, "za": kind(numbers.left_zero), "w": weights, "sw": numbers.right, "b": bias}
    fixed |= {"zw": right_zero, "sy": numbers.output, "zy": kind(numbers.output_zero)}
    expected = run_node(
        "QLinearConv", {"a": image}, fixed, kind, names=names, strides=[2, 1], pads=[1, 0, 2, 1], group=groups
    )
    builder = ProgramBuilder()
    operand = builder.add_input(make_input(DTYPES[kind], *shape[1:]))
    convolution = Conv2d((2, 1), (1, 0, 2, 1), (1, 1), groups, numbers.left_zero, numbers.right_zero)
    sums = builder.add(convolution, operand, *map(builder.add_initializer, (weights, bias)))
    scales = compute_output_scales(numbers.left, numbers.right, numbers.output)
    bound = requantize(builder, sums, scales, DTYPES[kind], numbers.output_zero, 0)
    _verify_same(run_program(bound, (image,))[0], expected, least)


@KINDS
def test_qlinearmul_without_an_output_zero_point(kind: type[Any]) -> None:
    # It adds the zero point before it rounds, other than all else: ties then fall to the other side.
    generator = np.random.default_rng(5)
    numbers = _draw(generator, kind, 1)._replace(output_zero=0)
    left, right = _bytes(generator, kind, 1100, 1000), _bytes(generator, kind, 1100, 1000)
    names = ["a", "sa", "za", "b", "sb", "zb", "sy", "zy"]
    fixed = {"sa": numbers.left, "za": kind(numbers.left_zero), "sb": numbers.right}
    fixed |= {"zb": kind(numbers.right_zero), "sy": numbers.output, "zy": kind(numbers.output_zero)}
    inputs = {"a": left, "b": right}
    expected = run_node("QLinearMul", inputs, fixed, kind, names=names, domain="com.microsoft")
    builder = ProgramBuilder()
    operands = [builder.add_input(make_input(DTYPES[kind], 1000)) for _ in range(2)]
    product = builder.add(Mul(numbers.left_zero, numbers.right_zero), *operands)
    scales = compute_output_scales(numbers.left, numbers.right, numbers.output)
    bound = requantize(builder, product, scales, DTYPES[kind], numbers.output_zero, 0)
    _verify_same(run_program(bound, (left, right))[0], expected, 2**20)


@KINDS
def test_qlinearglobalaveragepool_is_a_convolution_with_ones(kind: type[Any]) -> None:
    generator = np.random.default_rng(6)
    zeros = [kind(int(generator.integers(0, 9))) for _ in range(2)]
    scales = [np.array(generator.uniform(0.02, 0.05), np.float32) for _ in range(2)]
    image = _bytes(generator, kind, 700, 16, 7, 7)
    # A mean of many drawn bytes hardly moves: shift every channel.
    image = np.clip(image // 3 + generator.integers(-60, 60, (700, 16, 1, 1)), *_get_ends(kind)).astype(kind)
    names = ["a", "sa", "za", "sy", "zy"]
    fixed = {"sa": scales[0], "za": zeros[0], "sy": scales[1], "zy": zeros[1]}
    expected = run_node(
        "QLinearGlobalAveragePool",
        {"a": image},
        fixed,
        kind,
        names=names,
        domain="com.microsoft",
        channels_last=0,
    )
    builder = ProgramBuilder()
    ones = builder.add_initializer(np.ones((16, 1, 7, 7), np.int8))
    convolution = Conv2d((1, 1), (0, 0, 0, 0), (1, 1), 16, int(zeros[0]), 0)
    sums = builder.add(convolution, builder.add_input(make_input(DTYPES[kind], 16, 7, 7)), ones)
    factor = np.float32(scales[0]) / (np.float32(scales[1]) * np.float32(49))
    combined = compute_output_scales(np.array(factor), np.array(1, np.float32), np.array(1, np.float32))
    bound = requantize(builder, sums, combined, DTYPES[kind], int(zeros[1]), 0)
    found = run_program(bound, (image,))[0]
    assert int((found != expected).sum()) == 0
    assert found.size == 700 * 16


def _get_ends(kind: type[Any]) -> tuple[int, int]:
    return int(np.iinfo(kind).min), int(np.iinfo(kind).max)


@KINDS
def test_maxpool_and_argmax(kind: type[Any]) -> None:
    generator = np.random.default_rng(8)
    image = _bytes(generator, kind, 300, 4, 33, 32)
    attributes = {"kernel_shape": [3, 2], "strides": [1, 1], "pads": [1, 0, 1, 1], "dilations": [1, 2]}
    expected = run_node("MaxPool", {"a": image}, {}, kind, names=["a"], **attributes)
    builder = ProgramBuilder()
    pooled = builder.add(
        MaxPool((3, 2), (1, 1), (1, 0, 1, 1), (1, 2)), builder.add_input(make_input(DTYPES[kind], 4, 33, 32))
    )
    plan = builder.build(pooled, builder.add(Argmax(0), pooled))
    found, places = run_program(bind_program(plan, {}), (image,))
    assert np.array_equal(found, expected)
    assert found.size > 2**20
    assert np.array_equal(places, np.argmax(expected, axis=1))


@KINDS
def test_quantizelinear_and_dequantizelinear(kind: type[Any]) -> None:
    generator = np.random.default_rng(9)
    zero = int(generator.integers(*_get_ends(kind)))
    differing = compared = 0
    for scale in (np.float32(0.037), np.float32(0.5), np.float32(1 / 3)):
        ties = (np.arange(-400, 400, dtype=np.float32) + np.float32(0.5)) * scale
        drawn = (generator.normal(0, 80, 400_000).astype(np.float32) * scale).astype(np.float32)
        values = np.concatenate([ties, drawn, np.array([np.inf, -np.inf, 0, -0.0, 3e38], np.float32)])
        fixed = {"s": np.array(scale), "z": kind(zero)}
        quantized = run_node("QuantizeLinear", {"x": values}, fixed, kind, names=["x", "s", "z"])
        differing += int((quantize_linear(values, float(scale), zero, DTYPES[kind]) != quantized).sum())
        floats = run_node("DequantizeLinear", {"x": quantized}, fixed, np.float32, names=["x", "s", "z"])
        differing += int((dequantize_linear(quantized, float(scale), zero) != floats).sum())
        compared += 2 * values.size
    assert (differing, compared > 2**20) == (0, True)
