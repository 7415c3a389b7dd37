"""Rules of the operators that move elements: ``Reshape``, ``Transpose``, ``Concat`` and ``Gather``."""

from math import prod

from aivm.program.errors import IndexRange
from aivm.program.inference.site import Site
from aivm.program.limits import INPUTS_MAX, RANK_MAX
from aivm.program.operators import Concat, Gather, Reshape, Transpose
from aivm.program.types import TensorType


def infer_reshape(operator: Reshape, site: Site) -> tuple[TensorType, ...]:
    """Type of the same elements under another shape.

    :raises InvalidProgram: it has another number of elements.
    """
    site.verify_count(1, 1)
    operand = site.operands[0]
    if prod(operator.shape) != operand.elements:
        site.refuse_shape(f"{operand.shape} has {operand.elements} elements, {operator.shape} has not")
    return (TensorType(operand.dtype, operator.shape, operand.low, operand.high),)


def infer_transpose(operator: Transpose, site: Site) -> tuple[TensorType, ...]:
    """Type with the dimensions in another order.

    :raises InvalidProgram: ``order`` does not name each dimension once.
    """
    site.verify_count(1, 1)
    operand = site.operands[0]
    if sorted(operator.order) != list(range(operand.rank)):
        site.refuse_attribute(f"{operator.order} is no order of {operand.rank} dimensions")
    shape = tuple(operand.shape[place] for place in operator.order)
    return (TensorType(operand.dtype, shape, operand.low, operand.high),)


def infer_concat(operator: Concat, site: Site) -> tuple[TensorType, ...]:
    """Type of tensors joined.

    :raises InvalidProgram: element types or the other dimensions differ.
    """
    site.verify_count(2, INPUTS_MAX)
    first = site.operands[0]
    site.verify_axis(operator.axis, first.rank)
    for place, operand in enumerate(site.operands):
        site.verify_dtype(place, first.dtype)
        if operand.rank != first.rank or any(
            length != first.shape[axis] for axis, length in enumerate(operand.shape) if axis != operator.axis
        ):
            site.refuse_shape(f"operand {place} has shape {operand.shape}, the first {first.shape}")
    joined = sum(operand.shape[operator.axis] for operand in site.operands)
    shape = (*first.shape[: operator.axis], joined, *first.shape[operator.axis + 1 :])
    low = min(operand.low for operand in site.operands)
    high = max(operand.high for operand in site.operands)
    return (TensorType(first.dtype, shape, low, high),)


def infer_gather(operator: Gather, site: Site) -> tuple[TensorType, ...]:
    """Type of slices by index.

    :raises IndexRange: an index could lie outside data.
    :raises InvalidProgram: ``axis`` does not exist or the result has too many dimensions.
    """
    site.verify_count(2, 2)
    data, indices = site.operands
    site.verify_axis(operator.axis, data.rank)
    length = data.shape[operator.axis]
    if indices.low < 0 or indices.high >= length:
        reason = f"indices range over {indices.low} to {indices.high}, data over 0 to {length - 1}"
        raise IndexRange(site.node, site.name, reason)
    shape = (*data.shape[: operator.axis], *indices.shape, *data.shape[operator.axis + 1 :])
    site.verify_limit("the number of dimensions", len(shape), RANK_MAX)
    return (TensorType(data.dtype, shape, data.low, data.high),)
