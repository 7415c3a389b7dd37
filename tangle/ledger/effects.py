"""Effects: what each ordered transaction did, or why it did nothing.

Every ordered transaction has exactly one effect, and every node the same. A conflict costs nothing, changes
nothing and leaves the transaction's descendants unharmed ("white flag").
"""

from enum import IntEnum
from typing import Annotated, Final, assert_never

from msgspec import Meta, Struct

from poi.market.refusals import get_refusal_code
from tangle.core.encoding import decode, encode
from tangle.core.hashing import EFFECT, compute_hash
from tangle.core.transactions import TransactionBody, get_outgoing
from tangle.core.types import Digest, Grains, Natural, PublicKey, Sequence, TransactionId
from tangle.ledger.staking.errors import get_staking_refusal_code

EFFECT_SIZE_MAX: Final = 512
"""Longest encoded effect in bytes: the longest today has two changes and takes under 200."""

CHANGES_MAX: Final = 4
"""Most accounts that one operation changes: a transfer two, an operation of the market three."""


class Status(IntEnum):
    """The outcome of an ordered transaction. Checks are made in the order of the values; the first to fail
    names it.
    """

    APPLIED = 0
    """It did what it says."""

    EXPIRED = 1
    """Ordered more than ``expiry_gap`` checkpoints after its anchor."""

    SEQUENCE = 2
    """Not the issuer's next number: a gap, or the number was used."""

    FUNDS = 3
    """The issuer's balance does not cover amount and fee."""

    FEE = 4
    """The fee is over ``max_fee``."""

    OPERATION = 5
    """The market refuses the operation."""

    CONGESTED = 6
    """Too many receipts to the recipient's shard are on their way; it costs nothing and may be sent again."""


class AccountChange(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An account after a transaction."""

    account: PublicKey
    """Which one."""

    balance: Grains
    """Its balance now."""

    sequence: Sequence
    """Its next number now."""

    stake: Grains
    """Its stake now."""


class Effect(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one transaction did."""

    transaction: TransactionId
    """Which one."""

    status: Status
    """Applied, or the reason of the conflict."""

    fee: Grains
    """Grains charged; 0 for a conflict."""

    work_counted: Annotated[int, Meta(ge=0, le=1)]
    """1 if its work is paid."""

    changes: Annotated[tuple[AccountChange, ...], Meta(max_length=CHANGES_MAX)]
    """Issuer, then others; empty for a conflict."""

    figures: Annotated[tuple[Natural, ...], Meta(max_length=2)]
    """What the ledger found. Applied with a receipt: target shard, number of the receipt. Expired:
    checkpoint. Sequence: expected. Funds: balance, fee. Fee: fee. Operation: the number of the refusal.
    Congested: target shard, receipts on their way."""


def encode_effect(effect: Effect) -> bytes:
    """Canonical bytes, which are the leaf under ``effects_root``."""
    return encode(effect)


def decode_effect(data: bytes) -> Effect:
    """Read an effect.

    :raises OversizeEncoding, MalformedEncoding: not the canonical encoding of one.
    """
    return decode(Effect, data, limit=EFFECT_SIZE_MAX)


def compute_effect_digest(effect: Effect) -> Digest:
    """Hash of an effect, to compare two nodes' effects by."""
    return compute_hash(EFFECT, encode_effect(effect))


def get_operation_refusal(number: int) -> str:
    """The code of a refused operation, by the number that its effect keeps."""
    return get_staking_refusal_code(number) or get_refusal_code(number)


def _describe_refusal(number: int) -> str:
    code = get_staking_refusal_code(number)
    if code is not None:
        return f"operation: refused by the book of stakes: {code}"
    return f"operation: the market refuses it: {get_refusal_code(number)}"


def describe_effect(effect: Effect, body: TransactionBody) -> str:
    """One line for people, such as ``funds: balance 5 is under amount 7 plus fee 1``."""
    figures = effect.figures
    match effect.status:
        case Status.APPLIED:
            receipt = f", receipt {figures[1]} to shard {figures[0]}" if figures else ""
            return f"applied: fee {effect.fee}{receipt}"
        case Status.EXPIRED:
            return f"expired: ordered by checkpoint {figures[0]}, too long after anchor {body.anchor}"
        case Status.SEQUENCE:
            kind = "was used before" if body.sequence < figures[0] else "leaves a gap"
            return f"sequence: {body.sequence} {kind}, the account's next is {figures[0]}"
        case Status.FUNDS:
            amount = get_outgoing(body.operation)
            return f"funds: balance {figures[0]} is under amount {amount} plus fee {figures[1]}"
        case Status.FEE:
            return f"fee: {figures[0]} is over the limit of {body.max_fee} that the issuer set"
        case Status.OPERATION:
            return _describe_refusal(figures[0])
        case Status.CONGESTED:
            return f"congested: {figures[1]} receipts to shard {figures[0]} are on their way; try again later"
        case _:
            assert_never(effect.status)
