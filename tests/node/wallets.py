"""Wallets of the tests: they prepare, sign and send, and can bend every field on the way."""

from collections.abc import Callable

from msgspec.structs import replace

from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    TRANSACTION_VERSION,
    Transaction,
    TransactionBody,
    Transfer,
    sign_transaction,
)
from tangle.core.types import CheckpointIndex, Grains, PublicKey, Sequence, Shard, TransactionId
from tangle.ledger.pending import PendingBook
from tangle.node.service import Service
from tangle.node.views import SubmitOutcome, TransactionStatus, TransactionView
from tests.node.twins import make_key

NOBODY = make_key("nobody").public_key
"""An account that nobody spends from."""

Bend = Callable[[TransactionBody], TransactionBody]
"""Changes a body before it is signed."""


class Wallet:
    """One account."""

    def __init__(self, name: str) -> None:
        self.key: SigningKey = make_key(name)
        self.address: PublicKey = self.key.public_key

    async def build(
        self,
        service: Service,
        *,
        recipient: PublicKey = NOBODY,
        amount: int = 1,
        sequence: int | None = None,
        bend: Bend = lambda body: body,
    ) -> Transaction:
        """A transfer with its work done, as the node prepares it, bent, signed."""
        prepared = await service.prepare(self.address, with_work=True, sequence=sequence)
        assert prepared.work is not None
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain=prepared.chain,
            shard=Shard(prepared.shard),
            issuer=self.address,
            sequence=Sequence(prepared.sequence),
            anchor=CheckpointIndex(prepared.anchor),
            parents=prepared.parents,
            operation=Transfer(recipient, Grains(amount)),
            work=prepared.work,
            max_fee=Grains(prepared.suggested_max_fee),
        )
        return sign_transaction(bend(body), self.key)

    async def send(
        self,
        service: Service,
        *,
        recipient: PublicKey = NOBODY,
        amount: int = 1,
        bend: Bend = lambda body: body,
    ) -> Transaction:
        """Build and submit; it must be taken."""
        transaction = await self.build(service, recipient=recipient, amount=amount, bend=bend)
        outcome = await submit(service, transaction)
        assert outcome.error is None, outcome.error
        return transaction


class LaxBook(PendingBook):
    """Lets everything pass: the policy of a node that takes news which would conflict."""

    def check(self, identity: TransactionId, body: TransactionBody, fee: int) -> None:
        """Nothing is refused."""

    def is_next(self, body: TransactionBody) -> bool:
        """Nothing waits for the number before."""
        return True


def make_lax(service: Service) -> None:
    """From now on this node admits conflicts, as nodes may: what becomes of them is the order's matter."""
    node = service.node
    node.book.pending = LaxBook(node.archive.get_account)


async def submit(service: Service, transaction: Transaction) -> SubmitOutcome:
    (outcome,) = await service.submit((transaction.encoded,))
    return outcome


async def wait_final(service: Service, identity: TransactionId, timeout_s: float = 20.0) -> TransactionView:
    return await service.wait_transaction(identity, TransactionStatus.CHECKPOINTED, timeout_s)


def with_parents(*parents: TransactionId) -> Bend:
    return lambda body: replace(body, parents=parents)
