"""Answering peers' requests from what this node keeps.

Answers come from durable data only and are bounded by the size of one frame; where more exists the asker asks
again.
"""

from collections.abc import Iterable
from typing import Final, assert_never

from shards.blocks import BlockReference
from tangle.core.types import PublicKey, TransactionId
from tangle.ledger.subdag import SubDag
from tangle.net.frames import PAYLOAD_SIZE_MAX
from tangle.net.messages import (
    BLOCKS_MAX,
    ROUNDS_MAX,
    TRANSACTIONS_MAX,
    BlockItems,
    GetBlocks,
    GetOrdered,
    GetOwnLatest,
    GetRounds,
    GetTransactions,
    LedgerRequest,
    OrderedItems,
    Response,
    TransactionItems,
)
from tangle.node.archive import Archive
from tangle.node.committee_driver import CommitteeDriver
from tangle.node.vouching import vouch

BUDGET: Final = PAYLOAD_SIZE_MAX - 4_096
"""Bytes of items in one answer; the rest of the frame is for the record around them."""


class Responder:
    """Serves one shard's data to peers."""

    def __init__(self, archive: Archive, subdag: SubDag, committee: CommitteeDriver) -> None:
        self._archive = archive
        self._subdag = subdag
        self._committee = committee

    def answer(self, request: LedgerRequest) -> Response:
        """The response to ``request``; what is not here is left out.

        :raises NotValidator: only a validator's word is asked for.
        """
        match request:
            case GetTransactions(_, ids):
                found = (self._find_transaction(identity) for identity in ids[:TRANSACTIONS_MAX])
                items, _ = _take(item for item in found if item is not None)
                return TransactionItems(0, items)
            case GetBlocks(_, _, references):
                blocks = map(self._find_block, references)
                sendable = (item for item in blocks if item is not None and self._committee.is_sendable(item))
                items, is_whole = _take(sendable)
                return BlockItems(0, items, is_whole)
            case GetRounds(_, _, first, last):
                last = min(last, first + ROUNDS_MAX - 1)
                rows = self._archive.get_blocks(first, last, BLOCKS_MAX)
                items, is_whole = _take(filter(self._committee.is_sendable, rows))
                return BlockItems(0, items, is_whole and len(rows) < BLOCKS_MAX)
            case GetOrdered(_, _, first, limit):
                ordered = self._archive.get_ordered_range(first, first + min(limit, TRANSACTIONS_MAX))
                encoded = (self._get_stored(row.effect.transaction) for row in ordered)
                return OrderedItems(0, first, _take(encoded)[0])
            case GetOwnLatest():
                return vouch(request, self._find_latest(request.public_key), self._committee.setting)
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

    def _find_block(self, reference: BlockReference) -> bytes | None:
        for block in self._committee.core.get_round(reference.round):
            if block.reference == reference:
                return block.encoded
        return self._archive.get_block(reference)

    def _find_latest(self, public_key: PublicKey) -> BlockReference | None:
        core = self._committee.core
        author = self._committee.setting.committee.index_of(public_key)
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
