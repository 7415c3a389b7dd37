"""Rules of ``Matmul`` and ``Conv2d``: sums of products that cannot leave 32 bits."""

from aivm.program.inference.site import Site, compute_window_lengths, get_magnitude, multiply
from aivm.program.limits import BIAS_MAX, REDUCTION_MAX
from aivm.program.operators import Conv2d, Matmul
from aivm.program.types import DType, TensorType


def infer_matmul(operator: Matmul, site: Site) -> tuple[TensorType, ...]:
    """Type of ``left @ right + bias``.

    :raises InvalidProgram: shapes, types, zero points or bounds do not fit.
    """
    site.verify_count(2, 3)
    left, right = site.operands[0].shape, site.operands[1].shape
    if len(left) < 1 or len(right) < 2:
        site.refuse_shape(f"shapes {left} and {right} are no matrices")
    if left[-1] != right[-2]:
        site.refuse_shape(f"shapes {left} and {right}: inner lengths {left[-1]} and {right[-2]} differ")
    if len(right) > 2 and left[:-2] != right[:-2]:
        site.refuse_shape(f"shapes {left} and {right}: leading lengths differ")
    if len(right) > 2 and len(left) != len(right):
        site.refuse_shape(f"shapes {left} and {right}: ranks differ")
    return _infer_sums(
        site, (*left[:-1], right[-1]), left[-1], right[-1], (operator.left_zero, operator.right_zero)
    )


def infer_conv2d(operator: Conv2d, site: Site) -> tuple[TensorType, ...]:
    """Type of a grouped convolution.

    :raises InvalidProgram: shapes, types, zero points or bounds do not fit.
    """
    site.verify_count(2, 3)
    site.verify_constant(1)
    image, kernels = site.operands[0].shape, site.operands[1].shape
    if len(image) != 3 or len(kernels) != 4:
        site.refuse_shape(f"shapes {image} and {kernels} are not (c, h, w) and (o, c / groups, kh, kw)")
    site.verify_positive("groups", (operator.groups,))
    if image[0] != kernels[1] * operator.groups or kernels[0] % operator.groups:
        site.refuse_shape(
            f"{image[0]} channels and kernels {kernels} do not divide into {operator.groups} groups"
        )
    height, width = compute_window_lengths(
        site, (image[1], image[2]), kernels[2:], operator.strides, operator.pads, operator.dilations
    )
    terms = kernels[1] * kernels[2] * kernels[3]
    return _infer_sums(
        site, (kernels[0], height, width), terms, kernels[0], (operator.left_zero, operator.right_zero)
    )


def _infer_sums(
    site: Site, shape: tuple[int, ...], terms: int, channels: int, zeros: tuple[int, int]
) -> tuple[TensorType, ...]:
    site.verify_bytes(0)
    site.verify_bytes(1)
    site.verify_limit("the length of a sum", terms, REDUCTION_MAX)
    product = multiply(site.get_centered(0, zeros[0]), site.get_centered(1, zeros[1]))
    bias = (0, 0)
    if len(site.operands) == 3:
        site.verify_dtype(2, DType.INT32)
        site.verify_constant(2)
        site.verify_shape(2, (channels,))
        bias = site.operands[2].low, site.operands[2].high
        site.verify_accumulator("a bias", get_magnitude(bias), BIAS_MAX)
    # Any partial sum, in any order, is within this; borders add zeros, so both ends reach to 0.
    site.verify_accumulator("a sum of products", terms * get_magnitude(product) + get_magnitude(bias))
    low, high = terms * min(product[0], 0) + bias[0], terms * max(product[1], 0) + bias[1]
    return (TensorType(DType.INT32, shape, low, high),)
