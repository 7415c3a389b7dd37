"""``Argmax`` and ``TopK`` on a device: comparisons of each with each, so that ties need no sorting."""

from tinygrad import Tensor, dtypes

from aivm.program.operators import Argmax, TopK


def build_argmax(operator: Argmax, values: Tensor) -> Tensor:
    """Lowest place of the largest value; int32."""
    axis = operator.axis + 1
    wide = values.cast(dtypes.int32)
    length = values.shape[axis]
    shape = [length if place == axis else 1 for place in range(values.ndim)]
    places = Tensor.arange(length, dtype=dtypes.int32).reshape(*shape)
    is_largest = wide == wide.max(axis, keepdim=True).contiguous()
    # The lowest place is where length - place is largest.
    return length - is_largest.where(length - places, 0).max(axis)


def build_topk(operator: TopK, values: Tensor) -> tuple[Tensor, Tensor]:
    """Largest values in falling order and their places; int32 each."""
    axis = operator.axis + 1
    last = values.cast(dtypes.int32).transpose(axis, values.ndim - 1).contiguous()
    length = last.shape[-1]
    places = Tensor.arange(length, dtype=dtypes.int32)
    this, other = last.unsqueeze(-1), last.unsqueeze(-2)
    is_lower = places.reshape(1, length) < places.reshape(length, 1)
    is_before = (other > this) | ((other == this) & is_lower)
    ranks = is_before.where(1, 0).sum(-1, dtype=dtypes.int32).contiguous()
    wanted = Tensor.arange(operator.count, dtype=dtypes.int32).reshape(-1, 1)
    is_wanted = ranks.unsqueeze(-2) == wanted
    found = [
        is_wanted.where(candidates.unsqueeze(-2), 0).sum(-1, dtype=dtypes.int32)
        for candidates in (last, places.expand(*last.shape))
    ]
    first, second = (each.transpose(axis, values.ndim - 1) for each in found)
    return first, second
