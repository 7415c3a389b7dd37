"""How a program is written down and named.

Tensors are numbered: inputs first, then initialisers, then what the nodes give, in order. A node may read
only tensors with a smaller number than its own, so no cycle has to be searched for. The id of a program is
the hash of its canonical encoding (``tangle.core.encoding``); the id of a tensor is a Merkle root over 4 KiB
chunks in which type, shape and length are bound.
"""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from aivm.program.errors import UnknownOperator
from aivm.program.limits import INITIALIZERS_MAX, INLINE_SIZE_MAX, INPUTS_MAX, NODES_MAX, PROGRAM_SIZE_MAX
from aivm.program.operators import OPERATORS, Operator
from aivm.program.types import TensorType
from tangle.core.encoding import decode, encode
from tangle.core.errors import MalformedEncoding
from tangle.core.hashing import PROGRAM, TENSOR, compute_hash, compute_record_hash
from tangle.core.merkle import compute_merkle_root
from tangle.core.types import Digest, Natural

VERSION: Final = 1
"""Version of the operators' definitions."""

CHUNK_SIZE: Final = 4096
"""Bytes of a chunk: what a dispute narrows down to."""

NODES_FIELD: Final = 3
"""Place of ``nodes`` in the encoded array."""

Operands = Annotated[tuple[Natural, ...], Meta(min_length=1, max_length=INPUTS_MAX)]
"""Numbers of tensors."""


class Inline(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """An initialiser's bytes, in the program."""

    data: Annotated[bytes, Meta(max_length=INLINE_SIZE_MAX)]
    """Row-major, little-endian."""


class External(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """An initialiser by its id; the bytes are fetched."""

    tensor_id: Digest
    """``compute_tensor_id`` of the bytes."""


class Initializer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A constant tensor: weights, a bias, a table."""

    type: TensorType
    """Its type; it has no rows."""

    content: Inline | External
    """Where its bytes are."""


class Node(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One operator and what it reads."""

    operator: Operator
    """What is computed."""

    operands: Operands
    """Numbers of the tensors read, in the operator's order."""


class Program(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A model. ``aivm.program.planning.plan_program`` checks it."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    """Version of the operators' definitions."""

    inputs: Annotated[tuple[TensorType, ...], Meta(min_length=1, max_length=INPUTS_MAX)]
    """Types of the inputs, in order."""

    initializers: Annotated[tuple[Initializer, ...], Meta(max_length=INITIALIZERS_MAX)]
    """Constants."""

    nodes: Annotated[tuple[Node, ...], Meta(min_length=1, max_length=NODES_MAX)]
    """Operators in an order in which they can be computed."""

    outputs: Operands
    """Numbers of the tensors that the program gives, in order."""


def encode_program(program: Program) -> bytes:
    """Canonical bytes of a program."""
    return encode(program)


def decode_program(data: bytes) -> Program:
    """Read a program back; it still has to be planned.

    :raises OversizeEncoding: longer than ``PROGRAM_SIZE_MAX``.
    :raises UnknownOperator: a node with a code outside ``OPERATORS``.
    :raises MalformedEncoding: not the canonical encoding of a program.
    """
    try:
        return decode(Program, data, limit=PROGRAM_SIZE_MAX)
    except MalformedEncoding:
        _refuse_unknown_operators(data)
        raise


def compute_program_id(program: Program) -> Digest:
    """``H(tangle/program, encoded program)``."""
    return compute_hash(PROGRAM, encode_program(program))


def compute_tensor_id(tensor: TensorType, data: bytes) -> Digest:
    """``H_tensor(dtype, shape, length, root)`` with the Merkle root over all chunks.

    The root is that of the blob with the same bytes, so a tensor's root and size name its blob.

    :param data: the elements, row-major, little-endian. The declared range is no part of the id.
    """
    chunks = [data[place : place + CHUNK_SIZE] for place in range(0, len(data), CHUNK_SIZE)]
    return compute_record_hash(TENSOR, tensor.dtype, tensor.shape, len(data), compute_merkle_root(chunks))


def _refuse_unknown_operators(data: bytes) -> None:
    # The typed decoder only says where it stopped; whoever sent a newer program should read that it is newer.
    try:
        plain: Any = decode(tuple, data, limit=PROGRAM_SIZE_MAX)
        codes = [node[0][0] for node in plain[NODES_FIELD]]
    except (MalformedEncoding, IndexError, TypeError):
        return
    for place, code in enumerate(codes):
        if isinstance(code, int) and code not in OPERATORS:
            raise UnknownOperator(place, f"code {code}", f"defined are 1 to {max(OPERATORS)}")
