"""Runs of layered models: every layer is a product, every hidden layer then a shift and a clip.

Tensor 0 is the rows, 1 to L are the weight matrices; then, layer by layer, the sums (int32) and, except after
the last, the activations (uint8). The last sums are the logits.
"""

from functools import cached_property

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aivm.batch import Weights, verify_rows, verify_weights
from aivm.errors import InvalidTensor
from aivm.layered import ACTIVATION_MAX, LayeredShape
from aivm.program.binding import Tensor
from aivm.program.record import compute_tensor_id
from aivm.program.types import DType, TensorType, make_full_type
from aivm.verification.errors import InvalidRequest
from aivm.verification.freivalds import Product
from tangle.core.hashing import PROGRAM, compute_record_hash
from tangle.core.types import Digest


class LayeredProgram(Struct, frozen=True, dict=True, eq=False):
    """A layered model with its weights, for runs of so many rows. It is a ``TracedProgram``.

    :raises InvalidTensor: weights that do not fit the shape.
    :raises InvalidRequest: no rows.
    """

    layers: LayeredShape
    """Widths and shifts."""

    weights: Weights
    """One matrix per layer."""

    rows: int
    """Rows of a run."""

    def __post_init__(self) -> None:
        verify_weights(self.layers, self.weights)
        if self.rows < 1:
            raise InvalidRequest(f"a run of {self.rows} rows")

    @cached_property
    def program_id(self) -> Digest:
        """``H_program(sizes, shifts, weight ids)``: no encoded program begins like this."""
        ids = [
            compute_tensor_id(self.types[number], self.weights[number - 1].tobytes())
            for number in range(1, self.first)
        ]
        return compute_record_hash(PROGRAM, self.layers.sizes, self.layers.shifts, ids)

    @cached_property
    def types(self) -> tuple[TensorType, ...]:
        """Types of all tensors."""
        types = [TensorType(DType.UINT8, (self.rows, self.layers.sizes[0]), 0, ACTIVATION_MAX)]
        types += [make_full_type(DType.INT8, shape) for shape in self.layers.matrix_shapes]
        for place, width in enumerate(self.layers.sizes[1:], 1):
            types.append(make_full_type(DType.INT32, (self.rows, width)))
            if place < len(self.weights):
                types.append(TensorType(DType.UINT8, (self.rows, width), 0, ACTIVATION_MAX))
        return tuple(types)

    @property
    def inputs(self) -> tuple[int, ...]:
        """The rows."""
        return (0,)

    @property
    def first(self) -> int:
        """Number of the first sums."""
        return 1 + len(self.weights)

    @property
    def outputs(self) -> tuple[int, ...]:
        """The logits."""
        return (len(self.types) - 1,)

    def is_constant(self, number: int) -> bool:
        """Whether a tensor is a weight matrix."""
        return 1 <= number < self.first

    def get_constant(self, number: int) -> Tensor:
        """A weight matrix."""
        return self.weights[number - 1]

    def get_operands(self, number: int) -> tuple[int, ...]:
        """Activations and weights of sums; sums of activations."""
        layer, is_activation = divmod(number - self.first, 2)
        if is_activation:
            return (number - 1,)
        return (number - 1 if layer else 0, 1 + layer)

    def compute_tensor(self, number: int, operands: tuple[Tensor, ...]) -> Tensor:
        """Sums: ``x W``. Activations: ``clip(sums >> shift, 0, 127)``."""
        layer, is_activation = divmod(number - self.first, 2)
        if is_activation:
            clipped: Tensor = np.clip(operands[0] >> self.layers.shifts[layer], 0, ACTIVATION_MAX)
            return clipped.astype(np.uint8)
        # Exact: sums of at most 2^16 products below 2^14.
        sums: NDArray[np.float64] = operands[0].astype(np.float64) @ operands[1].astype(np.float64)
        return sums.astype(np.int32)

    def verify_inputs(self, inputs: tuple[Tensor, ...]) -> None:
        """Check the rows.

        :raises InvalidTensor: they do not fit.
        """
        if len(inputs) != 1 or inputs[0].ndim != 2 or len(inputs[0]) != self.rows:
            raise InvalidTensor("rows", f"a run takes one tensor of {self.rows} rows")
        verify_rows(self.layers, inputs[0])

    def count_macs(self, number: int) -> int:
        """Rows times weights for sums."""
        layer, is_activation = divmod(number - self.first, 2)
        return 0 if is_activation else self.rows * self.weights[layer].size

    def list_products(self, number: int, operands: tuple[Tensor, ...], claimed: Tensor) -> list[Product]:
        """One product for sums, none for activations."""
        if len(operands) == 1:
            return []
        return [Product(operands[0], operands[1], claimed)]
