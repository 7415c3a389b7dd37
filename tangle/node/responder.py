"""Answering peers' requests from what this node keeps.

Answers come from durable data only and are bounded by the size of one frame; where more exists the asker asks
again.
"""

from collections.abc import Callable, Iterable
from typing import Final, assert_never

from shards.blocks import BlockReference
from shards.certificates import encode_certificate
from shards.checkpoints import encode_checkpoint
from tangle.core.errors import TangleError
from tangle.core.types import PublicKey, TransactionId
from tangle.ledger.subdag import SubDag
from tangle.net.frames import PAYLOAD_SIZE_MAX
from tangle.net.ledger_messages import (
    BLOCKS_MAX,
    ROUNDS_MAX,
    TRANSACTIONS_MAX,
    BlockItems,
    EpochEndItem,
    GetBlocks,
    GetEpochEnd,
    GetOrdered,
    GetOwnLatest,
    GetRounds,
    GetTransactions,
    LedgerRequest,
    OrderedItems,
    TransactionItems,
)
from tangle.net.messages import Response
from tangle.node.archive import Archive
from tangle.node.committee_driver import CommitteeDriver
from tangle.node.vouching import vouch

BUDGET: Final = PAYLOAD_SIZE_MAX - 4_096
"""Bytes of items in one answer; the rest of the frame is for the record around them."""


class EpochOpen(TangleError):
    """The committee of an epoch is at work still, or that epoch has not begun."""

    code = "epoch-open"

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        super().__init__(f"this node knows no end of epoch {epoch}: ask later, or another one")


class Responder:
    """Serves one shard's data to peers."""

    def __init__(self, archive: Archive, subdag: SubDag, get_driver: Callable[[], CommitteeDriver]) -> None:
        """:param get_driver: the present committee's."""
        self._archive = archive
        self._subdag = subdag
        self._get_driver = get_driver

    def answer(self, request: LedgerRequest) -> Response:
        """The response to ``request``; what is not here is left out.

        :raises NotValidator, OtherEpoch: only the word of a validator of that epoch is asked for.
        :raises EpochOpen: the epoch that is asked for has no end yet.
        """
        driver, archive = self._get_driver(), self._archive
        match request:
            case GetTransactions(_, ids):
                found = (self._find_transaction(identity) for identity in ids[:TRANSACTIONS_MAX])
                items, _ = _take(item for item in found if item is not None)
                return TransactionItems(0, items)
            case GetBlocks(_, _, epoch, references):
                blocks = (self._find_block(epoch, reference) for reference in references)
                sendable = (item for item in blocks if item is not None and driver.is_sendable(item))
                items, is_whole = _take(sendable)
                return BlockItems(0, items, is_whole)
            case GetRounds(_, _, epoch, first, last):
                last = min(last, first + ROUNDS_MAX - 1)
                rows = archive.committees.get_blocks(epoch, first, last, BLOCKS_MAX)
                items, is_whole = _take(filter(driver.is_sendable, rows))
                return BlockItems(0, items, is_whole and len(rows) < BLOCKS_MAX)
            case GetOrdered(_, _, first, limit):
                ordered = archive.get_ordered_range(first, first + min(limit, TRANSACTIONS_MAX))
                encoded = (self._get_stored(row.effect.transaction) for row in ordered)
                return OrderedItems(0, first, _take(encoded)[0])
            case GetOwnLatest():
                return vouch(request, self._find_latest(request.public_key), driver.setting)
            case GetEpochEnd(_, _, epoch):
                return self._find_end(epoch)
            case _:
                assert_never(request)

    def _find_transaction(self, identity: TransactionId) -> bytes | None:
        transaction = self._subdag.get(identity)
        if transaction is not None:
            return transaction.encoded
        located = self._archive.find_transaction(identity)
        return None if located is None else self._archive.get_encoded(located)

    def _get_stored(self, identity: TransactionId) -> bytes:
        located = self._archive.find_transaction(identity)
        assert located is not None, "what is ordered is stored"
        return self._archive.get_encoded(located)

    def _find_block(self, epoch: int, reference: BlockReference) -> bytes | None:
        driver = self._get_driver()
        if epoch == driver.setting.committee.epoch:
            for block in driver.core.get_round(reference.round):
                if block.reference == reference:
                    return block.encoded
        return self._archive.committees.get_block(epoch, reference)

    def _find_end(self, epoch: int) -> EpochEndItem:
        end = self._archive.committees.find_end(epoch)
        checkpoint = None if end is None else self._archive.get_checkpoint(end)
        certificate = None if end is None else self._archive.get_certificate(end)
        if checkpoint is None or certificate is None:
            raise EpochOpen(epoch)
        return EpochEndItem(0, encode_checkpoint(checkpoint), encode_certificate(certificate))

    def _find_latest(self, public_key: PublicKey) -> BlockReference | None:
        driver = self._get_driver()
        core = driver.core
        author = driver.setting.committee.index_of(public_key)
        for round_number in range(core.highest_round, core.horizon, -1):
            for block in core.get_round(round_number):
                if block.reference.author == author:
                    return block.reference
        return None


def _take(items: Iterable[bytes]) -> tuple[tuple[bytes, ...], bool]:
    """As many items as fit, and whether these are all."""
    taken: list[bytes] = []
    size = 0
    for item in items:
        size += len(item) + 8
        if size > BUDGET:
            return tuple(taken), False
        taken.append(item)
    return tuple(taken), True
