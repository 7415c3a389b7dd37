"""From an intention to a signed transaction: what a wallet does between ``prepare`` and ``submit``."""

from collections.abc import Awaitable, Callable

from tangle.api.schemas.transactions import PreparedAnswer, WorkAnswer
from tangle.core.address import decode_address
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    TRANSACTION_VERSION,
    Operation,
    Transaction,
    TransactionBody,
    Work,
    sign_transaction,
)
from tangle.core.types import (
    ChainId,
    CheckpointIndex,
    Grains,
    JobId,
    PublicKey,
    Sequence,
    Shard,
    TransactionId,
)

Prove = Callable[[PreparedAnswer], Awaitable[Work]]
"""Does the AI work that a prepared transaction asks for, on the wallet's own machine."""


def make_body(
    prepared: PreparedAnswer,
    operation: Operation,
    work: Work,
    issuer: PublicKey,
    max_fee: int | None = None,
) -> TransactionBody:
    """Build the transaction that ``prepared`` makes room for, ready to be signed, here or elsewhere.

    :param max_fee: the most to pay, in grains; the node's suggestion for none.
    """
    return TransactionBody(
        version=TRANSACTION_VERSION,
        chain=ChainId(bytes(prepared.chain)),
        shard=Shard(prepared.shard),
        issuer=issuer,
        sequence=Sequence(int(prepared.sequence)),
        anchor=CheckpointIndex(int(prepared.anchor)),
        parents=tuple(TransactionId(bytes(parent)) for parent in prepared.parents),
        operation=operation,
        work=work,
        max_fee=Grains(int(prepared.suggested_max_fee) if max_fee is None else max_fee),
    )


def make_transaction(
    prepared: PreparedAnswer, operation: Operation, work: Work, key: SigningKey, max_fee: int | None = None
) -> Transaction:
    """Build and sign the transaction that ``prepared`` makes room for; parameters as for ``make_body``."""
    return sign_transaction(make_body(prepared, operation, work, key.public_key, max_fee), key)


def read_work(answer: WorkAnswer) -> Work:
    """The work that a node did, as the transaction carries it."""
    return Work(
        kind=answer.kind,
        job=JobId(bytes(answer.job)),
        generation=int(answer.generation),
        worker=decode_address(answer.worker, None).public_key,
        results=tuple(int(result) for result in answer.results),
    )
