"""What a worker commits to: every tensor of its run, in one root.

Leaf i of a trace is ``number (8 bytes, little-endian) || tensor id`` of the i-th tensor that an operator
gives; a tensor id is itself a root over chunks of 4 KiB, with type, shape and length bound in
(``aivm.program.record``). The commitment adds what the run was for, so that equal bytes for another task,
worker, epoch, program or number of rows are another commitment. Operators and links are not in the trace:
the program says them, so nobody can lie about them.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

from aivm.program.binding import Tensor
from aivm.program.record import CHUNK_SIZE
from aivm.program.types import TensorType
from aivm.verification.errors import MissingData, WrongCommitment
from aivm.verification.traced import TENSORS_MAX, TracedProgram, count_chunks, get_bytes, get_chunk_range
from aivm.verification.tree import MerkleTree
from tangle.core.encoding import encode
from tangle.core.errors import InvalidProof
from tangle.core.hashing import TENSOR, TRACE, compute_hash, compute_record_hash
from tangle.core.merkle import InclusionProof, verify_inclusion
from tangle.core.types import Digest, Natural, PublicKey

VERSION: Final = 1
"""Version of this form of commitment."""

COMMITMENT_SIZE_MAX: Final = 8192
"""Longest encoded commitment in bytes: 64 inputs and 64 outputs of 34 bytes, and the rest."""

PATH_MAX: Final = 32
"""Longest Merkle path: 2^32 leaves."""

Path = Annotated[tuple[Digest, ...], Meta(max_length=PATH_MAX)]
"""Sibling hashes from a leaf up to the root."""


class Context(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a run was made for."""

    task: Digest
    """The task."""

    worker: PublicKey
    """Who ran it."""

    epoch: Natural
    """Committee epoch in which it was run."""


class Commitment(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A worker's word on a whole run."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    """Version of this record."""

    context: Context
    """What the run was made for."""

    program_id: Digest
    """What was run."""

    rows: Natural
    """Rows of the run."""

    inputs: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=64)]
    """Tensor ids of the inputs."""

    outputs: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=64)]
    """Tensor ids of the outputs."""

    leaves: Annotated[int, Meta(ge=1, le=TENSORS_MAX)]
    """Tensors in the trace."""

    root: Digest
    """Merkle root of the trace."""


class ChunkOpening(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One chunk of a tensor."""

    chunk: Natural
    """Its place."""

    data: Annotated[bytes, Meta(min_length=1, max_length=CHUNK_SIZE)]
    """Its bytes."""

    path: Path
    """From the chunk up to the tensor's chunk root."""


class TensorOpening(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Some chunks of one committed tensor."""

    number: Natural
    """Which tensor."""

    chunk_root: Digest
    """Merkle root over its chunks."""

    path: Path
    """From the tensor up to the root of the trace; empty for an input."""

    chunks: tuple[ChunkOpening, ...]
    """The chunks, in rising order."""


class Trace:
    """A run that is kept so that any part of it can be shown. What a worker holds until its task is
    settled.
    """

    def __init__(self, program: TracedProgram, tensors: tuple[Tensor, ...], context: Context) -> None:
        """Hash every tensor of a run.

        :param tensors: all tensors by number, as ``run_traced`` gives them.
        """
        self.program = program
        self._data = {
            number: get_bytes(program, number, tensors[number])
            for number in range(len(program.types))
            if not program.is_constant(number)
        }
        self.trees = {number: make_chunk_tree(data) for number, data in self._data.items()}
        ids = {
            number: compute_bound_id(program.types[number], tree.root) for number, tree in self.trees.items()
        }
        self.tree = MerkleTree(
            [make_leaf(number, ids[number]) for number in range(program.first, len(program.types))]
        )
        self.commitment = Commitment(
            VERSION,
            context,
            program.program_id,
            program.rows,
            tuple(ids[number] for number in program.inputs),
            tuple(ids[number] for number in program.outputs),
            self.tree.size,
            self.tree.root,
        )

    def open(self, number: int, chunks: tuple[int, ...]) -> TensorOpening:
        """Show chunks of a tensor."""
        tree = self.trees[number]
        path = () if number < self.program.first else self.tree.get_proof(number - self.program.first).path
        shown = []
        for chunk in chunks:
            start, end = get_chunk_range(self.program.types[number], chunk)
            shown.append(ChunkOpening(chunk, self._data[number][start:end], tree.get_proof(chunk).path))
        return TensorOpening(number, tree.root, path, tuple(shown))

    def open_outputs(self) -> tuple[TensorOpening, ...]:
        """Show that the outputs are those of the trace."""
        return tuple(self.open(number, ()) for number in self.program.outputs)


def compute_commitment_id(commitment: Commitment) -> Digest:
    """``H(tangle/trace, encoded commitment)``."""
    return compute_hash(TRACE, encode(commitment))


def compute_bound_id(tensor: TensorType, chunk_root: Digest) -> Digest:
    """Tensor id from the root over its chunks: the same as ``compute_tensor_id`` of the bytes."""
    return compute_record_hash(TENSOR, tensor.dtype, tensor.shape, tensor.size, chunk_root)


def make_leaf(number: int, tensor_id: Digest) -> bytes:
    """A leaf of a trace."""
    return number.to_bytes(8, "little") + tensor_id


def make_chunk_tree(data: bytes) -> MerkleTree:
    """The tree over all chunks of a tensor; the blob that holds its bytes has the same root."""
    return MerkleTree([data[place : place + CHUNK_SIZE] for place in range(0, len(data), CHUNK_SIZE)])


def verify_context(program: TracedProgram, commitment: Commitment, context: Context) -> None:
    """Check that a commitment is for this program, this many rows and this context.

    :raises WrongCommitment: it is for another.
    """
    expected = len(program.types) - program.first
    facts = (
        ("program", commitment.program_id == program.program_id),
        ("number of rows", commitment.rows == program.rows),
        ("number of tensors", commitment.leaves == expected),
        ("number of inputs", len(commitment.inputs) == len(program.inputs)),
        ("number of outputs", len(commitment.outputs) == len(program.outputs)),
        ("task, worker or epoch", commitment.context == context),
    )
    for what, fits in facts:
        if not fits:
            raise WrongCommitment("the commitment", f"it is for another {what}")


def verify_opening(program: TracedProgram, commitment: Commitment, opening: TensorOpening) -> None:
    """Check that shown chunks are those committed to.

    :raises WrongCommitment: they are not, or there is no such tensor or chunk.
    """
    number = opening.number
    name = f"tensor {number}"
    if number >= len(program.types) or program.is_constant(number):
        raise WrongCommitment(name, "no tensor of the trace has this number")
    tensor = program.types[number]
    tensor_id = compute_bound_id(tensor, opening.chunk_root)
    try:
        if number < program.first:
            if opening.path or tensor_id != commitment.inputs[number]:
                raise WrongCommitment(name, "it is another input")
        else:
            proof = InclusionProof(number - program.first, commitment.leaves, opening.path)
            verify_inclusion(commitment.root, make_leaf(number, tensor_id), proof)
        for shown in opening.chunks:
            _verify_chunk(tensor, opening.chunk_root, shown)
    except InvalidProof as fault:
        raise WrongCommitment(name, fault.reason) from None


def verify_outputs(
    program: TracedProgram, commitment: Commitment, openings: tuple[TensorOpening, ...]
) -> None:
    """Check that the outputs which a commitment names are those of its trace.

    :param openings: one per output, in order, without chunks.
    :raises WrongCommitment: they are others.
    """
    if tuple(opening.number for opening in openings) != program.outputs:
        raise WrongCommitment("the output", "the openings are not those of the outputs")
    for opening, output in zip(openings, commitment.outputs, strict=True):
        verify_opening(program, commitment, opening)
        if compute_bound_id(program.types[opening.number], opening.chunk_root) != output:
            raise WrongCommitment("the output", f"tensor {opening.number} of the trace is another")


def verify_claim(
    program: TracedProgram,
    commitment: Commitment,
    context: Context,
    inputs: tuple[Digest, ...],
    openings: tuple[TensorOpening, ...],
) -> None:
    """Everything that is checked when a claim is admitted (V0, V1). All later checks rely on it.

    :param inputs: tensor ids of the task's inputs. :param openings: as in ``verify_outputs``.
    :raises WrongCommitment: another program, context, input, or outputs that are not those of the trace.
    """
    verify_context(program, commitment, context)
    if commitment.inputs != inputs:
        raise WrongCommitment("the input", "the claim is about others than the task")
    verify_outputs(program, commitment, openings)


def collect_shown(
    program: TracedProgram,
    commitment: Commitment,
    wanted: Mapping[int, tuple[int, ...]],
    openings: tuple[TensorOpening, ...],
) -> dict[tuple[int, int], bytes]:
    """Bytes of the wanted chunks by tensor and chunk.

    What is shown is compared with what is wanted before anything is hashed: a long answer costs nothing.

    :param wanted: chunks in rising order by tensor. :param openings: by rising tensor.
    :raises MissingData: something wanted is not shown.
    :raises WrongCommitment: something shown is not what was committed to, or was not asked for.
    """
    found = [(opening.number, each.chunk) for opening in openings for each in opening.chunks]
    asked = [(number, chunk) for number, chunks in sorted(wanted.items()) for chunk in chunks]
    present = set(found)
    missing = next((place for place in asked if place not in present), None)
    if missing is not None:
        raise MissingData(*missing)
    if found != asked:
        raise WrongCommitment("the answer", "it shows more than was asked for, or not in order")
    shown: dict[tuple[int, int], bytes] = {}
    for opening in openings:
        verify_opening(program, commitment, opening)
        shown.update({(opening.number, each.chunk): each.data for each in opening.chunks})
    return shown


def _verify_chunk(tensor: TensorType, chunk_root: Digest, shown: ChunkOpening) -> None:
    if shown.chunk >= count_chunks(tensor):
        raise InvalidProof(f"chunk {shown.chunk} of {count_chunks(tensor)} does not exist")
    start, end = get_chunk_range(tensor, shown.chunk)
    if len(shown.data) != end - start:
        raise InvalidProof(f"chunk {shown.chunk} has {len(shown.data)} bytes, not {end - start}")
    proof = InclusionProof(shown.chunk, count_chunks(tensor), shown.path)
    verify_inclusion(chunk_root, shown.data, proof)
