"""Scales become integers without loss where they can, and what is no scale is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.program.errors import InvalidInput
from aivm.program.operators import Mode
from aivm.program.quantizing import dequantize_linear, quantize_linear, split_scale
from aivm.program.types import DType


@given(st.floats(2.0**-30, 2.0**20, width=32))
def test_a_float32_scale_is_split_exactly(scale: float) -> None:
    multiplier, shift = split_scale(scale, Mode.ORT_F32)
    assert 2**23 <= multiplier < 2**24
    assert multiplier / 2**shift == scale


@given(st.floats(2.0**-30, 2.0**20), st.sampled_from((Mode.RNE64, Mode.TFL1)))
def test_other_scales_keep_31_bits(scale: float, mode: Mode) -> None:
    multiplier, shift = split_scale(scale, mode)
    assert 2**30 <= multiplier < 2**31
    assert abs(multiplier / 2**shift - scale) <= scale * 2**-31


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 2.0**40, 2.0**-60])
@pytest.mark.parametrize("mode", Mode)
def test_what_is_no_scale_is_refused(scale: float, mode: Mode) -> None:
    with pytest.raises(InvalidInput):
        split_scale(scale, mode)


def test_a_scale_just_below_a_power_of_two_rounds_up_to_it() -> None:
    assert split_scale(1 - 2.0**-40, Mode.RNE64) == (2**30, 30)


def test_values_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InvalidInput):
        quantize_linear(np.array([1, np.nan], np.float32), 0.1, 0, DType.INT8)


def test_quantising_rounds_half_to_even_and_saturates() -> None:
    values = np.array([0.25, 0.75, 1.25, -0.25, -0.75, 1e9, -1e9], np.float32)
    quantized = quantize_linear(values, 0.5, 3, DType.INT8)
    assert quantized.tolist() == [3, 5, 5, 3, 1, 127, -128]
    assert dequantize_linear(quantized, 0.5, 3).tolist() == [0.0, 1.0, 1.0, 0.0, -1.0, 62.0, -65.5]
