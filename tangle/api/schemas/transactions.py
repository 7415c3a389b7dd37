"""Requests and answers about transactions."""

from enum import StrEnum

from msgspec import Struct

from tangle.api.wire import HexBytes, HexDigest, Quantity, SignedQuantity
from tangle.node.views import TransactionStatus


class PrepareRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks for everything that a wallet needs to build its next transaction."""

    issuer: str
    """Account that will sign: an address, or its public key in hex."""

    work: bool = False
    """Whether the node does the AI work too."""

    worker: str | None = None
    """Account that is paid for the work; the issuer for none."""

    sequence: Quantity | None = None
    """Number to prepare for; the next free one for none."""

    operation: HexBytes | None = None
    """The encoded operation of the market that will be signed, none for a transfer. It is tried on the ledger
    as it is now, and refused here with the reason where the ledger would refuse it."""

    is_tried: bool = True
    """Whether to try it; not where it builds on transactions that are not executed yet."""


class WorkAnswer(Struct, frozen=True):
    """The AI work of a transaction."""

    kind: int
    """Kind of work; 1 are evaluations of a standing evolution job."""

    job: HexDigest
    """Standing job."""

    generation: Quantity
    """Generation that was evaluated."""

    worker: str
    """Address that is paid."""

    results: tuple[SignedQuantity, ...]
    """One number for each evaluation."""


class PreparedAnswer(Struct, frozen=True):
    """What a wallet signs around."""

    chain: HexBytes
    """Chain to name."""

    shard: int
    """Home shard of the issuer."""

    issuer: str
    """Address of the issuer."""

    sequence: Quantity
    """Number to use."""

    anchor: Quantity
    """Certified checkpoint to build on."""

    parents: tuple[HexDigest, ...]
    """Transactions to build on."""

    price: Quantity
    """Grains per weight now."""

    difficulty: int
    """Evaluations to carry."""

    suggested_max_fee: Quantity
    """Enough for the operation even if the price rises for a while."""

    job: HexDigest
    """Standing job that was assigned."""

    generation: Quantity
    """Its current generation."""

    work: WorkAnswer | None
    """The finished work, when it was asked for."""

    work_ms: float | None
    """Milliseconds that the work took."""


class TransferAnswer(Struct, frozen=True, tag_field="kind", tag="transfer"):
    """Grains moved to another account."""

    recipient: str
    """Address that is credited."""

    amount: Quantity
    """Grains."""


class MarketCallAnswer(Struct, frozen=True, tag_field="kind", tag="market"):
    """Something asked of the market."""

    name: str
    """What: ``open-job``, ``register-program`` and so on."""

    text: str
    """The same for people, in one sentence."""

    job: HexDigest | None
    """The job that it opens or is about."""

    program: HexDigest | None
    """The program that it is about."""

    held: Quantity
    """Grains that it names itself to be held; deposits and bonds follow from the rules."""

    data: HexBytes
    """The encoded operation."""


class StakingAnswer(Struct, frozen=True, tag_field="kind", tag="staking"):
    """Something asked of the book of stakes."""

    name: str
    """What: ``stake``, ``unstake``, ``register`` or ``retire``."""

    amount: Quantity
    """Grains that are bound or taken back; 0 for the other two."""

    validator: HexDigest | None
    """Key of the validator that is registered."""


OperationAnswer = TransferAnswer | MarketCallAnswer | StakingAnswer
"""The closed union of operations; it grows by version."""


class ReceiptAnswer(Struct, frozen=True):
    """What a transfer to another shard left, and whether it arrived."""

    target: int
    """Shard where the recipient lives."""

    sequence: Quantity
    """Number of the receipt among those from the transfer's shard to that one."""

    is_delivered: bool
    """Whether a certified checkpoint there credited it; false also where this node does not know."""

    checkpoint: Quantity | None
    """That checkpoint."""


class TransactionAnswer(Struct, frozen=True):
    """A transaction and what became of it."""

    id: HexDigest
    """Its id."""

    status: TransactionStatus
    """Where it is."""

    is_final: bool
    """Whether its checkpoint is certified."""

    shard: int
    """Its shard."""

    issuer: str
    """Address that paid and signed."""

    sequence: Quantity
    """The issuer's number."""

    anchor: Quantity
    """Checkpoint that it built on."""

    parents: tuple[HexDigest, ...]
    """Transactions that it built on."""

    operation: OperationAnswer
    """What it does."""

    work: WorkAnswer
    """Its AI work."""

    max_fee: Quantity
    """The most that the issuer pays."""

    fee: Quantity | None
    """Grains paid, once ordered."""

    is_work_counted: bool | None
    """Whether its work was counted, once ordered."""

    ordered_index: Quantity | None
    """Its place in the shard's history, once ordered."""

    checkpoint: Quantity | None
    """Checkpoint that holds it, once ordered."""

    reason: str | None
    """Why it conflicts or expired."""

    reason_code: str | None
    """The same for machines."""

    receipt: ReceiptAnswer | None = None
    """What it left for another shard; null where it stayed in its own, or did nothing."""


class SubmitRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A signed transaction in JSON."""

    transaction: HexBytes
    """The encoded transaction in hex."""


class SubmittedAnswer(Struct, frozen=True):
    """A transaction that was taken in."""

    id: HexDigest
    """Its id."""

    is_new: bool
    """False when the node knew it already."""

    status: TransactionStatus
    """Where it is now."""

    transaction: TransactionAnswer | None
    """The whole of it, when the request waited."""


class BatchOutcome(StrEnum):
    """What happened to one item of a batch."""

    NEW = "new"
    """Taken in."""

    KNOWN = "known"
    """Taken in before."""

    REFUSED = "refused"
    """Not taken in; ``code`` says why."""


class BatchItemAnswer(Struct, frozen=True):
    """The answer to one item of a batch, at the item's place."""

    outcome: BatchOutcome
    """What happened."""

    id: HexDigest | None
    """Its id; none when it did not decode."""

    status: TransactionStatus | None
    """Where it is now; none when refused."""

    code: str | None
    """Stable name of the refusal."""

    detail: str | None
    """The refusal for people."""


class FaucetRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Asks the devnet's faucet for its portion."""

    account: str
    """Recipient: an address, or its public key in hex."""


class FaucetAnswer(Struct, frozen=True):
    """The faucet's transaction."""

    id: HexDigest
    """Its id; wait for it as for any other."""
