"""Reading for explorers and for those who reckon before they pay: blocks, checkpoints, fees."""

from tangle.api.schemas.common import Envelope
from tangle.api.schemas.explorer import BlockAnswer, BlockSummaryAnswer
from tangle.api.schemas.forecast import FeesAnswer
from tangle.api.schemas.ledger import CheckpointAnswer
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.client.reading import as_text
from tangle.client.transport import Transport
from tangle.core.types import PublicKey


class ExplorerMethods:
    """The routes for explorers, and the one about fees; a part of ``TangleClient``."""

    _transport: Transport

    async def get_fees(self) -> FeesAnswer:
        """Price, load, and fee limits from the least to the most certain."""
        return (await self._transport.get(FeesAnswer, "/v1/fees", {})).data

    async def get_pending(self, account: PublicKey | str) -> tuple[TransactionAnswer, ...]:
        """Transactions of an account that are attached and not ordered, in the order of their numbers."""
        path = f"/v1/accounts/{as_text(account)}/pending"
        return (await self._transport.get(tuple[TransactionAnswer, ...], path, {})).data

    async def get_blocks(
        self, *, shard: int = 0, first_round: int | None = None, limit: int = 64
    ) -> tuple[BlockSummaryAnswer, ...]:
        """Accepted blocks of the committee from ``first_round`` on; the latest ones for none."""
        query = {"shard": str(shard), "limit": str(limit)}
        if first_round is not None:
            query["first_round"] = str(first_round)
        return (await self._transport.get(tuple[BlockSummaryAnswer, ...], "/v1/blocks", query)).data

    async def get_slot(self, round_number: int, author: int, *, shard: int = 0) -> tuple[BlockAnswer, ...]:
        """What a validator signed for a round: one block, or more where it broke the rules.

        :raises ApiProblem: ``not-found``, it signed none that this node knows.
        """
        path = f"/v1/blocks/{round_number}/{author}"
        return (await self._transport.get(tuple[BlockAnswer, ...], path, {"shard": str(shard)})).data

    async def get_checkpoints(
        self, *, shard: int = 0, cursor: str | None = None, limit: int = 20
    ) -> Envelope[tuple[CheckpointAnswer, ...]]:
        """One page of executed checkpoints, newest first; ``meta.next_cursor`` leads on."""
        query = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
        return await self._transport.get(tuple[CheckpointAnswer, ...], f"/v1/checkpoints/{shard}", query)
