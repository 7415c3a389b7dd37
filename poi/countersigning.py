"""Replication without a ledger in between: workers seal towards each other, and sign what they show.

A customer that waits for an answer cannot wait for seals to be ordered. So whoever asks collects one signed
seal from each worker, hands all of them to everybody, and only then results are shown. A worker signs, with
its result, the whole list of seals that it was handed: an honest one's signature proves that every other
result on the list was fixed before it showed its own. It shows its result for one list only.

Two bodies are signed, both for the purpose ``tangle/answer``: ``[1, task, worker, seal]`` when sealing, and
``[2, seals, commitment id, salt]`` when showing, with seals as an array of ``[worker, seal]`` in rising order
of workers.
"""

from itertools import pairwise
from typing import Annotated, Final

from msgspec import Meta, Struct

from aivm.verification.trace import Commitment, compute_commitment_id
from poi.errors import InvalidReplication
from poi.replication import verify_seal
from tangle.core.encoding import encode
from tangle.core.hashing import ANSWER, TRACE, compute_record_hash
from tangle.core.signing import SigningKey, verify_signature
from tangle.core.types import ChainId, Digest, PublicKey, Signature

PANEL_MAX: Final = 16
"""Most workers that seal towards each other: everybody is handed all seals, and nobody waits for more."""

SEALING: Final = 1
"""First element of what a worker signs when it seals."""

SHOWING: Final = 2
"""First element of what a worker signs when it shows."""


class Sealed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A worker whose result is fixed and not shown."""

    worker: PublicKey
    """Who it is."""

    seal: Digest
    """``H(tangle/replica, [task, worker, result, salt])``."""


Seals = Annotated[tuple[Sealed, ...], Meta(min_length=1, max_length=PANEL_MAX)]
"""Everybody's seals, in rising order of workers, each worker once."""


def compute_result_digest(commitment: Commitment) -> Digest:
    """What replicas of one task have in common: everything in a commitment but worker and epoch."""
    return compute_record_hash(
        TRACE,
        commitment.context.task,
        commitment.program_id,
        commitment.rows,
        commitment.inputs,
        commitment.outputs,
        commitment.root,
    )


def sign_seal(key: SigningKey, chain: ChainId, task: Digest, seal: Digest) -> Signature:
    """A worker's word that its result is fixed."""
    return key.sign(ANSWER, chain, encode((SEALING, task, key.public_key, seal)))


def verify_sealed(sealed: Sealed, chain: ChainId, task: Digest, signature: Signature) -> None:
    """Check that a seal comes from its worker.

    :raises InvalidSignature: it does not.
    """
    body = encode((SEALING, task, sealed.worker, sealed.seal))
    verify_signature(ANSWER, chain, body, signature, sealed.worker)


def sign_shown(
    key: SigningKey, chain: ChainId, seals: tuple[Sealed, ...], commitment: Commitment, salt: Digest
) -> Signature:
    """A worker's word on its result, given after it was handed all seals."""
    return key.sign(ANSWER, chain, _make_shown(seals, commitment, salt))


def verify_shown(
    seals: tuple[Sealed, ...], commitment: Commitment, salt: Digest, chain: ChainId, signature: Signature
) -> None:
    """Check that a worker shows what it had sealed, and signed it together with these seals.

    :raises InvalidReplication: the seals are not in order, or the worker is not among them.
    :raises WrongSeal: it had sealed another result.
    :raises InvalidSignature: it did not sign this.
    """
    verify_seals(seals)
    worker = commitment.context.worker
    seal = next((each.seal for each in seals if each.worker == worker), None)
    if seal is None:
        raise InvalidReplication("a result comes from a worker that sealed none")
    verify_seal(seal, commitment.context.task, worker, compute_result_digest(commitment), salt)
    verify_signature(ANSWER, chain, _make_shown(seals, commitment, salt), signature, worker)


def verify_seals(seals: tuple[Sealed, ...]) -> None:
    """Check that every worker is there once, in rising order.

    :raises InvalidReplication: it is not.
    """
    workers = [each.worker for each in seals]
    if any(one >= other for one, other in pairwise(workers)):
        raise InvalidReplication("seals are not in rising order of workers")


def _make_shown(seals: tuple[Sealed, ...], commitment: Commitment, salt: Digest) -> bytes:
    return encode((SHOWING, seals, compute_commitment_id(commitment), salt))
