"""The vectors' written form; `tests/vectors/aivm/README.md` describes every field."""

from importlib.resources import files
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from aivm.batch import EvaluationBatch
from aivm.layered import EvaluationShape, LayeredShape

FORMAT: Final = "tangle-aivm-layered-1"
"""Name and version of the format; another number means another reader."""


class Vector(Struct, frozen=True, forbid_unknown_fields=True):
    """One shape with its inputs and everything that a backend must compute from them."""

    name: str
    """What the vector is for."""

    sizes: tuple[int, ...]
    """Widths of the layers."""

    shifts: tuple[int, ...]
    """Right shifts after hidden layers, in bits."""

    sigma: int
    """Size of the perturbation."""

    margin_low: int
    """Lower clip of a margin, negated."""

    margin_high: int
    """Upper clip of a margin."""

    weights: tuple[str, ...]
    """Per layer: int8, row-major, two's complement, hexadecimal."""

    rows: str
    """uint8, row-major, hexadecimal."""

    labels: tuple[int, ...]
    """Right answers; their number is the number of rows."""

    left: tuple[tuple[str, ...], ...]
    """``a``: per evaluation, per layer, int8 +1 (01) and -1 (ff), hexadecimal."""

    right: tuple[tuple[str, ...], ...]
    """``b``: likewise."""

    logits: tuple[tuple[int, ...], ...]
    """Expected unperturbed logits of every row."""

    answers: tuple[int, ...]
    """Expected argmax of every row, the lowest index on ties."""

    results: tuple[int, ...]
    """Expected ``d`` of every evaluation."""


class VectorFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of vectors."""

    format: str
    """``FORMAT``."""

    vectors: tuple[Vector, ...]
    """The vectors."""


def load_vectors() -> tuple[Vector, ...]:
    """The vectors that ship with this package."""
    data = files("aivm.conformance").joinpath("layered.json").read_bytes()
    return msgspec.json.decode(data, type=VectorFile).vectors


def make_batch(vector: Vector) -> EvaluationBatch:
    """The vector's inputs as tensors.

    :raises InvalidModel, InvalidTensor: the vector is outside the arithmetic's definition.
    """
    layers = LayeredShape(vector.sizes, vector.shifts)
    count = len(vector.labels)
    return EvaluationBatch(
        shape=EvaluationShape(layers, vector.sigma, count, vector.margin_low, vector.margin_high),
        weights=tuple(
            np.frombuffer(bytes.fromhex(text), np.int8).reshape(dimensions)
            for text, dimensions in zip(vector.weights, layers.matrix_shapes, strict=True)
        ),
        rows=np.frombuffer(bytes.fromhex(vector.rows), np.uint8).reshape(count, -1),
        labels=np.array(vector.labels, np.uint8),
        left=_stack(vector.left),
        right=_stack(vector.right),
    )


def _stack(
    evaluations: tuple[tuple[str, ...], ...],
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.int8]], ...]:
    return tuple(
        np.stack([np.frombuffer(bytes.fromhex(text), np.int8) for text in of_layer])
        for of_layer in zip(*evaluations, strict=True)
    )
