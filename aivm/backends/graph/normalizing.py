"""``Softmax`` and ``LayerNorm`` on a device."""

from tinygrad import Tensor, dtypes

from aivm.backends.graph.rounding import compute_root, divide_half_even, shift_half_even
from aivm.backends.graph.scaling import look_up, saturate
from aivm.oracle.graph.normalizing import DEVIATION_BITS, FRACTION_BITS, SHARE_MAX, SHARES
from aivm.program.operators import Centering, LayerNorm, Softmax
from aivm.program.types import LOWEST


def build_softmax(operator: Softmax, values: Tensor, table: Tensor) -> Tensor:
    """Shares in 256ths; int64."""
    wide = values.cast(dtypes.int32)
    distances = wide.max(operator.axis + 1, keepdim=True) - wide
    exponentials = look_up(distances.contiguous(), table).cast(dtypes.int64).contiguous()
    sums = exponentials.sum(operator.axis + 1, keepdim=True, dtype=dtypes.int64).contiguous()
    shares = divide_half_even(exponentials * SHARES, sums).minimum(SHARE_MAX)
    return shares + LOWEST[operator.dtype]


def build_layernorm(operator: LayerNorm, values: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    """Normalised, weighted and saturated; int64."""
    centered = values.cast(dtypes.int64) - operator.input_zero
    length = values.shape[-1]
    squares = (centered * centered).sum(-1, keepdim=True, dtype=dtypes.int64).contiguous() * length
    distances = centered * length
    if operator.centering is Centering.MEAN:
        total = centered.sum(-1, keepdim=True, dtype=dtypes.int64).contiguous()
        distances, squares = distances - total, squares - total * total
    deviation = compute_root((squares << (2 * DEVIATION_BITS)) + operator.epsilon).contiguous()
    normalized = divide_half_even(distances << (FRACTION_BITS + DEVIATION_BITS), deviation)
    weighted = normalized * gain.cast(dtypes.int64) + (offset.cast(dtypes.int64) << FRACTION_BITS)
    return saturate(shift_half_even(weighted, operator.shift) + operator.output_zero, operator.dtype)
