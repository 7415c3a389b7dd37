"""The written form of vectors for programs; `tests/vectors/aivm/README.md` describes every field."""

from importlib.resources import files
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from aivm.program.binding import BoundProgram, Tensor, bind_program
from aivm.program.planning import plan_program
from aivm.program.record import decode_program
from aivm.program.types import DTYPES, TensorType

FORMAT: Final = "tangle-aivm-program-1"
"""Name and version of the format; another number means another reader."""


class ProgramVector(Struct, frozen=True, forbid_unknown_fields=True):
    """A program with inputs and everything that it must give."""

    name: str
    """What the vector is for."""

    is_quick: bool
    """Whether it belongs to the part that every start of a node runs."""

    program: str
    """The encoded program, hexadecimal; every initialiser is inline."""

    rows: int
    """Rows of the inputs."""

    inputs: tuple[str, ...]
    """Per input: elements, rows first, little-endian, hexadecimal."""

    outputs: tuple[str, ...]
    """Per output, likewise: what is **expected**."""


class ProgramVectorFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of vectors."""

    format: str
    """``FORMAT``."""

    vectors: tuple[ProgramVector, ...]
    """The vectors."""


def load_program_vectors() -> tuple[ProgramVector, ...]:
    """The vectors that ship with this package."""
    data = files("aivm.conformance").joinpath("programs.json").read_bytes()
    return msgspec.json.decode(data, type=ProgramVectorFile).vectors


def read_program(vector: ProgramVector) -> BoundProgram:
    """The vector's program.

    :raises MalformedEncoding, InvalidProgram: it is none.
    """
    return bind_program(plan_program(decode_program(bytes.fromhex(vector.program))), {})


def read_tensors(texts: tuple[str, ...], types: tuple[TensorType, ...], rows: int) -> tuple[Tensor, ...]:
    """Tensors written in hexadecimal."""
    return tuple(
        np.frombuffer(bytes.fromhex(text), DTYPES[tensor.dtype]).reshape(rows, *tensor.shape)
        for text, tensor in zip(texts, types, strict=True)
    )
