"""What a worker serves of its run, in one piece: the tensors that a verifier of level 3 cannot compute again.

The elements of every tensor of ``list_served``, in rising order, one after the other. Types and sizes follow
from the program and its rows, so nothing but the elements is written.
"""

from collections.abc import Mapping

import numpy as np

from aivm.program.binding import Tensor
from aivm.program.types import DTYPES
from aivm.verification.chain import list_served
from aivm.verification.errors import WrongCommitment
from aivm.verification.traced import TracedProgram, get_bytes


def count_served_bytes(program: TracedProgram) -> int:
    """Length of what a run serves; 0 where everything can be computed again."""
    return sum(program.types[number].size for number in list_served(program))


def encode_served(program: TracedProgram, tensors: tuple[Tensor, ...]) -> bytes:
    """What to serve of a run.

    :param tensors: all tensors by number.
    """
    return b"".join(get_bytes(program, number, tensors[number]) for number in list_served(program))


def decode_served(program: TracedProgram, data: bytes) -> Mapping[int, Tensor]:
    """The served tensors by number; what their elements are is for ``verify_run``.

    :raises WrongCommitment: more or fewer bytes than the run serves.
    """
    expected = count_served_bytes(program)
    if len(data) != expected:
        raise WrongCommitment("what is served", f"it has {len(data)} bytes, not {expected}")
    served: dict[int, Tensor] = {}
    start = 0
    for number in list_served(program):
        tensor = program.types[number]
        part = data[start : start + tensor.size]
        served[number] = np.frombuffer(part, DTYPES[tensor.dtype]).reshape(tensor.shape)
        start += tensor.size
    return served
