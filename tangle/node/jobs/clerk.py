"""Operations of this node's own account on their way to the ledger, as a wallet would send them.

Each is prepared, its work done in the compute pool, signed and submitted, one after the other, because each
needs the number after the one before. What was sent stays pending until it is executed, conflicts or expires;
whoever still wants it then sends it again, with pauses that grow, because a refusal may repeat itself.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import anyio
import structlog
from msgspec import Struct

from poi.market.operations import Operation, encode_operation
from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    TRANSACTION_VERSION,
    MarketCall,
    TransactionBody,
    sign_transaction,
)
from tangle.core.transactions import Operation as CoreOperation
from tangle.core.types import CheckpointIndex, Grains, PublicKey, Shard, TransactionId
from tangle.core.types import Sequence as SequenceNumber
from tangle.node.views import NotFound, PreparedTransaction, SubmitOutcome, TransactionStatus, TransactionView

PAUSE_MS: Final = 1_000
"""Before an operation that did not apply is tried again; it doubles each time."""

PAUSE_MAX_MS: Final = 60_000
"""Longest such pause."""

FORGET_MS: Final = 600_000
"""After this an operation that failed, and that nobody tried again, is forgotten with its failures."""

PENDING_MAX: Final = 64
"""Operations on their way at a time; what is still wanted is sent when there is room."""

log = structlog.get_logger("jobs")


class Walk(Protocol):
    """The way of a transaction into the ledger, the same for every wallet; ``Service`` is one."""

    async def prepare(
        self,
        issuer: PublicKey,
        *,
        with_work: bool,
        worker: PublicKey | None = None,
        sequence: int | None = None,
        operation_size: int = 0,
    ) -> PreparedTransaction:
        """Number, anchor, parents and work."""

    async def submit(self, items: Sequence[bytes]) -> tuple[SubmitOutcome, ...]:
        """Take encoded transactions in."""

    def get_transaction(self, identity: TransactionId) -> TransactionView:
        """How far one is."""


class _Letter(Struct):
    is_prepared: bool = False
    """Somebody prepares it right now."""

    identity: TransactionId | None = None
    """The transaction that carries it, while that is on its way."""

    failures: int = 0
    """How often it did not apply."""

    not_before_ms: int = 0
    """When it may be tried again."""

    @property
    def is_on_its_way(self) -> bool:
        """Whether it may still apply."""
        return self.is_prepared or self.identity is not None


class Clerk:
    """Sends operations."""

    def __init__(self, walk: Walk, key: SigningKey) -> None:
        self._walk = walk
        self._key = key
        self._letters: dict[bytes, _Letter] = {}
        self._turn = anyio.Lock()
        self.sent_total = 0
        self.failed_total = 0

    @property
    def account(self) -> PublicKey:
        """Whose operations these are."""
        return self._key.public_key

    def settle(self, now_ms: int) -> None:
        """Look what became of the operations on their way."""
        for name, letter in list(self._letters.items()):
            if letter.identity is not None:
                self._look(name, letter, letter.identity, now_ms)
            elif not letter.is_prepared and now_ms > letter.not_before_ms + FORGET_MS:
                del self._letters[name]  # nobody wants it any more

    def is_sendable(self, name: bytes, now_ms: int) -> bool:
        """Whether an operation of this name may be sent now: none is on its way, and no pause holds it up."""
        letter = self._letters.get(name)
        if letter is None:
            return sum(each.is_on_its_way for each in self._letters.values()) < PENDING_MAX
        return not letter.is_on_its_way and now_ms >= letter.not_before_ms

    async def send(self, name: bytes, operation: Operation, now_ms: int) -> None:
        """Send an operation; ``is_sendable`` comes first.

        :param name: of the occasion: two operations of one name are never on their way together.
        """
        letter = self._letters.setdefault(name, _Letter())
        letter.is_prepared = True
        try:
            letter.identity = await self.submit(MarketCall(encode_operation(operation)))
            self.sent_total += 1
        except TangleError as error:
            log.info("operation-refused", kind=type(operation).__name__, code=error.code, reason=str(error))
            self._fail(letter, now_ms)
        finally:
            letter.is_prepared = False

    async def submit(self, operation: CoreOperation) -> TransactionId:
        """Prepare, sign and submit, and let whatever becomes of it be.

        :raises TangleError: it is refused.
        """
        async with self._turn:
            return await self._submit(operation)

    async def _submit(self, operation: CoreOperation) -> TransactionId:
        size = len(operation.data) if isinstance(operation, MarketCall) else 0
        prepared = await self._walk.prepare(self.account, with_work=True, operation_size=size)
        assert prepared.work is not None, "it was asked for"
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain=prepared.chain,
            shard=Shard(prepared.shard),
            issuer=self.account,
            sequence=SequenceNumber(prepared.sequence),
            anchor=CheckpointIndex(prepared.anchor),
            parents=prepared.parents,
            operation=operation,
            work=prepared.work,
            max_fee=Grains(prepared.suggested_max_fee),
        )
        (outcome,) = await self._walk.submit((sign_transaction(body, self._key).encoded,))
        if outcome.error is not None:
            raise outcome.error
        assert outcome.id is not None, "what is accepted has an id"
        return outcome.id

    def _look(self, name: bytes, letter: _Letter, identity: TransactionId, now_ms: int) -> None:
        try:
            view = self._walk.get_transaction(identity)
        except NotFound:  # dropped on its way
            self._fail(letter, now_ms)
            return
        if view.status in (TransactionStatus.CONFLICTING, TransactionStatus.EXPIRED):
            log.info("operation-failed", transaction=identity.hex()[:16], reason=view.reason)
            self._fail(letter, now_ms)
        elif view.checkpoint is not None:
            del self._letters[name]

    def _fail(self, letter: _Letter, now_ms: int) -> None:
        self.failed_total += 1
        letter.identity = None
        letter.not_before_ms = now_ms + min(PAUSE_MS << min(letter.failures, 16), PAUSE_MAX_MS)
        letter.failures += 1
