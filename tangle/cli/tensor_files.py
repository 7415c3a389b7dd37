"""Rows for a program and its answers as files: what leaves this machine are integers, and what comes back."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aivm.importers.errors import InvalidCalibration
from aivm.importers.model_file import (
    ModelFile,
    Port,
    decode_model,
    dequantize_output,
    load_model,
    quantize_input,
)
from aivm.program.binding import BoundProgram
from aivm.program.package import decode_package
from aivm.program.record import compute_tensor_id
from aivm.program.types import DTYPES, TensorType
from aivm.verification.errors import WrongCommitment
from aivm.verification.graph import GraphProgram
from tangle.cli.calibration_data import read_data
from tangle.core.blob_id import BlobId
from tangle.core.chunk_tree import BlobShape, compute_blob_id, compute_tree
from tangle.core.types import Digest

Array = NDArray[Any]

PLAIN_PORT: Final = Port(b"", (), 0, 0)
"""Integers that stand for themselves: of programs whose model file is not here."""


class Usable(Struct, frozen=True, eq=False):
    """A program, and how people's numbers become its integers."""

    bound: BoundProgram
    """The program with its constants."""

    inputs: tuple[Port, ...]
    """Inputs in the program's order."""

    outputs: tuple[Port, ...]
    """Outputs in the program's order."""


class Tensor(Struct, frozen=True):
    """A tensor that a job reads."""

    tensor: Digest
    """Its id."""

    root: Digest
    """Root over its chunks, which is that of the blob as well."""

    content: bytes
    """Its bytes."""


def read_model(path: Path) -> Usable:
    """A model file.

    :raises TangleError: it is none, or its program is refused.
    """
    model: ModelFile = decode_model(path.read_bytes())
    return Usable(load_model(model), model.inputs, model.outputs)


def read_package(data: bytes) -> Usable:
    """A program's package: numbers are its integers as they are.

    :raises TangleError: it is none, or its program is refused.
    """
    bound = decode_package(data)
    plan = bound.plan
    return Usable(bound, (PLAIN_PORT,) * len(plan.input_types), (PLAIN_PORT,) * len(plan.output_types))


def read_rows(usable: Usable, path: Path) -> tuple[GraphProgram, tuple[Tensor, ...]]:
    """Rows from a file as the program's inputs.

    :raises InvalidCalibration, InvalidInput: the file holds none, or they do not fit the program.
    """
    arrays = dict(read_data(path).arrays)
    names = [port.name.decode(errors="replace") for port in usable.inputs]
    declared = usable.bound.plan.input_types
    if len(names) == 1 and len(arrays) == 1:
        arrays = {names[0]: next(iter(arrays.values()))}
    tensors, rows = [], 0
    for place, (name, kind, port) in enumerate(zip(names, declared, usable.inputs, strict=True)):
        key = name if name in arrays else f"input{place}"
        if key not in arrays:
            raise InvalidCalibration(name or key, f"it is missing in {path.name}")
        array = arrays[key]
        if array.ndim == 2 and array.shape[1] == kind.elements:
            array = array.reshape(len(array), *kind.shape)
        rows = len(array) if array.ndim else 0
        tensors.append(np.ascontiguousarray(quantize_input(port, kind, array)))
    program = GraphProgram(usable.bound, max(rows, 1))
    program.verify_inputs(tuple(tensors))
    return program, tuple(make_tensor(program.types[number], tensor) for number, tensor in enumerate(tensors))


def make_tensor(kind: TensorType, values: Array) -> Tensor:
    """A tensor with its names."""
    data = values.tobytes()
    return Tensor(compute_tensor_id(kind, data), compute_tree(data).shape.root, data)


def find_blob(kind: TensorType, root: Digest) -> BlobId:
    """The blob that holds a tensor's bytes."""
    return compute_blob_id(BlobShape(kind.size, root))


def read_tensor(kind: TensorType, tensor: Digest, data: bytes) -> Array:
    """The values of a tensor.

    :raises WrongCommitment: these are other bytes.
    """
    if len(data) != kind.size or compute_tensor_id(kind, data) != tensor:
        raise WrongCommitment("an output", "what was fetched is another")
    return np.frombuffer(data, DTYPES[kind.dtype]).reshape(kind.shape)


def show_output(usable: Usable, place: int, values: Array) -> Array:
    """An output as numbers for people."""
    return dequantize_output(usable.outputs[place], values)
