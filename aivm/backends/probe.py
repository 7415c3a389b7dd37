"""Runs one small kernel on one device; called in a child process by ``aivm.backends.discovery``."""

from typing import Final

from aivm.errors import DeviceUnavailable

EXPECTED: Final = (127 * 127 * 300, -1)
"""Sum of 300 products of int8 extremes, and the floor shift of -1: the two things that devices get wrong."""


def probe_device(name: str) -> None:
    """Compute two known integers on ``name``.

    :raises DeviceUnavailable: the integers are wrong. Whatever the driver raises passes through.
    """
    from tinygrad import Tensor, dtypes

    column = Tensor([[127]] * 300, dtype=dtypes.int8, device=name)
    product = int(column.transpose(0, 1).matmul(column, dtype=dtypes.int32).item())
    shifted = int((Tensor([-1], dtype=dtypes.int32, device=name) >> 7).item())
    if (product, shifted) != EXPECTED:
        raise DeviceUnavailable(name, f"computed {(product, shifted)}, not {EXPECTED}")
