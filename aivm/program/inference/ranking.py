"""Rules of ``Argmax`` and ``TopK``."""

from aivm.program.inference.site import Site
from aivm.program.limits import REDUCTION_MAX, SORTED_MAX
from aivm.program.operators import Argmax, TopK
from aivm.program.types import DType, TensorType


def infer_argmax(operator: Argmax, site: Site) -> tuple[TensorType, ...]:
    """Type of the places of largest values.

    :raises InvalidProgram: ``axis`` does not exist or is too long.
    """
    site.verify_count(1, 1)
    operand = site.operands[0]
    site.verify_axis(operator.axis, operand.rank)
    length = operand.shape[operator.axis]
    site.verify_limit("the number of compared elements", length, REDUCTION_MAX)
    shape = (*operand.shape[: operator.axis], *operand.shape[operator.axis + 1 :])
    return (TensorType(DType.INT32, shape, 0, length - 1),)


def infer_topk(operator: TopK, site: Site) -> tuple[TensorType, ...]:
    """Types of the largest values and of their places.

    :raises InvalidProgram: ``axis`` does not exist or is too long, or ``count`` is not within it.
    """
    site.verify_count(1, 1)
    operand = site.operands[0]
    site.verify_axis(operator.axis, operand.rank)
    length = operand.shape[operator.axis]
    site.verify_limit("the number of ranked elements", length, SORTED_MAX)
    site.verify_positive("count", (operator.count,))
    if operator.count > length:
        site.refuse_attribute(f"the first {operator.count} of {length}")
    shape = (*operand.shape[: operator.axis], operator.count, *operand.shape[operator.axis + 1 :])
    return (
        TensorType(operand.dtype, shape, operand.low, operand.high),
        TensorType(DType.INT32, shape, 0, length - 1),
    )
