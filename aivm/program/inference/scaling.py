"""Rules of the elementwise operators: ``Add``, ``Mul``, ``Requantize``, ``Clip`` and ``Table``."""

from aivm.program.inference.site import Site, compute_broadcast, get_magnitude, multiply
from aivm.program.limits import (
    MANTISSA_MAX,
    MANTISSA_MIN,
    MULTIPLIER_MAX,
    MULTIPLIER_MIN,
    SHIFT_MAX,
    WIDE_MAX,
)
from aivm.program.operators import Add, Clip, Mode, Mul, Requantize
from aivm.program.types import HIGHEST, LOWEST, DType, TensorType, make_full_type

TABLE_ENTRIES = 256
"""Entries of a table: one for every value of a byte."""


def infer_add(operator: Add, site: Site) -> tuple[TensorType, ...]:
    """Type of a weighted sum.

    :raises InvalidProgram: shapes, attributes or bounds do not fit.
    """
    site.verify_count(2, 2)
    if operator.mode is Mode.ORT_F32:
        site.refuse_attribute("a sum of two scaled tensors has no rounding ORT_F32")
    factors = (operator.left_multiplier, operator.right_multiplier)
    if get_magnitude(factors) > MULTIPLIER_MAX:
        site.refuse_attribute(f"multipliers {factors} are not within {MULTIPLIER_MAX} and its negation")
    if operator.shift > SHIFT_MAX:
        site.refuse_attribute(f"shift {operator.shift} is over {SHIFT_MAX}")
    site.verify_zero(operator.dtype, operator.output_zero)
    left, right = site.get_centered(0, operator.left_zero), site.get_centered(1, operator.right_zero)
    largest = get_magnitude(left) * abs(factors[0]) + get_magnitude(right) * abs(factors[1])
    site.verify_accumulator("a weighted sum", largest, WIDE_MAX)
    shape = compute_broadcast(site, site.operands[0].shape, site.operands[1].shape)
    return (make_full_type(operator.dtype, shape),)


def infer_mul(operator: Mul, site: Site) -> tuple[TensorType, ...]:
    """Type of a product.

    :raises InvalidProgram: shapes, zero points or bounds do not fit.
    """
    site.verify_count(2, 2)
    low, high = multiply(site.get_centered(0, operator.left_zero), site.get_centered(1, operator.right_zero))
    site.verify_accumulator("a product", get_magnitude((low, high)))
    shape = compute_broadcast(site, site.operands[0].shape, site.operands[1].shape)
    return (TensorType(DType.INT32, shape, low, high),)


def infer_requantize(operator: Requantize, site: Site) -> tuple[TensorType, ...]:
    """Type of a scaled tensor.

    :raises InvalidProgram: multipliers, shifts, zero points or bounds do not fit.
    """
    site.verify_count(1, 1)
    operand = site.operands[0]
    count = len(operator.multipliers)
    if count != len(operator.shifts) or count == 0:
        site.refuse_attribute(f"{count} multipliers and {len(operator.shifts)} shifts")
    if count == 1:
        if operator.axis != 0:
            site.refuse_attribute("one multiplier for all goes with dimension 0")
    else:
        site.verify_axis(operator.axis, operand.rank)
        if operand.shape[operator.axis] != count:
            site.refuse_shape(f"{count} multipliers along dimension {operator.axis} of {operand.shape}")
    low, high = MULTIPLIER_MIN, MULTIPLIER_MAX
    if operator.mode is Mode.ORT_F32:
        low, high = MANTISSA_MIN, MANTISSA_MAX
    if min(operator.multipliers) < low or max(operator.multipliers) > high:
        site.refuse_attribute(f"a multiplier is not within {low} to {high} ({operator.mode.name})")
    if max(operator.shifts) > SHIFT_MAX:
        site.refuse_attribute(f"shift {max(operator.shifts)} is over {SHIFT_MAX}")
    site.verify_zero(operator.dtype, operator.output_zero)
    centered = site.get_centered(0, operator.input_zero)
    site.verify_accumulator("a centred value", get_magnitude(centered))
    return (make_full_type(operator.dtype, operand.shape),)


def infer_clip(operator: Clip, site: Site) -> tuple[TensorType, ...]:
    """Type of a limited tensor.

    :raises InvalidProgram: the limits are none of the operand's type.
    """
    site.verify_count(1, 1)
    operand = site.operands[0]
    if not LOWEST[operand.dtype] <= operator.low <= operator.high <= HIGHEST[operand.dtype]:
        site.refuse_attribute(f"{operator.low} to {operator.high} is no range of {operand.dtype.name}")
    low, high = (min(max(end, operator.low), operator.high) for end in (operand.low, operand.high))
    return (TensorType(operand.dtype, operand.shape, low, high),)


def infer_table(site: Site) -> tuple[TensorType, ...]:
    """Type of looked up values.

    :raises InvalidProgram: the operand is no tensor of bytes, or the table no initialiser of 256 entries.
    """
    site.verify_count(2, 2)
    site.verify_bytes(0)
    site.verify_constant(1)
    site.verify_shape(1, (TABLE_ENTRIES,))
    table = site.operands[1]
    return (TensorType(table.dtype, site.operands[0].shape, table.low, table.high),)
