"""The oracle agrees with plain Python on random graphs, and with IEEE 754 on what ORT_F32 means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivm.conformance.plain_programs import compute_plain_program, scale_plain
from aivm.oracle.graph.rounding import compute_root, round_to_float32, scale
from aivm.oracle.graph.run import run_program
from aivm.program.binding import BoundProgram
from aivm.program.operators import Mode
from tests.aivm.program.graphs import make_rows, programs

INT32_MAX = 2**31 - 1


@settings(max_examples=150)
@given(programs(8), st.integers(0, 2**32), st.sampled_from(("uniform", "extremes", "low")))
def test_random_graphs_agree_with_plain_python(bound: BoundProgram, seed: int, kind: str) -> None:
    inputs = make_rows(bound.plan, 2, seed, kind)
    found = run_program(bound, inputs)
    constants = [tensor.reshape(-1).tolist() for tensor in bound.initializers]
    for row in range(2):
        plain = compute_plain_program(
            bound.plan, constants, [each[row].reshape(-1).tolist() for each in inputs]
        )
        for each, right in zip(found, plain, strict=True):
            assert each[row].reshape(-1).tolist() == right


@given(
    st.lists(st.integers(-INT32_MAX, INT32_MAX), min_size=1, max_size=50),
    st.integers(0, 62),
    st.sampled_from(Mode),
    st.integers(0, 2**23 - 1),
)
def test_roundings_agree_with_exact_fractions(values: list[int], shift: int, mode: Mode, excess: int) -> None:
    multiplier = 2**23 + excess if mode is Mode.ORT_F32 else 2**30 + 127 * excess
    found = scale(np.array(values, np.int64), multiplier, shift, mode)
    assert found.tolist() == [scale_plain(value, multiplier, shift, mode) for value in values]


@pytest.mark.parametrize("mode", Mode)
def test_ties_of_both_signs(mode: Mode) -> None:
    # A multiplier that is a power of two and a shift three longer: values are eighths.
    low = 2**23 if mode is Mode.ORT_F32 else 2**30
    values = np.array([-20, -12, -4, 4, 12, 20], np.int64)
    expected = [-2, -1, 0, 1, 2, 3] if mode is Mode.TFL1 else [-2, -2, 0, 0, 2, 2]
    assert scale(values, low, low.bit_length() + 2, mode).tolist() == expected


def test_ort_f32_is_what_float32_computes() -> None:
    generator = np.random.default_rng(7)
    mismatches = 0
    for _ in range(20):
        sums = generator.integers(-INT32_MAX, INT32_MAX, 100_000)
        sums >>= generator.integers(0, 28, 100_000)
        multiplier, shift = int(generator.integers(2**23, 2**24)), int(generator.integers(24, 50))
        factor = np.float32(multiplier) * np.float32(2.0**-shift)
        floats = np.rint(sums.astype(np.float32) * factor).astype(np.int64)
        mismatches += int((floats != scale(sums, multiplier, shift, Mode.ORT_F32)).sum())
    assert mismatches == 0


def test_24_significant_bits_are_a_float32() -> None:
    edges = [2**power + offset for power in range(54) for offset in (-3, -2, -1, 0, 1, 2, 3)]
    values = np.array([*edges, *(-value for value in edges)], np.int64)
    assert round_to_float32(values).tolist() == values.astype(np.float32).astype(np.int64).tolist()


@given(st.integers(0, 2**31 - 1), st.integers(-1, 1))
def test_integer_roots_around_perfect_squares(root: int, offset: int) -> None:
    value = max(0, root * root + offset)
    found = int(compute_root(np.array([value], np.int64))[0])
    assert found * found <= value < (found + 1) ** 2
