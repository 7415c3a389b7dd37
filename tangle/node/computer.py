"""The computer seam: checking signatures, and evaluating, proving and verifying work.

A request is a picklable record that holds everything the computation needs; an answer depends on nothing
else. The real twin sends requests to worker processes, the simulator's computes them on the spot: both run
the same functions.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from aivm.backends.protocol import Backend
from poi.events import EvaluateAnswer, EvaluateRequest
from poi.shelf import JobShelf
from poi.worker import evaluate
from shards.blocks import SignatureClaim
from tangle.core.errors import InvalidSignature
from tangle.core.hashing import TRANSACTION
from tangle.core.signing import verify_signature
from tangle.core.types import ChainId, PublicKey, Signature


class TransactionBatch(Struct, frozen=True, array_like=True):
    """Transactions to be verified together, grouped by the work that they carry."""

    chain: ChainId
    signed: tuple[tuple[bytes, Signature, PublicKey], ...]
    """Body, signature and issuer of each transaction."""

    work: tuple[tuple[EvaluateRequest, tuple[int, ...]], ...]
    """For each (job, generation): the evaluations, and the position in ``signed`` of each one's transaction.
    """


class TransactionVerdict(Struct, frozen=True, array_like=True):
    """What came out for one transaction."""

    is_signature_valid: bool
    results: tuple[int, ...]
    """Its evaluations, recomputed."""


class Computer(Protocol):
    """What a node has computed for it."""

    @property
    def device(self) -> str:
        """Name of the device that work is computed on."""

    async def verify_transactions(self, batch: TransactionBatch) -> tuple[TransactionVerdict, ...]:
        """Check signatures and recompute work."""

    async def verify_signatures(self, chain: ChainId, claims: Sequence[SignatureClaim]) -> tuple[bool, ...]:
        """Check signatures of blocks and attestations."""

    async def prove(self, request: EvaluateRequest) -> EvaluateAnswer:
        """Do the work of one transaction."""


def verify_transactions(
    batch: TransactionBatch, backend: Backend, shelf: JobShelf
) -> tuple[TransactionVerdict, ...]:
    """Check every signature of a batch and recompute all work, batched per (job, generation).

    :param shelf: data of jobs that this process has.
    :raises UnknownDataset: those of a job are neither there nor in the batch.
    """
    valid = [
        _is_valid(TRANSACTION, batch.chain, body, signature, key) for body, signature, key in batch.signed
    ]
    results: list[tuple[int, ...]] = [()] * len(valid)
    for request, positions in batch.work:
        for position, recomputed in zip(positions, evaluate(request, backend, shelf).results, strict=True):
            results[position] = recomputed
    return tuple(TransactionVerdict(*verdict) for verdict in zip(valid, results, strict=True))


def verify_signatures(chain: ChainId, claims: Sequence[SignatureClaim]) -> tuple[bool, ...]:
    """Check each signature on its own."""
    return tuple(
        _is_valid(claim.purpose, chain, claim.body, claim.signature, claim.public_key) for claim in claims
    )


class InlineComputer:
    """The twin that computes on the spot: for the simulator and for tests."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._shelf = JobShelf()

    @property
    def device(self) -> str:
        """Name of the backend and its device."""
        return describe_backend(self._backend)

    async def verify_transactions(self, batch: TransactionBatch) -> tuple[TransactionVerdict, ...]:
        """Check signatures and recompute work."""
        return verify_transactions(batch, self._backend, self._shelf)

    async def verify_signatures(self, chain: ChainId, claims: Sequence[SignatureClaim]) -> tuple[bool, ...]:
        """Check signatures of blocks and attestations."""
        return verify_signatures(chain, claims)

    async def prove(self, request: EvaluateRequest) -> EvaluateAnswer:
        """Do the work of one transaction."""
        return evaluate(request, self._backend, self._shelf)


def describe_backend(backend: Backend) -> str:
    """``tinygrad CPU``, ``numpy CPU``, ..."""
    return f"{backend.name} {backend.device}"


def _is_valid(purpose: bytes, chain: ChainId, body: bytes, signature: Signature, key: PublicKey) -> bool:
    try:
        verify_signature(purpose, chain, body, signature, key)
    except InvalidSignature:
        return False
    return True
