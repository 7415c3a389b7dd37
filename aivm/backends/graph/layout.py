"""The operators that move elements, on a device."""

from math import prod

from tinygrad import Tensor, dtypes

from aivm.program.operators import Concat, Gather, Reshape, Transpose


def build_reshape(operator: Reshape, values: Tensor) -> Tensor:
    """Elements in the same order."""
    return values.reshape(values.shape[0], *operator.shape)


def build_transpose(operator: Transpose, values: Tensor) -> Tensor:
    """Dimensions in another order, rows staying first."""
    return values.permute(0, *(place + 1 for place in operator.order))


def build_concat(operator: Concat, operands: tuple[Tensor, ...], rows: int) -> Tensor:
    """Operands one after the other."""
    repeated = [values.expand(rows, *values.shape[1:]) for values in operands]
    return repeated[0].cat(*repeated[1:], dim=operator.axis + 1)


def build_gather(operator: Gather, data: Tensor, indices: Tensor) -> Tensor:
    """Slices by index, as the one term of a sum; int32."""
    before, after = data.shape[1 : operator.axis + 1], data.shape[operator.axis + 2 :]
    length, wanted = data.shape[operator.axis + 1], indices.shape[1:]
    slices = data.cast(dtypes.int32).reshape(data.shape[0], prod(before), 1, length, prod(after))
    places = indices.cast(dtypes.int32).reshape(indices.shape[0], 1, prod(wanted), 1, 1)
    candidates = Tensor.arange(length, dtype=dtypes.int32).reshape(1, 1, 1, length, 1)
    taken = (places == candidates).where(slices, 0).sum(3, dtype=dtypes.int32)
    return taken.reshape(taken.shape[0], *before, *wanted, *after)
