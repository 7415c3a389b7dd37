"""Writes ``layered.json``: ``python -m aivm.conformance.generate``.

Inputs come from SHAKE-256 of each vector's name, expected values from ``plain``.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from aivm.conformance.plain import Matrix, compute_plain_answers, compute_plain_logits, compute_plain_result
from aivm.conformance.vectors import FORMAT, Vector, VectorFile

TARGET: Final = Path(__file__).parent / "layered.json"
"""Where the vectors are written; nodes read them from there."""


class Recipe(Struct, frozen=True):
    """How one vector's inputs are made."""

    name: str
    """What the vector is for; also the seed of its stream."""

    sizes: tuple[int, ...]
    """Widths of the layers."""

    shifts: tuple[int, ...]
    """Shifts of the hidden layers."""

    rows: int = 4
    """Rows of the batch."""

    evaluations: int = 3
    """Evaluations."""

    sigma: int = 4
    """Size of the perturbation."""

    margins: tuple[int, int] = (20_000, 8_000)
    """Lower and upper clip."""

    weights: tuple[int, ...] = tuple(range(-127, 128))
    """Values that weights are drawn from."""

    inputs: tuple[int, ...] = tuple(range(128))
    """Values that inputs are drawn from."""

    signs: tuple[int, ...] = (-1, 1)
    """Values that signs are drawn from."""


def _make_edge(
    name: str,
    weights: tuple[int, ...] = tuple(range(-127, 128)),
    inputs: tuple[int, ...] = tuple(range(128)),
    signs: tuple[int, ...] = (-1, 1),
) -> Recipe:
    # One shape for all edges of value: every further shape would be one more compilation.
    return Recipe(name, (16, 8, 4), (5,), 4, 5, 4, (20_000, 8_000), weights, inputs, signs)


RECIPES: Final = (
    Recipe("smallest model", (1, 2), (), rows=1, evaluations=1),
    Recipe("one unit in every hidden layer", (1, 1, 1, 2), (0, 3)),
    Recipe("no hidden layer, margins clipped at 0 above", (17, 5), (), margins=(500, 0)),
    Recipe("layers of the digits job", (64, 32, 10), (8,), 8, 6, sigma=8, margins=(8_000, 1_000)),
    Recipe("three matrices, odd widths, more evaluations than one bucket", (13, 7, 11, 3), (6, 5), 5, 17),
    Recipe("eight matrices", (3, 3, 3, 3, 3, 3, 3, 3, 2), (4,) * 7),
    Recipe("most classes", (5, 4, 256), (4,), 2, 2),
    Recipe("no shift: activations saturate; margins clipped at 0 below", (9, 8, 4), (0,), margins=(0, 500)),
    Recipe("longest shift: every positive sum becomes 0", (9, 8, 4), (31,)),
    Recipe("largest sigma, margins clipped to one step", (16, 8, 4), (7,), sigma=127, margins=(1, 1)),
    Recipe("sums over 2**24: not exact in float32", (2048, 2), (), 2, weights=(126, 127), inputs=(126, 127)),
    _make_edge("largest weights and inputs", weights=(127,), inputs=(127,)),
    _make_edge("most negative weights: hidden layer all zero", weights=(-127,), inputs=(127,)),
    _make_edge("extremes of both signs", weights=(-127, 127), inputs=(0, 127)),
    _make_edge("inputs all zero: every logit ties at 0", inputs=(0,)),
    _make_edge("weights all zero: ties until perturbed", weights=(0,)),
    _make_edge("equal weights: ties above zero", weights=(9,)),
    _make_edge("small weights: sums around multiples of the shift", weights=(-1, 0, 1), inputs=(31, 32, 33)),
    _make_edge("signs all +1", signs=(1,)),
    _make_edge("signs all -1", signs=(-1,)),
)
"""Edges of shape, sign, saturation, rounding, ties and types. Few shapes: each is compiled at start."""


def make_vectors() -> tuple[Vector, ...]:
    """Every recipe carried out."""
    return tuple(_make_vector(recipe) for recipe in RECIPES)


def write_vectors(target: Path = TARGET) -> None:
    """Write the file, one vector a line."""
    encoded = msgspec.json.format(msgspec.json.encode(VectorFile(FORMAT, make_vectors())), indent=-1)
    target.write_bytes(encoded.replace(b'{"name"', b'\n{"name"') + b"\n")


def _make_vector(recipe: Recipe) -> Vector:
    stream = _draw(recipe.name)
    shapes = tuple(zip(recipe.sizes[:-1], recipe.sizes[1:], strict=True))
    weights = [_make_matrix(stream, height, width, recipe.weights) for height, width in shapes]
    rows = _make_matrix(stream, recipe.rows, recipe.sizes[0], recipe.inputs)
    labels = [next(stream) % recipe.sizes[-1] for _ in range(recipe.rows)]
    left = [
        [_make_row(stream, height, recipe.signs) for height, _ in shapes] for _ in range(recipe.evaluations)
    ]
    right = [
        [_make_row(stream, width, recipe.signs) for _, width in shapes] for _ in range(recipe.evaluations)
    ]
    shifts = list(recipe.shifts)
    logits = compute_plain_logits(rows, weights, shifts)
    results = tuple(
        compute_plain_result(rows, labels, weights, shifts, recipe.sigma, recipe.margins, signs)
        for signs in zip(left, right, strict=True)
    )
    return Vector(
        name=recipe.name,
        sizes=recipe.sizes,
        shifts=recipe.shifts,
        sigma=recipe.sigma,
        margin_low=recipe.margins[0],
        margin_high=recipe.margins[1],
        weights=tuple("".join(map(_write_row, matrix)) for matrix in weights),
        rows="".join(map(_write_row, rows)),
        labels=tuple(labels),
        left=tuple(tuple(map(_write_row, signs)) for signs in left),
        right=tuple(tuple(map(_write_row, signs)) for signs in right),
        logits=tuple(map(tuple, logits)),
        answers=tuple(compute_plain_answers(logits)),
        results=results,
    )


def _draw(name: str) -> Iterator[int]:
    block = 0
    while True:
        data = hashlib.shake_256(f"{FORMAT}/{name}/{block}".encode()).digest(8192)
        for place in range(0, len(data), 2):
            yield int.from_bytes(data[place : place + 2], "little")
        block += 1


def _make_row(stream: Iterator[int], width: int, values: tuple[int, ...]) -> list[int]:
    return [values[next(stream) % len(values)] for _ in range(width)]


def _make_matrix(stream: Iterator[int], height: int, width: int, values: tuple[int, ...]) -> Matrix:
    return [_make_row(stream, width, values) for _ in range(height)]


def _write_row(row: list[int]) -> str:
    return bytes(value & 0xFF for value in row).hex()


if __name__ == "__main__":
    write_vectors()
