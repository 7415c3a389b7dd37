"""Layered integer models, and the shape of an evaluation by evolution.

A layered model multiplies a row of unsigned 7-bit integers by one weight matrix after the other; between
layers the sum is shifted right (floor) and clipped to 0 ... 127, the last layer's sums are the logits. An
evaluation asks how much better the model fits a batch of labelled rows when every weight matrix moves by
``+sigma a bT`` than when it moves by ``-sigma a bT``.

Everything is an integer and no sum can leave 32 bits: that is checked here, once, from the shapes alone,
before any kernel runs. A sum of integers does not depend on the order of its terms, so every device gives the
same bits.
"""

from typing import Final

from msgspec import Struct

from aivm.errors import AccumulatorOverflow, InvalidModel

ACTIVATION_MAX: Final = 127
"""Largest activation and input: seven bits, so that products with weights fit in 15."""

WEIGHT_MAX: Final = 127
"""Largest magnitude of an effective weight; -128 is not used, so that negation is always defined."""

ACCUMULATOR_MAX: Final = 2**31 - 1
"""Largest sum: accumulators are signed 32-bit integers on every device."""

LAYERS_MAX: Final = 8
"""Most weight matrices of a layered model: bounds the kernels that a shape compiles to."""

WIDTH_MAX: Final = 65_536
"""Widest layer: above it, sums of 255 x 127 would not fit in 32 bits (AIVM-Q1)."""

CLASSES_MAX: Final = 256
"""Most classes: a label is one byte."""

WEIGHTS_MAX: Final = 2**22
"""Most weights of a layered model: 4 MiB of effective weights, 16 MiB of master weights in memory."""

SHIFT_MAX: Final = 31
"""Longest right shift of a 32-bit integer that C defines."""

SIGMA_MAX: Final = 127
"""Largest perturbation: no larger than a weight."""

ROWS_MAX: Final = 4096
"""Most rows of a batch: bounds memory and time of one evaluation."""


class LayeredShape(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Layer widths and shifts of a layered model; impossible ones cannot be constructed.

    :raises InvalidModel: a limit of this module is broken.
    :raises AccumulatorOverflow: a logit or pre-activation could leave 32 bits.
    """

    sizes: tuple[int, ...]
    """Widths ``d_0 ... d_L``: inputs first, classes last."""

    shifts: tuple[int, ...]
    """Right shift after each hidden layer, ``L - 1`` of them, in bits."""

    def __post_init__(self) -> None:
        if not 2 <= len(self.sizes) <= LAYERS_MAX + 1:
            raise InvalidModel(f"{len(self.sizes) - 1} weight matrices, not 1 to {LAYERS_MAX}")
        if not all(1 <= size <= WIDTH_MAX for size in self.sizes):
            raise InvalidModel(f"layer widths {self.sizes} are not all within 1 to {WIDTH_MAX}")
        if not 2 <= self.sizes[-1] <= CLASSES_MAX:
            raise InvalidModel(f"{self.sizes[-1]} classes are not within 2 to {CLASSES_MAX}")
        if len(self.shifts) != len(self.sizes) - 2:
            raise InvalidModel(f"{len(self.shifts)} shifts for {len(self.sizes) - 2} hidden layers")
        if not all(0 <= shift <= SHIFT_MAX for shift in self.shifts):
            raise InvalidModel(f"shifts {self.shifts} are not all within 0 to {SHIFT_MAX}")
        if self.weight_count > WEIGHTS_MAX:
            raise InvalidModel(f"{self.weight_count} weights, over the limit of {WEIGHTS_MAX}")
        verify_accumulator("a pre-activation", compute_preactivation_bound(self, sigma=0))

    @property
    def matrix_shapes(self) -> tuple[tuple[int, int], ...]:
        """Shape ``(d_l, d_l+1)`` of every weight matrix in order."""
        return tuple(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    @property
    def weight_count(self) -> int:
        """Number of weights in all matrices; also the multiply-accumulates (MACs) of one row."""
        return sum(rows * columns for rows, columns in self.matrix_shapes)


class EvaluationShape(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Everything about an evaluation that is fixed by its job; impossible ones cannot be constructed.

    :raises InvalidModel: a limit of this module is broken.
    :raises AccumulatorOverflow: some sum, margin or result could leave 32 bits.
    """

    layers: LayeredShape
    """The model."""

    sigma: int
    """Size of the perturbation, in units of effective weights."""

    rows: int
    """Rows of a batch."""

    margin_low: int
    """A row's margin is clipped from below at minus this."""

    margin_high: int
    """A row's margin is clipped from above at this."""

    def __post_init__(self) -> None:
        if not 1 <= self.sigma <= SIGMA_MAX:
            raise InvalidModel(f"sigma {self.sigma} is not within 1 to {SIGMA_MAX}")
        if not 1 <= self.rows <= ROWS_MAX:
            raise InvalidModel(f"{self.rows} rows are not within 1 to {ROWS_MAX}")
        if self.margin_low < 0 or self.margin_high < 0 or self.margin_low + self.margin_high == 0:
            raise InvalidModel(f"margins -{self.margin_low} ... {self.margin_high} are no interval around 0")
        # A margin is the difference of two logits, a result the difference of two fitnesses.
        logit_bound = compute_logit_bound(self.layers, self.sigma)
        verify_accumulator("a pre-activation", compute_preactivation_bound(self.layers, self.sigma))
        verify_accumulator("a margin", 2 * logit_bound)
        verify_accumulator("a result", self.rows * (self.margin_low + self.margin_high))

    @property
    def sign_bits(self) -> int:
        """Signs that one evaluation draws: ``d_l + d_l+1`` for every layer."""
        return sum(rows + columns for rows, columns in self.layers.matrix_shapes)

    @property
    def multiply_accumulates(self) -> int:
        """MACs of one evaluation: two signs, every row, the matrices and their two rank-one terms."""
        return 2 * self.rows * (self.layers.weight_count + self.sign_bits)


def compute_preactivation_bound(layers: LayeredShape, sigma: int) -> int:
    """Largest magnitude of any sum before the shift, perturbed by ``sigma``."""
    return ACTIVATION_MAX * max(layers.sizes[:-1]) * (WEIGHT_MAX + sigma)


def compute_logit_bound(layers: LayeredShape, sigma: int) -> int:
    """Largest magnitude of a logit, perturbed by ``sigma``."""
    return ACTIVATION_MAX * layers.sizes[-2] * (WEIGHT_MAX + sigma)


def verify_accumulator(quantity: str, largest: int) -> None:
    """Check that a sum fits in a signed 32-bit accumulator.

    :raises AccumulatorOverflow: it may not.
    """
    if largest > ACCUMULATOR_MAX:
        raise AccumulatorOverflow(quantity, largest, ACCUMULATOR_MAX)
