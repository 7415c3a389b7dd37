"""``CrossingQueries`` over a running node."""

from collections.abc import Callable
from typing import Final

from shards.bundles import encode_bundle
from tangle.core.types import PublicKey, Shard, TransactionId
from tangle.node.crossing.views import CreditsPage, CreditView
from tangle.node.node import Node
from tangle.node.receipt_archive import CreditRow
from tangle.node.views import NotFound, TransactionView

CREDITS_PER_CHECKPOINT: Final = 1 << 24
"""More credits than a checkpoint has: a place in the list is one number."""


class NodeCrossing:
    """Reads a node's receipts."""

    def __init__(self, node: Node, get_transaction: Callable[[TransactionId], TransactionView]) -> None:
        self._archive = node.archive
        self._get_transaction = get_transaction

    def get_receipt_proof(self, identity: TransactionId) -> bytes:
        """See ``CrossingQueries.get_receipt_proof``."""
        view = self._get_transaction(identity)
        checkpoint = None if view.checkpoint is None else self._archive.get_checkpoint(view.checkpoint)
        if view.receipt is None or checkpoint is None or not view.is_final:
            raise NotFound("receipt of transaction", identity.hex())
        certificate = self._archive.get_certificate(checkpoint.index)
        if certificate is None:
            raise NotFound("certificate for checkpoint", str(checkpoint.index))
        target = Shard(view.receipt.target)
        bundle = self._archive.receipts.make_bundle(checkpoint, certificate, target)
        assert bundle is not None, "a checkpoint's receipts are written with it"
        return encode_bundle(bundle)

    def get_credits(self, account: PublicKey, before: int | None, limit: int) -> CreditsPage:
        """See ``CrossingQueries.get_credits``."""
        position = None if before is None else divmod(before, CREDITS_PER_CHECKPOINT)
        rows = self._archive.receipts.list_credits(account, position, limit)
        items = tuple(map(self._make_credit, rows))
        if len(rows) < limit:
            return CreditsPage(items, None)
        checkpoint, place = rows[-1].position
        return CreditsPage(items, checkpoint * CREDITS_PER_CHECKPOINT + place)

    def _make_credit(self, row: CreditRow) -> CreditView:
        credited = row.credited
        checkpoint = self._archive.get_checkpoint(credited.checkpoint)
        assert checkpoint is not None, "credits are written with their checkpoint"
        receipt = credited.receipt
        return CreditView(
            credited.checkpoint, checkpoint.timestamp_ms, receipt.source, receipt.sequence, receipt.amount
        )
