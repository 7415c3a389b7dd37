"""Rules of ``Softmax`` and ``LayerNorm``."""

from math import isqrt

from aivm.program.inference.scaling import TABLE_ENTRIES
from aivm.program.inference.site import Site, get_magnitude
from aivm.program.limits import EPSILON_MAX, NORMALIZED_MAX, SHIFT_MAX, WIDE_MAX
from aivm.program.operators import Centering, LayerNorm, Softmax
from aivm.program.types import BYTES, DType, TensorType, make_full_type

EXPONENTIAL_MAX = 2**24
"""Largest entry of a softmax's table: e^0 in 24 fraction bits."""

FRACTION_BITS = 16
"""Fraction bits of a normalised value."""


def infer_softmax(operator: Softmax, site: Site) -> tuple[TensorType, ...]:
    """Type of shares.

    :raises InvalidProgram: the operand is no tensor of bytes, or the table is none of exponentials.
    """
    site.verify_count(2, 2)
    site.verify_bytes(0)
    operand, table = site.operands
    site.verify_axis(operator.axis, operand.rank)
    site.verify_limit("the number of shares", operand.shape[operator.axis], NORMALIZED_MAX)
    site.verify_constant(1)
    site.verify_dtype(1, DType.INT32)
    site.verify_shape(1, (TABLE_ENTRIES,))
    if table.low < 0 or table.high > EXPONENTIAL_MAX:
        site.refuse_attribute(f"a table of {table.low} to {table.high} is not within 0 to {EXPONENTIAL_MAX}")
    if operator.dtype not in BYTES:
        site.refuse_type("shares are bytes")
    return (make_full_type(operator.dtype, operand.shape),)


def infer_layernorm(operator: LayerNorm, site: Site) -> tuple[TensorType, ...]:
    """Type of normalised values.

    :raises InvalidProgram: shapes, attributes or bounds do not fit.
    """
    site.verify_count(3, 3)
    site.verify_bytes(0)
    operand, gain, offset = site.operands
    site.verify_axis(0, operand.rank)
    length = operand.shape[-1]
    site.verify_limit("the number of normalised elements", length, NORMALIZED_MAX)
    for place in (1, 2):
        site.verify_constant(place)
        site.verify_dtype(place, DType.INT32)
        site.verify_shape(place, (length,))
    if operator.dtype not in BYTES:
        site.refuse_type("normalised values are bytes")
    if operator.centering is Centering.MEAN and operator.input_zero != 0:
        site.refuse_attribute("a zero point has no effect with centring; write 0")
    if not 1 <= operator.epsilon <= EPSILON_MAX:
        site.refuse_attribute(f"epsilon {operator.epsilon} is not within 1 to {EPSILON_MAX}")
    if operator.shift > SHIFT_MAX:
        site.refuse_attribute(f"shift {operator.shift} is over {SHIFT_MAX}")
    site.verify_zero(operand.dtype, operator.input_zero)
    site.verify_zero(operator.dtype, operator.output_zero)
    largest = compute_normalized_bound(length) * get_magnitude((gain.low, gain.high))
    largest += get_magnitude((offset.low, offset.high)) << FRACTION_BITS
    site.verify_accumulator("a weighted sum", largest, WIDE_MAX)
    return (make_full_type(operator.dtype, operand.shape),)


def compute_normalized_bound(length: int) -> int:
    """Largest magnitude of a normalised value in 2^-16ths: the square root of ``length``, and a little.

    One of n values is at most sqrt(n) standard deviations from 0; the integer root is at most one too small,
    a 256th of the smallest possible deviation.
    """
    return ((isqrt(length) + 1) * (258 << FRACTION_BITS)) // 256 + 1
