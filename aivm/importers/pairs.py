"""Sums, differences and products of two tensors of bytes, with onnxruntime's very bits where they are wanted.

onnxruntime adds in float32: ``round(a ra + (b rb + (zy - (za ra + zb rb))))`` with ``ra = sa / sy``, and
multiplies so, too. There are 65,536 pairs of bytes, so a program can have exactly these bits: by integer
arithmetic where all pairs come out alike (they are all tried when the model is imported), otherwise by a
table of all pairs.
"""

from math import frexp, inf
from typing import Any, Final

import numpy as np

from aivm.importers.errors import InvalidScale
from aivm.importers.graph import Array
from aivm.importers.scales import Affine, split_scale
from aivm.importers.values import Pair
from aivm.oracle.graph.scaling import compute_add, compute_mul, compute_requantize
from aivm.program.building import Handle, ProgramBuilder
from aivm.program.operators import Add, Clip, Gather, Mode, Mul, Operator, Requantize
from aivm.program.types import DTYPES, HIGHEST, LOWEST, DType

FACTOR_BITS: Final = 30
"""Bits of the larger of both factors of a sum."""

BYTE: Final = 256
"""Values of a byte."""


def add_pair(builder: ProgramBuilder, pair: Pair, affine: Affine, *, is_exact: bool) -> Handle:
    """Bytes of a sum, difference or product in a wanted scale.

    :param is_exact: whether onnxruntime's bits are wanted, not just the nearest byte.
    """
    low, high = get_bounds(pair, affine)
    left, right = (_get_codes(side.handle) for side in (pair.left, pair.right))
    columns, rows = left.reshape(BYTE, 1, 1), right.reshape(1, 1, BYTE)
    if pair.operator == "Mul":
        found, handles = _multiply(pair, affine, columns, rows)
    else:
        operator = make_add(pair, affine)
        found, handles = compute_add(operator, columns, rows), (operator,)
    if is_exact:
        wanted = compute_all_pairs(pair, affine)
        if not np.array_equal(np.clip(found.reshape(BYTE, BYTE), low, high), wanted):
            return _add_table(builder, pair, wanted.astype(DTYPES[affine.dtype]))
    handle = builder.add(handles[0], pair.left.handle, pair.right.handle)
    for following in handles[1:]:
        handle = builder.add(following, handle)
    if low > handle.type.low or high < handle.type.high:
        handle = builder.add(Clip(low, high), handle)
    return handle


def _multiply(pair: Pair, affine: Affine, left: Array, right: Array) -> tuple[Array, tuple[Operator, ...]]:
    first, second = get_affines(pair)
    ratio = np.float32(first.scale) * np.float32(second.scale) / np.float32(affine.scale)
    multiplier, shift = split_scale(float(ratio), Mode.ORT_F32, "a product")
    product = Mul(first.zero, second.zero)
    scaled = Requantize(Mode.ORT_F32, affine.dtype, 0, (multiplier,), (shift,), 0, affine.zero)
    found = compute_requantize(scaled, compute_mul(product, left, right))
    return found, (product, scaled)


def make_add(pair: Pair, affine: Affine) -> Add:
    """The integer sum whose factors are nearest to the scales."""
    left, right = get_affines(pair)
    sign = -1 if pair.operator == "Sub" else 1
    ratios = left.scale / affine.scale, sign * right.scale / affine.scale
    largest = max(map(abs, ratios))
    shift = FACTOR_BITS - frexp(largest)[1]
    if not 0 <= shift <= 2 * FACTOR_BITS:
        raise InvalidScale("a sum", largest)
    factors = [round(ratio * 2**shift) for ratio in ratios]
    return Add(Mode.RNE64, affine.dtype, left.zero, right.zero, factors[0], factors[1], shift, affine.zero)


def get_bounds(pair: Pair, affine: Affine) -> tuple[int, int]:
    """Smallest and largest byte of the result."""
    low = LOWEST[affine.dtype] if pair.low == -inf else int(affine.quantize(np.array(pair.low)))
    high = HIGHEST[affine.dtype] if pair.high == inf else int(affine.quantize(np.array(pair.high)))
    return low, max(low, high)


def compute_all_pairs(pair: Pair, affine: Affine) -> Array:
    """(256, 256) int64: what onnxruntime gives for every pair of bytes.

    Source: onnxruntime, MLAS ``MlasQLinearAdd`` on processors with fused multiply-add, and
    ``MlasQLinearMul``; both compared with it for all bytes under 80 sets of scales. A difference
    is not fused and goes through floats.
    """
    left, right = get_affines(pair)
    single = np.float32
    low, high = get_bounds(pair, affine)
    rows = _get_codes(pair.left.handle)[:, None]
    columns = _get_codes(pair.right.handle)[None, :]
    scales = single(left.scale), single(right.scale), single(affine.scale)
    zero = single(affine.zero)
    if pair.operator == "Mul":
        products = ((rows - left.zero) * (columns - right.zero)).astype(single)
        real = products * (scales[0] * scales[1] / scales[2]) + zero
    elif pair.operator == "Add":
        first, second = scales[0] / scales[2], scales[1] / scales[2]
        fixed = zero - _fuse(first, np.array(left.zero), np.array(second * single(right.zero)))
        real = _fuse(first, rows, _fuse(second, columns, fixed))
    else:
        difference = (rows - left.zero).astype(single) * scales[0]
        difference = difference - (columns - right.zero).astype(single) * scales[1]
        real = np.rint(difference / scales[2]) + zero
    limited: Array = np.clip(np.rint(real), low, high).astype(np.int64)
    return limited


def get_affines(pair: Pair) -> tuple[Affine, Affine]:
    """Scales and zero points of both operands."""
    left, right = pair.left.affine, pair.right.affine
    assert left is not None, "a pair is made of affine bytes"
    assert right is not None, "a pair is made of affine bytes"
    return left, right


def _fuse(factor: Any, bytes_of: Array, addend: Array) -> Array:
    # A fused multiply-add rounds once. A byte times a float32 has 32 bits; 64 bits hold the sum of that and
    # another float32 of the same order.
    wide = np.longdouble
    return (bytes_of.astype(wide) * wide(factor) + addend).astype(np.float32)


def _get_codes(handle: Handle) -> Array:
    return np.arange(LOWEST[handle.type.dtype], HIGHEST[handle.type.dtype] + 1)


def _add_table(builder: ProgramBuilder, pair: Pair, entries: Array) -> Handle:
    lows = [LOWEST[side.handle.type.dtype] for side in (pair.left, pair.right)]
    place = Add(Mode.RNE64, DType.INT32, lows[0], lows[1], BYTE, 1, 0, 0)
    index = builder.add(place, pair.left.handle, pair.right.handle)
    index = builder.add(Clip(0, BYTE * BYTE - 1), index)
    return builder.add(Gather(0), builder.add_initializer(entries.ravel()), index)
