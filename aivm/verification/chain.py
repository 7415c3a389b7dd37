"""Checks a whole run from what its worker serves: products by projection, everything else again.

The worker serves what projection needs, the 32-bit sums before they are scaled: they cannot be recovered from
the bytes that follow. All other tensors are computed, so a wrong one cannot hide, and at the end the
committed roots are compared with those of the tensors as they must be. A tensor that must be served and is
not is missing data.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aivm.program.binding import Tensor
from aivm.program.types import DTYPES
from aivm.verification.challenges import (
    ERROR_BITS_PRIVATE,
    compute_seed,
    compute_vector_count,
    draw_vectors,
)
from aivm.verification.errors import InvalidRequest, MissingData, WrongCommitment, WrongProduct, WrongTensor
from aivm.verification.freivalds import (
    RECOMPUTE_MACS_MAX,
    Preparation,
    Product,
    is_small,
    prepare,
    verify_by_recomputing,
    verify_prepared,
    verify_product,
)
from aivm.verification.trace import Commitment, Trace, verify_context
from aivm.verification.traced import TracedProgram
from tangle.core.types import Digest

SECRET_SIZE_MIN: Final = 32
"""Shortest secret of a verifier: nobody tries 2^256."""

LEVEL: Final = 3
"""Rung of the ladder; keeps its seeds apart from those of other checks."""


class ChainReport(Struct, frozen=True):
    """What checking a run took."""

    work_macs: int
    """Multiply-accumulates of all products of the run: what the worker did."""

    check_macs: int
    """What the verifier did instead: products computed again, and elements projected times vectors."""

    judged: int
    """Products that were not computed again but judged by another rule, each with that rule's error."""


def list_served(program: TracedProgram) -> tuple[int, ...]:
    """Tensors that a worker serves: products too large to compute again. From types alone, so both sides
    agree.
    """
    return tuple(
        number
        for number in range(program.first, len(program.types))
        if program.count_macs(number) > RECOMPUTE_MACS_MAX
    )


def select_served(trace: Trace, tensors: tuple[Tensor, ...]) -> dict[int, NDArray[np.int32]]:
    """What a worker serves of its run."""
    return {number: tensors[number] for number in list_served(trace.program)}


class Judge(Protocol):
    """How a large product is checked."""

    def verify(self, number: int, group: int, product: Product) -> int:
        """Check one product of a tensor.

        :return: multiply-accumulates that it took.
        :raises VerificationFailure: it is refuted, or not proven.
        """


class Projecting(Struct, frozen=True):
    """Checks by Freivalds' projections, with vectors drawn from the commitment and the beacon."""

    commitment_id: Digest
    """What was committed to."""

    beacon: bytes
    """Randomness from after the commitment; empty for Fiat-Shamir."""

    vectors: int
    """Vectors per product."""

    def verify(self, number: int, group: int, product: Product) -> int:
        """Project one product.

        :raises WrongTensor: it is wrong.
        """
        rows, terms, columns = product.shape
        seed = compute_seed(self.commitment_id, self.beacon, LEVEL, number, group)
        try:
            verify_product(product, draw_vectors(seed, columns, self.vectors))
        except WrongProduct as fault:
            raise WrongTensor(number, f"row {fault.row} of the product is wrong") from None
        return self.vectors * (rows * terms + terms * columns + rows * columns)


class Private:
    """Checks with vectors of the verifier's own: one, and the weights' projections are kept for the next
    run.

    Nobody can aim at vectors that nobody knows, and nobody else is convinced by them. After a refusal take
    another secret. It is a ``Judge`` for runs of one program.
    """

    def __init__(self, secret: bytes) -> None:
        """:param secret: at least 32 random bytes that never leave the verifier."""
        if len(secret) < SECRET_SIZE_MIN:
            raise InvalidRequest(f"a secret of {len(secret)} bytes, not {SECRET_SIZE_MIN}")
        self._secret = Digest(secret)
        self._kept: dict[tuple[int, int], Preparation] = {}

    def verify(self, number: int, group: int, product: Product) -> int:
        """Project one product.

        :raises WrongTensor: it is wrong.
        """
        rows, terms, columns = product.shape
        kept = self._kept.get((number, group))
        cost = rows * terms + rows * columns
        if kept is None:
            cost += terms * columns
            seed = compute_seed(self._secret, b"", LEVEL, number, group)
            vectors = draw_vectors(seed, columns, compute_vector_count(ERROR_BITS_PRIVATE))
            kept = self._kept[number, group] = prepare(product.right, vectors, product.bias)
        try:
            verify_prepared(product.left, product.result, kept)
        except WrongProduct as fault:
            raise WrongTensor(number, f"row {fault.row} of the product is wrong") from None
        return cost


def verify_run(
    program: TracedProgram,
    commitment: Commitment,
    inputs: tuple[Tensor, ...],
    served: Mapping[int, Tensor],
    judge: Judge,
) -> tuple[tuple[Tensor, ...], ChainReport]:
    """Check a committed run: every product, every other operator, every root.

    :param served: the tensors of ``list_served``; others in it are not read.
    :return: all tensors of the run, shown to be right, and what it took.
    :raises InvalidTensor: inputs that the program does not take.
    :raises WrongCommitment: a commitment to another run than this, its trace included.
    :raises MissingData: a tensor is not served.
    :raises VerificationFailure: what the judge raises on a wrong product.
    """
    program.verify_inputs(inputs)
    verify_context(program, commitment, commitment.context)
    must_serve = set(list_served(program))
    tensors: list[Tensor] = [*inputs]
    tensors += [program.get_constant(number) for number in range(len(inputs), program.first)]
    work = check = judged = 0
    for number in range(program.first, len(program.types)):
        operands = tuple(tensors[operand] for operand in program.get_operands(number))
        macs = program.count_macs(number)
        work += macs
        if number not in must_serve:
            check += macs
            tensors.append(program.compute_tensor(number, operands))
            continue
        claimed = _get_served(program, number, served)
        for group, product in enumerate(program.list_products(number, operands, claimed)):
            if is_small(product):
                check += _compute_again(number, product)
            else:
                check += judge.verify(number, group, product)
                judged += 1
        tensors.append(claimed)
    found = tuple(tensors)
    verify_trace(program, commitment, found)
    return found, ChainReport(work, check, judged)


def verify_trace(program: TracedProgram, commitment: Commitment, tensors: tuple[Tensor, ...]) -> None:
    """Check that a commitment is to exactly these tensors.

    :raises WrongCommitment: it is not.
    """
    expected = Trace(program, tensors, commitment.context).commitment
    for what, found, wanted in (
        ("the input", commitment.inputs, expected.inputs),
        ("the output", commitment.outputs, expected.outputs),
        ("the trace", commitment.root, expected.root),
    ):
        if found != wanted:
            raise WrongCommitment(what, "it is committed to with another root")


def _get_served(program: TracedProgram, number: int, served: Mapping[int, Tensor]) -> Tensor:
    claimed = served.get(number)
    if claimed is None:
        raise MissingData(number, None)
    expected = program.types[number]
    if claimed.dtype != DTYPES[expected.dtype] or claimed.shape != expected.shape:
        raise WrongTensor(number, f"it is served with type {claimed.dtype} and shape {claimed.shape}")
    return claimed


def _compute_again(number: int, product: Product) -> int:
    try:
        verify_by_recomputing(product)
    except WrongProduct as fault:
        raise WrongTensor(number, f"row {fault.row} of the product is wrong") from None
    return product.macs
