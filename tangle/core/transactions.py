"""Transactions: what a wallet signs, and what every node checks without looking at anything else.

A transaction names its parents in its shard's sub-DAG, an anchor (a certified checkpoint that the issuer
built on), one operation, and one piece of verified AI work. It travels as ``[body, signature]``, where the
body is a byte string holding the canonical CBOR of the fields; the signature covers the body. Source:
protocol 2.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.core.encoding import decode, encode
from tangle.core.errors import InvalidSignature, TangleError, UnsupportedVersion, WrongChain, WrongShard
from tangle.core.hashing import TRANSACTION, compute_hash, compute_home_shard
from tangle.core.signing import SigningKey, verify_signature
from tangle.core.types import (
    ChainId,
    CheckpointIndex,
    Grains,
    JobId,
    Natural,
    PublicKey,
    Sequence,
    Shard,
    Signature,
    Signed,
    TransactionId,
)

TRANSACTION_VERSION: Final = 1
"""The only version so far."""

TRANSACTION_SIZE_MAX: Final = 4096
"""Longest encoded transaction in bytes; operations that carry blobs name them by content id instead."""

MARKET_CALL_SIZE_MAX: Final = 3_072
"""Longest operation of the job market in bytes: three quarters of a transaction, which leaves room for eight
parents and sixteen results."""

PARENTS_MAX: Final = 8
"""Most parents of a transaction: enough to merge a wide DAG, few enough to bound every traversal."""

RESULTS_MAX: Final = 16
"""Most evaluations that one transaction may carry; the highest difficulty of any preset."""

EVOLUTION_WORK: Final = 1
"""Work kind: evaluations of a standing evolution job (intelligence 3)."""


class Transfer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Move grains to another account."""

    recipient: PublicKey
    """Account that is credited; it comes into being with its first grain."""

    amount: Grains
    """Grains to move, at least 1."""


class MarketCall(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Ask the job market for something."""

    data: Annotated[bytes, Meta(min_length=1, max_length=MARKET_CALL_SIZE_MAX)]
    """The market's own encoding of what is asked; a matter of the market, not of this module."""


class Stake(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Bind grains of the own account as stake."""

    amount: Grains
    """Grains to bind, at least 1."""


class Unstake(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """Take back a part of the own stake; it is a balance again after a few epochs."""

    amount: Grains
    """Grains to take back, at least 1."""


class Register(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """Stand for election with the own stake."""

    validator: PublicKey
    """Key that will sign blocks."""

    possession: Signature
    """That key's signature over the issuer's, for the purpose of staking."""


class Retire(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """Stand for no further election."""


StakingOperation = Stake | Unstake | Register | Retire
"""What can be asked of the book of stakes."""

Operation = Transfer | MarketCall | Stake | Unstake | Register | Retire
"""The closed union of operations; it grows by version."""


class Work(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The result of the AI work that a transaction carries."""

    kind: Natural
    """Which kind of work; ``EVOLUTION_WORK`` is the only one in version 1."""

    job: JobId
    """The standing job that was evaluated."""

    generation: Natural
    """Generation of the job's weights that was evaluated."""

    worker: PublicKey
    """Account that is paid for the work."""

    results: Annotated[tuple[Signed, ...], Meta(min_length=1, max_length=RESULTS_MAX)]
    """One number ``d = F(+1) - F(-1)`` for each evaluation; as many as the difficulty at the anchor."""


class TransactionBody(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The signed fields."""

    version: Natural
    """Format version, ``TRANSACTION_VERSION``."""

    chain: ChainId
    """Chain that this transaction is for."""

    shard: Shard
    """Home shard of the issuer."""

    issuer: PublicKey
    """Account that pays and signs."""

    sequence: Sequence
    """The issuer's next number."""

    anchor: CheckpointIndex
    """Certified checkpoint of this shard that the issuer built on; expiry and the job board are read from it.
    """

    parents: Annotated[tuple[TransactionId, ...], Meta(min_length=1, max_length=PARENTS_MAX)]
    """Transactions of the same sub-DAG that this one builds on, without repetition."""

    operation: Operation
    """What to do."""

    work: Work
    """The AI work."""

    max_fee: Grains
    """The most that the issuer pays."""


class SignedEnvelope(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A signed record as it travels: the body's bytes and the signature over them."""

    body: bytes
    """Canonical CBOR of the body."""

    signature: Signature
    """Signature over purpose, chain and body."""


class Transaction(Struct, frozen=True, eq=False):
    """A decoded transaction beside the exact bytes that it came from. Decoded once in a node's life."""

    id: TransactionId
    """Hash of ``encoded``."""

    encoded: bytes
    """The bytes on the wire and on disk."""

    body_encoded: bytes
    """The signed part of ``encoded``."""

    body: TransactionBody
    """The decoded fields."""

    signature: Signature
    """The issuer's signature over ``body_encoded``."""


class InvalidTransaction(TangleError):
    """A transaction that contradicts itself, whatever the ledger holds."""

    code = "transaction-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the transaction is invalid: {reason}")


class DuplicateParents(InvalidTransaction):
    """The same parent twice."""

    code = "parents-duplicate"


def get_outgoing(operation: Operation) -> int:
    """Grains that the operation itself takes from the issuer's balance and that its fields name."""
    return operation.amount if isinstance(operation, Transfer | Stake) else 0


def compute_transaction_id(encoded: bytes) -> TransactionId:
    """Id of an encoded transaction."""
    return TransactionId(compute_hash(TRANSACTION, encoded))


def decode_transaction(encoded: bytes) -> Transaction:
    """Decode a transaction strictly.

    :raises OversizeEncoding: over ``TRANSACTION_SIZE_MAX``.
    :raises MalformedEncoding: not canonical, or a field out of its range (nine parents, a short key, ...).
    """
    envelope = decode(SignedEnvelope, encoded, limit=TRANSACTION_SIZE_MAX)
    body = decode(TransactionBody, envelope.body, limit=TRANSACTION_SIZE_MAX)
    identity = compute_transaction_id(encoded)
    return Transaction(identity, encoded, envelope.body, body, envelope.signature)


def sign_transaction(body: TransactionBody, key: SigningKey) -> Transaction:
    """Sign ``body`` with its issuer's key."""
    if key.public_key != body.issuer:
        raise InvalidSignature(TRANSACTION, body.issuer)
    body_encoded = encode(body)
    signature = key.sign(TRANSACTION, body.chain, body_encoded)
    encoded = encode(SignedEnvelope(body_encoded, signature))
    return Transaction(compute_transaction_id(encoded), encoded, body_encoded, body, signature)


def check_transaction(transaction: Transaction, chain: ChainId, shard_bits: int) -> None:
    """The context-free checks other than the signature, which is checked in batches elsewhere.

    :raises UnsupportedVersion, WrongChain, WrongShard, DuplicateParents, InvalidTransaction: see each.
    """
    body = transaction.body
    if body.version != TRANSACTION_VERSION:
        raise UnsupportedVersion("transaction", body.version, TRANSACTION_VERSION)
    if body.chain != chain:
        raise WrongChain(body.chain, chain)
    home = compute_home_shard(body.issuer, shard_bits)
    if body.shard != home:
        raise WrongShard(body.shard, home)
    if len(set(body.parents)) != len(body.parents):
        raise DuplicateParents("a parent is named twice; name each parent once")
    if body.work.kind != EVOLUTION_WORK:
        raise InvalidTransaction(
            f"work kind {body.work.kind} is unknown; version 1 has kind {EVOLUTION_WORK}"
        )
    if isinstance(body.operation, Transfer | Stake | Unstake) and body.operation.amount < 1:
        raise InvalidTransaction("a transfer moves, and a stake changes by, at least 1 grain")


def verify_transaction_signature(transaction: Transaction) -> None:
    """Check the issuer's signature.

    :raises InvalidSignature: it does not verify.
    """
    body = transaction.body
    verify_signature(TRANSACTION, body.chain, transaction.body_encoded, transaction.signature, body.issuer)
