"""Sumcheck proofs of a whole run: one for each product that is too large to compute again.

They stand where projection stands in ``chain``; with them a run's check needs no randomness from the
verifier or the ledger, so it can be repeated by anyone, at any time, from the receipt.
"""

from typing import Annotated

from msgspec import Meta, Struct

from aivm.program.binding import Tensor
from aivm.verification.chain import list_served
from aivm.verification.challenges import compute_seed
from aivm.verification.errors import MissingData
from aivm.verification.freivalds import Product, is_small
from aivm.verification.sumcheck import (
    LEVEL,
    RUNS,
    RUNS_MAX,
    ProductProof,
    compute_error_bits,
    prove_product,
    verify_product_proof,
)
from aivm.verification.trace import Trace, compute_commitment_id
from aivm.verification.traced import TENSORS_MAX
from tangle.core.types import Digest, Natural


class TensorProof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The proof of one product of one tensor."""

    number: Natural
    """The tensor."""

    group: Natural
    """Which of its products: the group of a convolution, otherwise 0."""

    proof: ProductProof
    """The proof."""


RunProof = Annotated[tuple[TensorProof, ...], Meta(max_length=TENSORS_MAX)]
"""Proofs of all large products of a run."""


class Proven(Struct, frozen=True):
    """Judges large products by their proofs. It is a ``Judge``."""

    commitment_id: Digest
    """What was committed to."""

    proofs: dict[tuple[int, int], ProductProof]
    """Proofs by tensor and group."""

    def verify(self, number: int, group: int, product: Product) -> int:
        """Check the proof of one product.

        :raises MissingData: there is none.
        :raises InvalidProofOfProduct: it does not hold.
        """
        proof = self.proofs.get((number, group))
        if proof is None:
            raise MissingData(number, None)
        verify_product_proof(product, compute_statement(self.commitment_id, number, group), proof)
        rows, terms, columns = product.shape
        return len(proof.runs) * (rows * terms + terms * columns + rows * columns)


def make_judge(commitment_id: Digest, proofs: RunProof) -> Proven:
    """The judge that holds these proofs."""
    return Proven(commitment_id, {(each.number, each.group): each.proof for each in proofs})


def compute_statement(commitment_id: Digest, number: int, group: int) -> Digest:
    """Seed of the proof of one product: binds the run and the place in it."""
    return compute_seed(commitment_id, b"", LEVEL, number, group)


def prove_run(trace: Trace, tensors: tuple[Tensor, ...], runs: int = RUNS) -> RunProof:
    """Prove all large products of a run."""
    program = trace.program
    commitment_id = compute_commitment_id(trace.commitment)
    proofs = []
    for number in list_served(program):
        operands = tuple(tensors[operand] for operand in program.get_operands(number))
        for group, product in enumerate(program.list_products(number, operands, tensors[number])):
            if not is_small(product):
                statement = compute_statement(commitment_id, number, group)
                proofs.append(TensorProof(number, group, prove_product(product, statement, runs)))
    return tuple(proofs)


def compute_run_error_bits(proofs: RunProof) -> int:
    """Largest e such that each proof errs with probability at most ``2^-e`` in one try, for any operands.

    The shapes are taken at their largest, 2^31 rows and columns of 2^16 terms.
    """
    runs = min((len(each.proof.runs) for each in proofs), default=RUNS_MAX)
    return compute_error_bits((2**31, 2**16, 2**31), runs)
