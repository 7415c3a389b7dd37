"""What each issuer has on its way: numbers that are taken, and grains that they will cost.

This is a node's policy for news, not a rule of the protocol. A conflict costs its issuer nothing, so a node
takes from outside only what would apply if it were ordered now: the number is free and near, the fee limit
allows today's fee, and the balance covers amount and fee of everything that the issuer has on its way. Two
nodes may still admit two transactions of one number; the order decides between them, as it must.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct

from tangle.core.parameters import Parameters
from tangle.core.transactions import Transaction, TransactionBody, get_outgoing
from tangle.core.types import PublicKey, TransactionId
from tangle.ledger.accounts import Account
from tangle.ledger.errors import FeeLow, FundsShort, SequenceFar, SequenceTaken
from tangle.ledger.fair_queue import WEIGHT_MAX

ISSUER_PENDING_MAX: Final = 1_024
"""Transactions that one issuer may have on its way: several batches, and a third of a second of the highest
load."""

MEANS_UNIT_WEIGHT: Final = 1_000_000
"""An account begins to count when it could pay for this much weight, some two thousand transfers, at the
lowest price: what ten thousand accounts have only if somebody gives each of them that much."""

BALANCE_SHARE_MAX: Final = 1_024
"""Most that a balance adds to an issuer's share: beyond it more riches buy no more room."""

STAKE_TIMES: Final = 8
"""How much more than a balance the same stake counts: it is bound, and a balance moves on to the next account
in a second."""

STAKE_SHARE_MAX: Final = 2**16
"""Most that a stake adds."""

assert 1 + BALANCE_SHARE_MAX + STAKE_SHARE_MAX <= WEIGHT_MAX


def compute_share(account: Account, parameters: Parameters) -> int:
    """Weight of an issuer in the queue for a place in the sub-DAG: 1 for next to nothing, more with balance
    and stake.
    """
    unit = parameters.price_floor * MEANS_UNIT_WEIGHT
    return (
        1
        + min(account.balance // unit, BALANCE_SHARE_MAX)
        + min(STAKE_TIMES * account.stake // unit, STAKE_SHARE_MAX)
    )


class _Due(Struct, frozen=True):
    """One transaction on its way."""

    id: TransactionId
    grains: int
    """What it takes from its issuer, at the price when it came."""


class _Issuer(Struct, eq=False):
    """An issuer that has something on its way."""

    account: Account
    """As of the latest executed checkpoint."""

    dues: dict[int, _Due]
    """By number."""

    total: int = 0
    """Grains of all of them."""


class PendingBook:
    """Transactions on their way, by issuer and number."""

    def __init__(self, read_account: Callable[[PublicKey], Account]) -> None:
        """:param read_account: an account as of the latest executed checkpoint."""
        self._read_account = read_account
        self._issuers: dict[PublicKey, _Issuer] = {}
        self._places: dict[TransactionId, tuple[PublicKey, int]] = {}

    def __contains__(self, identity: TransactionId) -> bool:
        return identity in self._places

    def get_account(self, issuer: PublicKey) -> Account:
        """The issuer's account as of the latest executed checkpoint."""
        known = self._issuers.get(issuer)
        return self._read_account(issuer) if known is None else known.account

    def check(self, identity: TransactionId, body: TransactionBody, fee: int) -> None:
        """Whether a transaction would apply after those that are on their way already.

        :param fee: what it would cost at today's price.
        :raises SequenceTaken, SequenceFar, FeeLow, FundsShort: it would not, for now.
        """
        if identity in self._places:
            return
        issuer = self._issuers.get(body.issuer)
        account = self._read_account(body.issuer) if issuer is None else issuer.account
        if body.sequence < account.sequence:
            raise SequenceTaken(body.sequence, account.sequence, None)
        if issuer is not None and (taken := issuer.dues.get(body.sequence)) is not None:
            raise SequenceTaken(body.sequence, account.sequence, taken.id)
        if body.sequence >= account.sequence + ISSUER_PENDING_MAX:
            raise SequenceFar(body.sequence, account.sequence, ISSUER_PENDING_MAX)
        if fee > body.max_fee:
            raise FeeLow(body.max_fee, fee)
        pending = 0 if issuer is None else issuer.total
        needed = fee + get_outgoing(body.operation) + pending
        if needed > account.balance:
            raise FundsShort(account.balance, needed, pending)

    def is_next(self, body: TransactionBody) -> bool:
        """Whether the number before is spent or on its way, so that this one can apply."""
        issuer = self._issuers.get(body.issuer)
        if issuer is not None and body.sequence - 1 in issuer.dues:
            return True
        account = self._read_account(body.issuer) if issuer is None else issuer.account
        return body.sequence <= account.sequence

    def add(self, transaction: Transaction, fee: int) -> None:
        """A transaction is on its way; of several with one number the first counts."""
        body = transaction.body
        issuer = self._issuers.get(body.issuer)
        if issuer is None:
            issuer = self._issuers[body.issuer] = _Issuer(self._read_account(body.issuer), {})
        if body.sequence in issuer.dues:
            return
        due = _Due(transaction.id, fee + get_outgoing(body.operation))
        issuer.dues[body.sequence] = due
        issuer.total += due.grains
        self._places[transaction.id] = (body.issuer, body.sequence)

    def release(self, identities: Iterable[TransactionId]) -> None:
        """These are ordered, or will never be."""
        for identity in identities:
            place = self._places.pop(identity, None)
            if place is None:
                continue
            issuer, sequence = place
            known = self._issuers[issuer]
            known.total -= known.dues.pop(sequence).grains
            if not known.dues:
                del self._issuers[issuer]

    def on_executed(self, accounts: Mapping[PublicKey, Account]) -> None:
        """A checkpoint changed these accounts; what it ordered is released before."""
        if len(accounts) <= len(self._issuers):
            known = ((key, self._issuers.get(key)) for key in accounts)
        else:
            known = ((key, issuer) for key, issuer in self._issuers.items() if key in accounts)
        for key, issuer in known:
            if issuer is not None:
                issuer.account = accounts[key]

    def count(self, issuer: PublicKey) -> int:
        """Transactions of ``issuer`` on their way."""
        known = self._issuers.get(issuer)
        return 0 if known is None else len(known.dues)

    def find(self, issuer: PublicKey, sequence: int) -> TransactionId | None:
        """The transaction with that number, if there is one on its way."""
        known = self._issuers.get(issuer)
        due = None if known is None else known.dues.get(sequence)
        return None if due is None else due.id

    def list_before(self, issuer: PublicKey, before: int) -> list[TransactionId]:
        """Transactions of ``issuer`` with numbers below ``before``, in their order."""
        known = self._issuers.get(issuer)
        if known is None:
            return []
        return [known.dues[sequence].id for sequence in sorted(known.dues) if sequence < before]
