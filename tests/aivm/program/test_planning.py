"""Whatever could cycle, overflow, divide by zero, read outside or grow too large has its own refusal."""

from itertools import product

import numpy as np
import pytest

from aivm.program.binding import bind_program, verify_inputs
from aivm.program.building import Handle, ProgramBuilder, make_input
from aivm.program.errors import (
    IndexRange,
    InitializerMismatch,
    InvalidAttribute,
    InvalidInput,
    InvalidProgram,
    MisorderedGraph,
    ProgramOverflow,
    ProgramTooLarge,
    ShapeMismatch,
    TypeMismatch,
    UnusedTensor,
    ZeroSize,
)
from aivm.program.inference.pooling import infer_maxpool
from aivm.program.inference.site import Site
from aivm.program.limits import MACS_MAX
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
    Operator,
    Requantize,
    Reshape,
    Softmax,
    Table,
    TopK,
    Transpose,
)
from aivm.program.planning import plan_program
from aivm.program.record import External, Initializer, Inline, Node, Program
from aivm.program.types import DType, TensorType, make_full_type
from tangle.core.types import Digest

INT8, UINT8, INT32 = DType.INT8, DType.UINT8, DType.INT32
M = 2**30
IMAGE = (2, 6, 5)
Constant = np.ndarray[tuple[int, ...], np.dtype[np.generic]]
WIDE = 2**31 - 1


def _refuse(error: type[InvalidProgram], operator: Operator, *shapes: object) -> InvalidProgram:
    builder = ProgramBuilder()
    handles: list[Handle] = []
    for shape in shapes:
        if isinstance(shape, np.ndarray):
            handles.append(builder.add_initializer(shape))
        else:
            assert isinstance(shape, TensorType)
            handles.append(builder.add_input(shape))
    with pytest.raises(InvalidProgram) as caught:
        builder.add(operator, *handles)
    assert type(caught.value) is error, caught.value
    return caught.value


def _x(*shape: int, dtype: DType = INT8, low: int | None = None, high: int | None = None) -> TensorType:
    return make_input(dtype, *shape, low=low, high=high)


def _c(*shape: int, dtype: type[np.generic] = np.int8, value: int = 1) -> Constant:
    return np.full(shape, value, dtype)


def _pair(length: int) -> tuple[Constant, Constant]:
    return _c(length, dtype=np.int32), _c(length, dtype=np.int32)


CONV = Conv2d((1, 1), (0, 0, 0, 0), (1, 1), 1, 0, 0)
NO_PADS = (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("error", "operator", "operands"),
    [
        (ShapeMismatch, Matmul(0, 0), (_x(4), _c(5, 2))),
        (ShapeMismatch, Matmul(0, 0), (_x(), _c(5, 2))),
        (ShapeMismatch, Matmul(0, 0), (_x(4), _c(4))),
        (ShapeMismatch, Matmul(0, 0), (_x(2, 3, 4), _x(3, 4, 2))),
        (ShapeMismatch, Matmul(0, 0), (_x(4), _c(4, 2), _c(3, dtype=np.int32))),
        (ShapeMismatch, Matmul(0, 0), (_x(4), _c(4, 2), _x(2, dtype=INT32, low=0, high=1))),
        (ShapeMismatch, Matmul(0, 0), (_x(4),)),
        (TypeMismatch, Matmul(0, 0), (_x(4, dtype=INT32), _c(4, 2))),
        (TypeMismatch, Matmul(0, 0), (_x(4), _c(4, 2), _c(2))),
        (InvalidAttribute, Matmul(128, 0), (_x(4), _c(4, 2))),
        (InvalidAttribute, Matmul(0, -1), (_x(4), _c(4, 2, dtype=np.uint8))),
        (ProgramTooLarge, Matmul(0, 0), (_x(65_537, low=0, high=1), _c(65_537, 1))),
        (ProgramOverflow, Matmul(-128, 1), (_x(65_536), _x(65_536, 1))),
        (ProgramOverflow, Matmul(0, 0), (_x(4), _c(4, 2), _c(2, dtype=np.int32, value=2**23 + 1))),
        (ShapeMismatch, CONV, (_x(2, 6), _c(3, 2, 3, 3))),
        (ShapeMismatch, CONV, (_x(*IMAGE), _c(3, 3, 3, 3))),
        (ShapeMismatch, CONV, (_x(*IMAGE), _x(3, 2, 3, 3))),
        (ShapeMismatch, CONV, (_x(*IMAGE), _c(3, 2, 7, 3))),
        (ShapeMismatch, Conv2d((1, 1), NO_PADS, (1, 1), 2, 0, 0), (_x(*IMAGE), _c(3, 1, 3, 3))),
        (ZeroSize, Conv2d((0, 1), NO_PADS, (1, 1), 1, 0, 0), (_x(*IMAGE), _c(3, 2, 3, 3))),
        (ZeroSize, Conv2d((1, 1), NO_PADS, (1, 0), 1, 0, 0), (_x(*IMAGE), _c(3, 2, 3, 3))),
        (ZeroSize, Conv2d((1, 1), NO_PADS, (1, 1), 0, 0, 0), (_x(*IMAGE), _c(3, 2, 3, 3))),
        (InvalidAttribute, Add(Mode.ORT_F32, INT8, 0, 0, M, M, 31, 0), (_x(4), _x(4))),
        (InvalidAttribute, Add(Mode.RNE64, INT8, 0, 0, 2**31, M, 31, 0), (_x(4), _x(4))),
        (InvalidAttribute, Add(Mode.RNE64, INT8, 0, 0, M, M, 63, 0), (_x(4), _x(4))),
        (InvalidAttribute, Add(Mode.RNE64, INT8, 0, 0, M, M, 31, 128), (_x(4), _x(4))),
        (ShapeMismatch, Add(Mode.RNE64, INT8, 0, 0, M, M, 31, 0), (_x(4), _x(3))),
        (ProgramOverflow, Add(Mode.RNE64, INT8, 0, 0, WIDE, WIDE, 31, 0), (make_full_type(INT32, (4,)),) * 2),
        (ProgramOverflow, Mul(0, 0), (_x(4, dtype=INT32), _x(4))),
        (ShapeMismatch, Mul(0, 0), (_x(2, 4), _x(4, 2))),
        (InvalidAttribute, Requantize(Mode.RNE64, INT8, 0, (), (), 0, 0), (_x(4),)),
        (InvalidAttribute, Requantize(Mode.RNE64, INT8, 0, (M,), (31, 31), 0, 0), (_x(4),)),
        (InvalidAttribute, Requantize(Mode.RNE64, INT8, 1, (M,), (31,), 0, 0), (_x(4),)),
        (InvalidAttribute, Requantize(Mode.RNE64, INT8, 1, (M,) * 4, (31,) * 4, 0, 0), (_x(4),)),
        (ShapeMismatch, Requantize(Mode.RNE64, INT8, 0, (M,) * 3, (31,) * 3, 0, 0), (_x(4),)),
        (InvalidAttribute, Requantize(Mode.RNE64, INT8, 0, (M - 1,), (31,), 0, 0), (_x(4),)),
        (InvalidAttribute, Requantize(Mode.TFL1, INT8, 0, (2**31,), (31,), 0, 0), (_x(4),)),
        (InvalidAttribute, Requantize(Mode.ORT_F32, INT8, 0, (2**24,), (31,), 0, 0), (_x(4),)),
        (InvalidAttribute, Requantize(Mode.ORT_F32, INT8, 0, (2**23 - 1,), (31,), 0, 0), (_x(4),)),
        (InvalidAttribute, Requantize(Mode.RNE64, INT8, 0, (M,), (63,), 0, 0), (_x(4),)),
        (InvalidAttribute, Requantize(Mode.RNE64, INT8, 0, (M,), (31,), 0, 200), (_x(4),)),
        (ProgramOverflow, Requantize(Mode.RNE64, INT8, 0, (M,), (31,), -5, 0), (_x(4, dtype=INT32),)),
        (InvalidAttribute, Clip(5, 4), (_x(4),)),
        (InvalidAttribute, Clip(-129, 4), (_x(4),)),
        (ShapeMismatch, Table(), (_x(4), _c(255))),
        (ShapeMismatch, Table(), (_x(4), _x(256))),
        (TypeMismatch, Table(), (_x(4, dtype=INT32), _c(256))),
        (ShapeMismatch, MaxPool((7, 1), (1, 1), NO_PADS, (1, 1)), (_x(*IMAGE),)),
        (ShapeMismatch, MaxPool((2, 2), (1, 1), (2, 0, 0, 0), (1, 1)), (_x(*IMAGE),)),
        (ShapeMismatch, MaxPool((2, 2), (1, 1), (0, 0, 0, 2), (1, 1)), (_x(*IMAGE),)),
        (ShapeMismatch, MaxPool((2, 1), (1, 1), (2, 0, 2, 0), (4, 1)), (_x(1, 2, 2),)),
        (ShapeMismatch, MaxPool((2, 2), (1, 1), NO_PADS, (1, 1)), (_x(6, 5),)),
        (ShapeMismatch, MaxPool((3, 1), (1, 1), (8, 0, 8, 0), (4, 1)), (_x(1, 3, 2),)),
        (ZeroSize, MaxPool((0, 2), (1, 1), NO_PADS, (1, 1)), (_x(*IMAGE),)),
        (ZeroSize, AveragePool((2, 2), (0, 1), NO_PADS, Border.IGNORED, 0), (_x(*IMAGE),)),
        (TypeMismatch, AveragePool((2, 2), (1, 1), NO_PADS, Border.IGNORED, 0), (_x(*IMAGE, dtype=INT32),)),
        (InvalidAttribute, AveragePool((2, 2), (1, 1), NO_PADS, Border.IGNORED, -129), (_x(*IMAGE),)),
        (ShapeMismatch, Reshape((5,)), (_x(4),)),
        (ShapeMismatch, Reshape((0,)), (_x(4),)),
        (InvalidAttribute, Transpose((0, 0)), (_x(4, 2),)),
        (InvalidAttribute, Transpose((0,)), (_x(4, 2),)),
        (ShapeMismatch, Concat(0), (_x(4),)),
        (ShapeMismatch, Concat(0), (_x(4, 2), _x(4, 3))),
        (ShapeMismatch, Concat(0), (_x(4, 2), _x(4))),
        (TypeMismatch, Concat(0), (_x(4), _x(4, dtype=UINT8))),
        (InvalidAttribute, Concat(1), (_x(4), _x(4))),
        (IndexRange, Gather(0), (_c(4, 2), _x(3, low=0, high=4))),
        (IndexRange, Gather(0), (_c(4, 2), _x(3, low=-1, high=3))),
        (InvalidAttribute, Gather(2), (_c(4, 2), _x(3, low=0, high=3))),
        (ProgramTooLarge, Gather(0), (_x(4, 1, 1, 1), _x(1, 1, 1, 1, low=0, high=3))),
        (InvalidAttribute, Softmax(1, INT8), (_x(4), _c(256, dtype=np.int32))),
        (InvalidAttribute, Softmax(0, INT8), (_x(4), _c(256, dtype=np.int32, value=2**24 + 1))),
        (InvalidAttribute, Softmax(0, INT8), (_x(4), _c(256, dtype=np.int32, value=-1))),
        (TypeMismatch, Softmax(0, INT32), (_x(4), _c(256, dtype=np.int32))),
        (TypeMismatch, Softmax(0, INT8), (_x(4), _c(256))),
        (InvalidAttribute, LayerNorm(Centering.MEAN, 0, 0, 16, INT8, 0), (_x(4), *_pair(4))),
        (InvalidAttribute, LayerNorm(Centering.MEAN, 3, 1, 16, INT8, 0), (_x(4), *_pair(4))),
        (InvalidAttribute, LayerNorm(Centering.MEAN, 0, 1, 63, INT8, 0), (_x(4), *_pair(4))),
        (InvalidAttribute, LayerNorm(Centering.MEAN, 0, 1, 16, INT8, 0), (_x(), *_pair(4))),
        (ShapeMismatch, LayerNorm(Centering.MEAN, 0, 1, 16, INT8, 0), (_x(4), _pair(3)[0], _pair(4)[0])),
        (TypeMismatch, LayerNorm(Centering.MEAN, 0, 1, 16, INT32, 0), (_x(4), *_pair(4))),
        (ProgramTooLarge, LayerNorm(Centering.NONE, 0, 1, 16, INT8, 0), (_x(32_769), *_pair(32_769))),
        (InvalidAttribute, Argmax(1), (_x(4),)),
        (ProgramTooLarge, Argmax(0), (_x(65_537),)),
        (ZeroSize, TopK(0, 0), (_x(4),)),
        (InvalidAttribute, TopK(0, 5), (_x(4),)),
        (ProgramTooLarge, TopK(0, 1), (_x(4097),)),
    ],
)  # fmt: skip
def test_a_node_that_does_not_fit_is_refused(
    error: type[InvalidProgram], operator: Operator, operands: tuple[object, ...]
) -> None:
    refusal = _refuse(error, operator, *operands)
    assert refusal.node == 0
    assert refusal.code.startswith("program-")


def _make(
    nodes: tuple[Node, ...],
    outputs: tuple[int, ...],
    inputs: tuple[TensorType, ...] = (_x(4),),
    initializers: tuple[Initializer, ...] = (),
) -> Program:
    return Program(1, inputs, initializers, nodes, outputs)


CLIP = Clip(0, 9)
SHORT = Initializer(make_full_type(INT8, (4,)), Inline(b"\x01"))
DISTANT = Initializer(make_full_type(INT8, (4,)), External(Digest(bytes(32))))
BYTE = Initializer(TensorType(INT8, (4,), 1, 1), Inline(b"\x01" * 4))


@pytest.mark.parametrize(
    ("error", "program"),
    [
        (MisorderedGraph, _make((Node(CLIP, (1,)),), (1,))),  # reads itself
        (MisorderedGraph, _make((Node(CLIP, (2,)), Node(CLIP, (1,))), (2,))),  # a cycle of two
        (MisorderedGraph, _make((Node(CLIP, (0,)),), (2,))),
        (UnusedTensor, _make((Node(CLIP, (0,)), Node(CLIP, (0,))), (2,))),
        (UnusedTensor, _make((Node(CLIP, (0,)),), (2,), (_x(4), _x(4)))),
        (UnusedTensor, _make((Node(CLIP, (0,)),), (2,), initializers=(BYTE,))),
        (InvalidProgram, _make((Node(CLIP, (1,)),), (2,), initializers=(BYTE,))),
        (InvalidProgram, _make((Node(Mul(0, 0), (0, 1)),), (2, 1), initializers=(BYTE,))),
        (ZeroSize, _make((Node(CLIP, (0,)),), (1,), (_x(4, 0),))),
        (ProgramTooLarge, _make((Node(CLIP, (0,)),), (1,), (_x(2**27),))),
        (ProgramTooLarge, _make((Node(CLIP, (0,)),), (1,), (_x(2**62, 2**62, 2**62),))),
        (ProgramTooLarge, _make(tuple(Node(CLIP, (place,)) for place in range(5)), (5,), (_x(2**26),))),
        (ShapeMismatch, _make((Node(CLIP, (0,)),), (1,), (TensorType(INT8, (4,), 3, 2),))),
        (ShapeMismatch, _make((Node(CLIP, (0,)),), (1,), (TensorType(UINT8, (4,), -1, 2),))),
        (ShapeMismatch, _make((Node(CLIP, (0,)),), (1,), (TensorType(INT32, (4,), -(2**31), 2),))),
        (ShapeMismatch, _make((Node(Mul(0, 0), (0, 1)),), (2,), initializers=(SHORT,))),
        (ShapeMismatch, _make((Node(Mul(0, 0), (0, 1)),), (2,), initializers=(DISTANT,))),
    ],
)  # fmt: skip
def test_a_graph_that_does_not_hold_together_is_refused(
    error: type[InvalidProgram], program: Program
) -> None:
    with pytest.raises(InvalidProgram) as caught:
        plan_program(program)
    assert type(caught.value) is error


def test_work_beyond_the_limit_is_refused() -> None:
    builder = ProgramBuilder()
    tensor = builder.add_input(_x(2**11, 2**13, low=0, high=1))
    other = builder.add_input(_x(2**13, 2**13, low=0, high=1))
    products = [builder.add(Matmul(0, 0), tensor, other) for _ in range(9)]
    with pytest.raises(ProgramTooLarge) as caught:
        builder.build(*products)
    assert (caught.value.value, caught.value.limit) == (9 * 2**37, MACS_MAX)


def test_the_longest_sum_at_its_extremes_fits_and_one_more_does_not() -> None:
    builder = ProgramBuilder()
    pixels = builder.add_input(_x(65_536))
    weights = builder.add_initializer(np.full((65_536, 1), -127, np.int8))
    bias = builder.add_initializer(np.full(1, 2**23, np.int32))
    sums = builder.add(Matmul(-128, 0), pixels, weights, bias)
    assert sums.type.low == -255 * 127 * 65_536 + 2**23
    assert sums.type.dtype is INT32


def test_weights_and_inputs_are_checked_against_their_types() -> None:
    builder = ProgramBuilder()
    pixels = builder.add_input(_x(100, low=0, high=9))
    values = np.arange(10_000, dtype=np.int8).reshape(100, 100) % 5
    plan = builder.build(builder.add(Matmul(0, 0), pixels, builder.add_initializer(values)))
    ((tensor_id, data),) = builder.contents.items()
    bound = bind_program(plan, builder.contents)
    assert np.array_equal(bound.initializers[0], values)
    for contents in ({}, {tensor_id: data[:-1]}, {tensor_id: data[:-1] + b"\x01"}):
        with pytest.raises(InitializerMismatch):
            bind_program(plan, contents)
    good = np.full((3, 100), 9, np.int8)
    assert verify_inputs(plan, (good,)) == 3
    for wrong in (
        (),
        (good, good),
        (good.astype(np.uint8),),
        (good[:, 1:],),
        (good + np.int8(1),),
        (good[:0],),
    ):
        with pytest.raises(InvalidInput):
            verify_inputs(plan, wrong)
    with pytest.raises(InvalidInput):
        verify_inputs(plan, (np.array(3, np.int8),))


def test_declared_ranges_of_weights_are_kept() -> None:
    narrow = Initializer(TensorType(INT8, (4,), 0, 1), Inline(b"\x02" * 4))
    plan = plan_program(_make((Node(Mul(0, 0), (0, 1)),), (2,), initializers=(narrow,)))
    with pytest.raises(InitializerMismatch):
        bind_program(plan, {})


def test_a_softmax_that_could_divide_by_zero_is_refused_when_bound() -> None:
    builder = ProgramBuilder()
    table = np.zeros(256, np.int32)
    table[1] = 1
    shares = builder.add(Softmax(0, INT8), builder.add_input(_x(4)), builder.add_initializer(table))
    with pytest.raises(InitializerMismatch):
        bind_program(builder.build(shares), builder.contents)


def test_no_accepted_window_lies_in_the_border_alone() -> None:
    accepted = 0
    ranges = (range(1, 6), range(1, 4), range(1, 4), range(5), range(5), range(1, 5))
    for length, kernel, stride, before, after, apart in product(*ranges):
        operator = MaxPool((kernel, 1), (stride, 1), (before, 0, after, 0), (apart, 1))
        site = Site(0, "maxpool", (_x(1, length, 1),), (False,))
        try:
            (pooled,) = infer_maxpool(operator, site)
        except InvalidProgram:
            continue
        accepted += 1
        for window in range(pooled.shape[1]):
            starts = (window * stride - before + place * apart for place in range(kernel))
            assert any(0 <= start < length for start in starts)
    assert accepted > 1000
