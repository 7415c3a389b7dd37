"""What a program must offer so that its runs can be committed to, checked in parts and disputed.

A run is a list of tensors: what goes in (inputs and constants), then what every operator gives, in an order
in which they can be computed. Operators work on rows independently of each other, so the rows that a chunk
touches, and the same rows of the operands, are all that is needed to compute that chunk again.
"""

from typing import Final, Protocol

import numpy as np

from aivm.program.binding import Tensor
from aivm.program.record import CHUNK_SIZE
from aivm.program.types import DTYPES, TensorType
from aivm.verification.errors import InvalidRequest
from aivm.verification.freivalds import Product
from tangle.core.types import Digest

TENSORS_MAX: Final = 2**14
"""Most tensors of one run: every node, input and initialiser of the largest program."""


class TracedProgram(Protocol):
    """A program and the number of rows of one run."""

    @property
    def program_id(self) -> Digest:
        """What is run: binds every operator, attribute and constant."""

    @property
    def rows(self) -> int:
        """Rows of the run."""

    @property
    def types(self) -> tuple[TensorType, ...]:
        """Type of every tensor by number; the shape begins with the rows, if the tensor has rows."""

    @property
    def inputs(self) -> tuple[int, ...]:
        """Numbers of the inputs: the first tensors."""

    @property
    def first(self) -> int:
        """Number of the first tensor that an operator gives: leaf 0 of a trace."""

    @property
    def outputs(self) -> tuple[int, ...]:
        """Numbers of the outputs."""

    def get_constant(self, number: int) -> Tensor:
        """Values of a constant: an input of every run, without rows."""

    def is_constant(self, number: int) -> bool:
        """Whether a tensor is part of the program."""

    def get_operands(self, number: int) -> tuple[int, ...]:
        """Numbers of the tensors that give tensor ``number``; all smaller."""

    def compute_tensor(self, number: int, operands: tuple[Tensor, ...]) -> Tensor:
        """One operator, on any rows: operands with rows have equally many."""

    def verify_inputs(self, inputs: tuple[Tensor, ...]) -> None:
        """Check inputs of a run.

        :raises InvalidTensor: they are not what the program takes.
        """

    def count_macs(self, number: int) -> int:
        """Multiply-accumulates of a tensor for which ``list_products`` gives products; otherwise 0."""

    def list_products(self, number: int, operands: tuple[Tensor, ...], claimed: Tensor) -> list[Product]:
        """The matrix products that make up the tensor; empty if its operator is none."""


def count_chunks(tensor: TensorType) -> int:
    """Chunks of a tensor."""
    return -(-tensor.size // CHUNK_SIZE)


def get_chunk_range(tensor: TensorType, chunk: int) -> tuple[int, int]:
    """First byte of a chunk and the one after its last.

    :raises InvalidRequest: no such chunk.
    """
    if not 0 <= chunk < count_chunks(tensor):
        raise InvalidRequest(f"chunk {chunk} of a tensor that has {count_chunks(tensor)}")
    return chunk * CHUNK_SIZE, min((chunk + 1) * CHUNK_SIZE, tensor.size)


def find_rows(program: TracedProgram, number: int, chunk: int) -> tuple[int, int]:
    """First row that a chunk touches and the one after its last."""
    tensor = program.types[number]
    start, end = get_chunk_range(tensor, chunk)
    width = tensor.size // program.rows
    return start // width, -(-end // width)


def find_needed(program: TracedProgram, number: int, chunk: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Chunks that computing one chunk needs: ``(operand, its chunks)``, each operand once, constants left
    out.

    Whoever computes holds the program, hence its constants.
    """
    first, last = find_rows(program, number, chunk)
    needed = []
    for operand in sorted(set(program.get_operands(number))):
        if program.is_constant(operand):
            continue
        width = program.types[operand].size // program.rows
        chunks = range(first * width // CHUNK_SIZE, -(-last * width // CHUNK_SIZE))
        needed.append((operand, tuple(chunks)))
    return tuple(needed)


def compute_chunk(
    program: TracedProgram, number: int, chunk: int, shown: dict[tuple[int, int], bytes]
) -> bytes:
    """Compute one chunk again.

    :param shown: bytes of every chunk that ``find_needed`` names, by operand and chunk.
    :return: the chunk as it must be.
    """
    first, last = find_rows(program, number, chunk)
    needed = dict(find_needed(program, number, chunk))
    operands = []
    for operand in program.get_operands(number):
        if program.is_constant(operand):
            operands.append(program.get_constant(operand))
            continue
        tensor = program.types[operand]
        width = tensor.size // program.rows
        data = b"".join(shown[operand, place] for place in needed[operand])
        skipped = first * width - needed[operand][0] * CHUNK_SIZE
        part = np.frombuffer(
            data, DTYPES[tensor.dtype], (last - first) * width // DTYPES[tensor.dtype].itemsize, skipped
        )
        operands.append(part.reshape(last - first, *tensor.shape[1:]))
    given = get_bytes(program, number, program.compute_tensor(number, tuple(operands)))
    start, end = get_chunk_range(program.types[number], chunk)
    offset = first * (program.types[number].size // program.rows)
    return given[start - offset : end - offset]


def get_bytes(program: TracedProgram, number: int, tensor: Tensor) -> bytes:
    """Elements row-major, little-endian, in the type of tensor ``number``."""
    return np.ascontiguousarray(tensor, DTYPES[program.types[number].dtype]).tobytes()


def run_traced(program: TracedProgram, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Every tensor of a run, inputs and constants first: what an honest worker keeps.

    :param inputs: already checked against the program.
    """
    tensors = list(inputs)
    tensors += [program.get_constant(number) for number in range(len(inputs), program.first)]
    for number in range(program.first, len(program.types)):
        operands = tuple(tensors[operand] for operand in program.get_operands(number))
        tensors.append(program.compute_tensor(number, operands))
    return tuple(tensors)
