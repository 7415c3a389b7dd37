"""What crossed between shards, as a node shows it to its doors."""

from typing import Protocol

from msgspec import Struct

from tangle.core.types import PublicKey, TransactionId
from tangle.node.views import NotFound


class CreditView(Struct, frozen=True):
    """Grains that an account got from another shard."""

    checkpoint: int
    """The checkpoint that credited them."""

    timestamp_ms: int
    """Its commit time."""

    source: int
    """Shard that sent them."""

    sequence: int
    """Number of the receipt."""

    amount: int


class CreditsPage(Struct, frozen=True):
    """One page of what an account got from other shards, newest first."""

    items: tuple[CreditView, ...]
    next_before: int | None
    """Pass it as ``before`` for the next page; none at the end."""


class CrossingQueries(Protocol):
    """Reads what crossed."""

    def get_receipt_proof(self, identity: TransactionId) -> bytes:
        """The encoded bundle that proves what a final transfer to another shard left for it.

        :raises NotFound: there is no such transfer here, or it is not final.
        """

    def get_credits(self, account: PublicKey, before: int | None, limit: int) -> CreditsPage:
        """What an account got from other shards, newest first."""


class NothingCrossed:
    """Of a network of one shard."""

    def get_receipt_proof(self, identity: TransactionId) -> bytes:
        """There is none."""
        raise NotFound("receipt of transaction", identity.hex())

    def get_credits(self, account: PublicKey, before: int | None, limit: int) -> CreditsPage:
        """None."""
        del account, before, limit
        return CreditsPage((), None)
