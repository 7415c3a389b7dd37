"""Where the tensors of a job are: blob ids from the chunk roots that a task and a result carry.

With its type and the rows a chunk root gives the tensor id that is claimed; with its size the blob that holds
the elements. Whoever wrote roots that do not belong to the tensor ids named blobs of something else.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from aivm.program.types import TensorType
from aivm.verification.trace import Commitment, compute_bound_id
from aivm.verification.traced import TracedProgram
from poi.market.records import Inference, Job, Transformation
from tangle.core.blob_id import BlobId
from tangle.core.chunk_tree import BlobShape, compute_blob_id
from tangle.core.errors import TangleError
from tangle.core.types import Digest

RunTask = Inference | Transformation
"""A task that runs a program."""

INPUT: Final = "input"
OUTPUT: Final = "output"


class WrongSources(TangleError):
    """Chunk roots that do not belong to the tensors that are named beside them."""

    code = "job-sources-wrong"

    def __init__(self, what: str, place: int) -> None:
        self.what = what
        self.place = place
        super().__init__(f"{what} {place}: its chunk root is not that of the tensor that is named")


class Source(Struct, frozen=True):
    """One tensor of a job and its blob."""

    type: TensorType
    """Its type, rows first."""

    blob: BlobId
    """Where its elements are."""


def list_inputs(program: TracedProgram, task: RunTask) -> tuple[Source, ...]:
    """Where a task's inputs are.

    :raises WrongSources: its roots are not those of its inputs, or there are more or fewer than the program
        takes.
    """
    return _list_sources(INPUT, program, program.inputs, task.inputs, task.sources)


def list_outputs(
    program: TracedProgram, commitment: Commitment, roots: Sequence[Digest]
) -> tuple[Source, ...]:
    """Where a result's outputs are.

    :raises WrongSources: the roots are not those of the outputs that are claimed.
    """
    return _list_sources(OUTPUT, program, program.outputs, commitment.outputs, roots)


def make_tensor_blob(tensor: TensorType, root: Digest) -> BlobId:
    """The blob that holds the elements of a tensor."""
    return compute_blob_id(BlobShape(tensor.size, root))


def get_run_task(job: Job) -> RunTask:
    """The task of a job that runs a program."""
    assert isinstance(job.task, RunTask), "only these are assigned and claimed"
    return job.task


def _list_sources(
    what: str,
    program: TracedProgram,
    numbers: Sequence[int],
    named: Sequence[Digest],
    roots: Sequence[Digest],
) -> tuple[Source, ...]:
    if not len(numbers) == len(named) == len(roots):
        raise WrongSources(what, min(len(numbers), len(named), len(roots)))
    sources = []
    for place, (number, tensor_id, root) in enumerate(zip(numbers, named, roots, strict=True)):
        tensor = program.types[number]
        if compute_bound_id(tensor, root) != tensor_id:
            raise WrongSources(what, place)
        sources.append(Source(tensor, make_tensor_blob(tensor, root)))
    return tuple(sources)
