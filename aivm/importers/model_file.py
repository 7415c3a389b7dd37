"""A model on disk: a program, its weights, and how numbers become its integers and back.

Canonical CBOR like every record. The program inside is what the network sees and names; the rest stays with
whoever uses the model. Scales are written as integers times powers of two, so nothing is lost.
"""

from math import frexp
from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from aivm.importers.errors import MalformedModel
from aivm.importers.graph import FILE_SIZE_MAX, Array
from aivm.program.binding import BoundProgram, bind_program
from aivm.program.errors import InvalidInput
from aivm.program.limits import INITIALIZERS_MAX, INPUTS_MAX
from aivm.program.planning import Plan, plan_program
from aivm.program.record import External, Program, compute_tensor_id
from aivm.program.types import DTYPES, HIGHEST, LOWEST, TensorType
from tangle.core.encoding import decode, encode
from tangle.core.types import Signed

VERSION: Final = 1
"""Version of this format."""

PLAIN, SOFTMAX, LOG_SOFTMAX = 0, 1, 2
"""What a reader applies to an output along its last dimension: nothing, a softmax, its logarithm."""

SCALES_MAX: Final = 2**16
"""Most scales of a port: one per place of the last dimension."""

Scale = tuple[Annotated[int, Meta(ge=1, le=2**24)], Annotated[int, Meta(ge=-200, le=200)]]
"""Mantissa and exponent: ``mantissa * 2^exponent``, a float32."""


class Port(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One input or output as people use it."""

    name: Annotated[bytes, Meta(max_length=1024)]
    """Its name in the model that was imported, UTF-8."""

    scales: Annotated[tuple[Scale, ...], Meta(max_length=SCALES_MAX)]
    """One scale, one per place of the last dimension, or none where integers stand for themselves."""

    zero: Signed
    """Zero point."""

    activation: Annotated[int, Meta(ge=PLAIN, le=LOG_SOFTMAX)]
    """What the reader of an output applies."""


class ModelFile(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A model with all that is needed to use it."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    """Version of the format."""

    program: Program
    """The program."""

    tensors: Annotated[tuple[bytes, ...], Meta(max_length=INITIALIZERS_MAX)]
    """Bytes of the initialisers that the program names by id, in order, each once."""

    inputs: Annotated[tuple[Port, ...], Meta(max_length=INPUTS_MAX)]
    """Inputs in the program's order."""

    outputs: Annotated[tuple[Port, ...], Meta(max_length=INPUTS_MAX)]
    """Outputs in the program's order."""


def make_port(name: str, scales: Array | float | None, zero: int, activation: int = PLAIN) -> Port:
    """A port with these scales (float32, any shape with one changing dimension); None for plain integers."""
    parts = () if scales is None else tuple(_split(float(scale)) for scale in np.asarray(scales).ravel())
    return Port(name.encode()[:1024], parts, zero, activation)


def encode_model(model: ModelFile) -> bytes:
    """Bytes of a model file."""
    return encode(model)


def decode_model(data: bytes) -> ModelFile:
    """Read a model file; ``load_model`` checks what is in it.

    :raises OversizeEncoding, MalformedEncoding: it is no model file.
    """
    return decode(ModelFile, data, limit=FILE_SIZE_MAX)


def load_model(model: ModelFile) -> BoundProgram:
    """The program of a model, checked and joined with its weights.

    :raises InvalidProgram, InitializerMismatch: the program or its weights are refused.
    :raises MalformedModel: ports do not fit the program, or weights are too many.
    """
    plan = plan_program(model.program)
    if (len(model.inputs), len(model.outputs)) != (len(plan.input_types), len(plan.output_types)):
        raise MalformedModel("program", "its ports are not those of its program")
    externals = get_externals(plan)
    if len(model.tensors) != len(externals):
        raise MalformedModel("program", f"{len(model.tensors)} weight tensors, not {len(externals)}")
    contents = {
        compute_tensor_id(tensor, data): data
        for tensor, data in zip(externals.values(), model.tensors, strict=True)
        if len(data) == tensor.size
    }
    return bind_program(plan, contents)


def get_externals(plan: Plan) -> dict[bytes, TensorType]:
    """Types of the initialisers that are named by id, each once, in order."""
    return {
        bytes(initializer.content.tensor_id): initializer.type
        for initializer in plan.program.initializers
        if isinstance(initializer.content, External)
    }


def quantize_input(port: Port, declared: TensorType, values: Array) -> Array:
    """Numbers as the integers of an input.

    :param values: ``(rows, *shape)`` of any number type.
    :raises InvalidInput: shape or values do not fit.
    """
    name = port.name.decode(errors="replace")
    if values.ndim != len(declared.shape) + 1 or values.shape[1:] != declared.shape:
        raise InvalidInput(name, f"shape {values.shape}, not (rows, {', '.join(map(str, declared.shape))})")
    if values.dtype.kind not in "fiub":
        raise InvalidInput(name, f"elements of type {values.dtype}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InvalidInput(name, "values that are no numbers")
    if not port.scales:
        whole = np.rint(values.astype(np.float64))
        if not np.array_equal(whole, values) or np.abs(whole).max(initial=0) >= 2**31:
            raise InvalidInput(name, "integers are wanted")
        return whole.astype(DTYPES[declared.dtype])
    steps = np.rint(values.astype(np.float32) / get_scales(port)) + port.zero
    limited: Array = np.clip(steps, LOWEST[declared.dtype], HIGHEST[declared.dtype])
    return limited.astype(DTYPES[declared.dtype])


def dequantize_output(port: Port, values: Array) -> Array:
    """Integers of an output as numbers: float32, or int64 where they stand for themselves."""
    if not port.scales:
        return values.astype(np.int64)
    real: Array = (values.astype(np.int64) - port.zero).astype(np.float32) * get_scales(port)
    if port.activation != PLAIN:
        shifted = real - real.max(axis=-1, keepdims=True)
        logarithm = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        real = logarithm if port.activation == LOG_SOFTMAX else np.exp(logarithm)
    return real.astype(np.float32)


def get_scales(port: Port) -> Array:
    """float32: one, or one per place of the last dimension."""
    scales = np.array([mantissa * 2.0**exponent for mantissa, exponent in port.scales], np.float32)
    return scales if len(scales) > 1 else scales.reshape(())


def _split(scale: float) -> Scale:
    fraction, exponent = frexp(scale)
    return int(fraction * 2**24), exponent - 24
