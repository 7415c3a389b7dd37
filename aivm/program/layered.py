"""A layered model as a program: what a standing job has trained can be sold as inference.

The layered form floors where programs round: ``x >> s`` is ``(x - 2^(s-1))`` rounded half up, so the shift
becomes a requantisation in mode TFL1 with a zero point. Nothing of the standing job changes by this.
"""

import numpy as np

from aivm.batch import Weights, verify_weights
from aivm.layered import ACTIVATION_MAX, LayeredShape
from aivm.program.binding import BoundProgram, bind_program
from aivm.program.building import ProgramBuilder, make_input
from aivm.program.limits import MULTIPLIER_MIN
from aivm.program.operators import Argmax, Clip, Matmul, Mode, Requantize
from aivm.program.types import DType

UNIT_SHIFT = MULTIPLIER_MIN.bit_length() - 1
"""Shift that undoes the smallest multiplier, which so stands for 1."""


def make_layered_program(layers: LayeredShape, weights: Weights) -> BoundProgram:
    """The program that gives a layered model's logits (int32) and answer (argmax) for rows of 0 ... 127.

    :raises InvalidTensor: the weights are not the model's.
    :raises InvalidProgram: the model is over a limit of programs.
    """
    verify_weights(layers, weights)
    builder = ProgramBuilder()
    hidden = builder.add_input(make_input(DType.UINT8, layers.sizes[0], low=0, high=ACTIVATION_MAX))
    for shift, matrix in zip(layers.shifts, weights[:-1], strict=True):
        sums = builder.add(Matmul(0, 0), hidden, builder.add_initializer(np.asarray(matrix)))
        half = (1 << shift) >> 1
        scaled = Requantize(Mode.TFL1, DType.INT8, 0, (MULTIPLIER_MIN,), (UNIT_SHIFT + shift,), half, 0)
        hidden = builder.add(Clip(0, ACTIVATION_MAX), builder.add(scaled, sums))
    logits = builder.add(Matmul(0, 0), hidden, builder.add_initializer(np.asarray(weights[-1])))
    plan = builder.build(logits, builder.add(Argmax(0), logits))
    return bind_program(plan, builder.contents)
