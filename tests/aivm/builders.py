"""Hypothesis strategies for shapes and batches."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from aivm.batch import EvaluationBatch
from aivm.layered import EvaluationShape, LayeredShape

CACHE = Path(__file__).parents[2] / ".pytest_cache" / "kernels"
Builder = np.random.Generator
EXTREMES = ("uniform", "largest", "both extremes", "zero")


@st.composite
def shapes(draw: st.DrawFn) -> EvaluationShape:
    hidden = draw(st.lists(st.integers(1, 12), max_size=3))
    sizes = (draw(st.integers(1, 40)), *hidden, draw(st.integers(2, 7)))
    shifts = tuple(draw(st.integers(0, 12)) for _ in hidden)
    low, high = draw(st.sampled_from(((20_000, 8_000), (1, 0), (0, 1), (500, 300))))
    return EvaluationShape(
        LayeredShape(sizes, shifts), draw(st.integers(1, 127)), draw(st.integers(1, 5)), low, high
    )


@st.composite
def batches(
    draw: st.DrawFn, shape: EvaluationShape | None = None, count: int | None = None
) -> EvaluationBatch:
    shape = draw(shapes()) if shape is None else shape
    count = draw(st.integers(1, 9)) if count is None else count
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(EXTREMES))
    sizes = shape.layers.sizes
    return EvaluationBatch(
        shape=shape,
        weights=tuple(make_weights(generator, dimensions, kind) for dimensions in shape.layers.matrix_shapes),
        rows=make_rows(generator, (shape.rows, sizes[0]), kind),
        labels=generator.integers(0, sizes[-1], shape.rows).astype(np.uint8),
        left=tuple(make_signs(generator, count, size) for size in sizes[:-1]),
        right=tuple(make_signs(generator, count, size) for size in sizes[1:]),
    )


def make_weights(
    generator: Builder, dimensions: tuple[int, int], kind: str
) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    choices = {"uniform": range(-127, 128), "largest": (127,), "both extremes": (-127, 127), "zero": (0,)}[
        kind
    ]
    return generator.choice(np.array(choices, np.int8), dimensions)


def make_rows(
    generator: Builder, dimensions: tuple[int, int], kind: str
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    choices = {"uniform": range(128), "largest": (127,), "both extremes": (0, 127), "zero": range(128)}[kind]
    return generator.choice(np.array(choices, np.uint8), dimensions)


def make_signs(generator: Builder, count: int, size: int) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    return generator.choice(np.array((-1, 1), np.int8), (count, size))
