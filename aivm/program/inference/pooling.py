"""Rules of ``MaxPool`` and ``AveragePool``."""

from aivm.program.inference.site import Site, compute_window_lengths
from aivm.program.limits import REDUCTION_MAX
from aivm.program.operators import AveragePool, Border, MaxPool
from aivm.program.types import TensorType


def infer_maxpool(operator: MaxPool, site: Site) -> tuple[TensorType, ...]:
    """Type of the largest values.

    :raises InvalidProgram: the window does not fit, or could lie in the border alone.
    """
    return (_infer_pool(site, operator.kernel, operator.strides, operator.pads, operator.dilations),)


def infer_averagepool(operator: AveragePool, site: Site) -> tuple[TensorType, ...]:
    """Type of the means.

    :raises InvalidProgram: the window does not fit, or could lie in the border alone.
    """
    site.verify_count(1, 1)
    site.verify_bytes(0)
    operand = site.operands[0]
    site.verify_zero(operand.dtype, operator.input_zero)
    site.verify_limit("a window", operator.kernel[0] * operator.kernel[1], REDUCTION_MAX)
    pooled = _infer_pool(site, operator.kernel, operator.strides, operator.pads, (1, 1))
    if operator.border is Border.COUNTED and any(operator.pads):
        low, high = min(operand.low, operator.input_zero), max(operand.high, operator.input_zero)
        return (TensorType(pooled.dtype, pooled.shape, low, high),)
    return (pooled,)


def _infer_pool(
    site: Site,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[int, ...],
    dilations: tuple[int, ...],
) -> TensorType:
    site.verify_count(1, 1)
    operand = site.operands[0]
    if operand.rank != 3:
        site.refuse_shape(f"shape {operand.shape} is not (c, h, w)")
    _, height, width = operand.shape
    lengths = compute_window_lengths(site, (height, width), kernel, strides, pads, dilations)
    for place in (0, 1):
        _verify_inside(
            site,
            (operand.shape[place + 1], lengths[place]),
            kernel[place],
            strides[place],
            pads[place],
            dilations[place],
        )
    return TensorType(operand.dtype, (operand.shape[0], *lengths), operand.low, operand.high)


def _verify_inside(
    site: Site, lengths: tuple[int, int], kernel: int, stride: int, pad: int, dilation: int
) -> None:
    # Every window must have an element of the image: a maximum or mean over nothing is undefined. The first
    # window reaches least far into it. With steps no longer than the image none can jump over it.
    length, count = lengths
    if kernel > 1 and dilation > length:
        site.refuse_shape(f"elements of a window {dilation} apart jump over {length}")
    if (kernel - 1) * dilation < pad or (count - 1) * stride - pad >= length:
        site.refuse_shape("a window lies in the border alone")
