"""The reading half of the client: one method for each reading route."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Annotated, Any, Final, Self, TypeVar

import anyio
from msgspec import Meta, Struct

from shards.certificates import CERTIFICATE_SIZE_MAX, Certificate
from shards.checkpoints import CHECKPOINT_SIZE_MAX, Checkpoint
from shards.epochs import EPOCH_ENDS_MAX, EpochEnd, decode_epoch_chain
from tangle.api.schemas.common import Envelope
from tangle.api.schemas.epochs import EpochAnswer
from tangle.api.schemas.ledger import (
    AccountAnswer,
    CheckpointAnswer,
    CreditAnswer,
    EarningAnswer,
    ShardAnswer,
)
from tangle.api.schemas.models import LineageItemAnswer, ModelAnswer, ModelDetailAnswer
from tangle.api.schemas.network import (
    CommitteeAnswer,
    EventAnswer,
    HealthAnswer,
    PeerAnswer,
    StatusAnswer,
)
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.api.wire import encode_json
from tangle.client.errors import UnexpectedAnswer
from tangle.client.event_stream import EventStream
from tangle.client.transport import ClientConfig, Transport
from tangle.core.encoding import decode
from tangle.core.errors import TangleError
from tangle.core.types import PublicKey
from tangle.node.views import TransactionStatus

Data = TypeVar("Data")


EPOCHS_PER_PAGE: Final = 64
"""Ends of epochs that are asked for at a time: as many as a node gives."""


class CertifiedCheckpoint(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A checkpoint in the API's binary form."""

    checkpoint: Checkpoint
    """The checkpoint."""

    certificates: Annotated[tuple[Certificate, ...], Meta(max_length=1)]
    """Its certificate; empty while signatures are collected."""


def as_text(account: PublicKey | str) -> str:
    """An account as requests name it: an address stays, a key becomes hex."""
    return account if isinstance(account, str) else account.hex()


class NodeReader:
    """Reads from one node; ``TangleClient`` adds sending and verifying."""

    def __init__(
        self,
        base_url: str,
        config: ClientConfig | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Connect at the first request.

        :param sleep: how to pause between tries.
        """
        config = config or ClientConfig()
        self._transport = Transport(base_url, config, sleep)
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    @property
    def base_url(self) -> str:
        """Where the node is."""
        return self._transport.base_url

    async def get_transaction(
        self, identity: bytes, *, wait: TransactionStatus | str | None = None, timeout_s: float = 10.0
    ) -> TransactionAnswer:
        """A transaction; with ``wait`` once it has come so far, failed, or the time is up."""
        query = {} if wait is None else {"wait": str(wait), "timeout_s": f"{timeout_s:.3f}"}
        wait_s = 0.0 if wait is None else timeout_s
        path = f"/v1/transactions/{identity.hex()}"
        return (await self._transport.get(TransactionAnswer, path, query, wait_s)).data

    async def get_transaction_bytes(self, identity: bytes) -> bytes:
        """A transaction as it was signed."""
        return await self._get_bytes(f"/v1/transactions/{identity.hex()}", "application/cbor")

    async def get_proof(self, identity: bytes) -> bytes:
        """The proof of a final transaction, for ``verify_transaction_proof``."""
        return await self._get_bytes(f"/v1/transactions/{identity.hex()}/proof", "application/cbor")

    async def get_neighbours(self, identity: bytes, depth: int = 1) -> tuple[TransactionAnswer, ...]:
        """Parents and known children."""
        path = f"/v1/transactions/{identity.hex()}/neighbours"
        return await self._get(tuple[TransactionAnswer, ...], path, depth=depth)

    async def get_recent(self, limit: int = 100) -> tuple[TransactionAnswer, ...]:
        """The transactions attached last, oldest first."""
        return await self._get(tuple[TransactionAnswer, ...], "/v1/transactions", limit=limit)

    async def get_account(
        self, account: PublicKey | str, *, min_checkpoint: int | None = None, timeout_s: float = 10.0
    ) -> AccountAnswer:
        """Balance, sequence and stake, read at ``min_checkpoint`` or later."""
        path = f"/v1/accounts/{as_text(account)}"
        query = {}
        if min_checkpoint is not None:
            query = {"min_checkpoint": str(min_checkpoint), "timeout_s": f"{timeout_s:.3f}"}
        return (await self._transport.get(AccountAnswer, path, query, timeout_s if query else 0.0)).data

    async def get_account_page(
        self, account: PublicKey | str, *, cursor: str | None = None, limit: int = 50
    ) -> Envelope[tuple[TransactionAnswer, ...]]:
        """One page of an account's history, newest first; ``meta.next_cursor`` leads on."""
        path = f"/v1/accounts/{as_text(account)}/transactions"
        return await self._get_page(tuple[TransactionAnswer, ...], path, cursor=cursor, limit=limit)

    async def get_account_transactions(
        self, account: PublicKey | str, *, page_size: int = 50
    ) -> AsyncGenerator[TransactionAnswer, None]:
        """An account's whole history, newest first, page by page."""
        cursor = None
        while True:
            page = await self.get_account_page(account, cursor=cursor, limit=page_size)
            for item in page.data:
                yield item
            cursor = page.meta.next_cursor
            if cursor is None:
                return

    async def get_receipt_proof(self, identity: bytes) -> bytes:
        """The encoded bundle that proves what a final transfer to another shard left for it."""
        return await self._get_bytes(f"/v1/transactions/{identity.hex()}/receipt", "application/cbor")

    async def get_credits_page(
        self, account: PublicKey | str, *, cursor: str | None = None, limit: int = 50
    ) -> Envelope[tuple[CreditAnswer, ...]]:
        """One page of what came to an account from other shards, newest first."""
        path = f"/v1/accounts/{as_text(account)}/credits"
        return await self._get_page(tuple[CreditAnswer, ...], path, cursor=cursor, limit=limit)

    async def get_earnings_page(
        self, account: PublicKey | str, *, cursor: str | None = None, limit: int = 50
    ) -> Envelope[tuple[EarningAnswer, ...]]:
        """One page of an account's fees and pay for work, newest first; ``meta.next_cursor`` leads on."""
        path = f"/v1/accounts/{as_text(account)}/earnings"
        return await self._get_page(tuple[EarningAnswer, ...], path, cursor=cursor, limit=limit)

    async def get_account_earnings(
        self, account: PublicKey | str, *, page_size: int = 50
    ) -> AsyncGenerator[EarningAnswer, None]:
        """All fees and pay for work of an account, newest first, page by page."""
        cursor = None
        while True:
            page = await self.get_earnings_page(account, cursor=cursor, limit=page_size)
            for item in page.data:
                yield item
            cursor = page.meta.next_cursor
            if cursor is None:
                return

    async def get_checkpoint(self, shard: int = 0, index: int | None = None) -> CheckpointAnswer:
        """A checkpoint; the latest certified one for none."""
        place = "latest" if index is None else str(index)
        return await self._get(CheckpointAnswer, f"/v1/checkpoints/{shard}/{place}")

    async def get_certified_checkpoint(
        self, shard: int = 0, index: int | None = None
    ) -> tuple[Checkpoint, Certificate | None]:
        """A checkpoint and its certificate as they were signed. Neither is checked here.

        :raises UnexpectedAnswer: what came is no checkpoint.
        """
        place = "latest" if index is None else str(index)
        data = await self._get_bytes(f"/v1/checkpoints/{shard}/{place}", "application/cbor")
        try:
            answer = decode(CertifiedCheckpoint, data, limit=CHECKPOINT_SIZE_MAX + CERTIFICATE_SIZE_MAX)
        except TangleError as error:
            raise UnexpectedAnswer(self.base_url, str(error)) from None
        return answer.checkpoint, answer.certificates[0] if answer.certificates else None

    async def get_epochs(self, *, first: int = 0, limit: int = 20, shard: int = 0) -> tuple[EpochAnswer, ...]:
        """Committees by epoch, from ``first`` on."""
        return await self._get(tuple[EpochAnswer, ...], "/v1/epochs", first=first, limit=limit, shard=shard)

    async def get_epoch_ends(self) -> tuple[EpochEnd, ...]:
        """Last checkpoints of all epochs that ended, with their certificates. None of them is checked here:
        see ``follow_epochs``.

        :raises UnexpectedAnswer: what came are no ends of epochs.
        """
        ends: list[EpochEnd] = []
        first = 0
        while len(ends) < EPOCH_ENDS_MAX:
            data = await self._get_bytes("/v1/epochs", "application/cbor", first=first, limit=EPOCHS_PER_PAGE)
            try:
                page = decode_epoch_chain(data)
            except TangleError as error:
                raise UnexpectedAnswer(self.base_url, str(error)) from None
            if not page or page[-1].checkpoint.epoch <= first:
                break
            ends.extend(page)
            first = page[-1].checkpoint.epoch
        return tuple(ends)

    async def get_contents(
        self, index: int, *, shard: int = 0, limit: int = 50
    ) -> tuple[TransactionAnswer, ...]:
        """The first transactions that a checkpoint ordered, in their order."""
        path = f"/v1/checkpoints/{shard}/{index}/transactions"
        return await self._get(tuple[TransactionAnswer, ...], path, limit=limit)

    async def get_shards(self) -> tuple[ShardAnswer, ...]:
        """All shards."""
        return await self._get(tuple[ShardAnswer, ...], "/v1/shards")

    async def get_models(self) -> tuple[ModelAnswer, ...]:
        """Standing jobs."""
        return await self._get(tuple[ModelAnswer, ...], "/v1/models")

    async def get_model(self, job: bytes, *, first: int = 0, limit: int = 1_000) -> ModelDetailAnswer:
        """A standing job with its learning curve from generation ``first`` on."""
        return await self._get(ModelDetailAnswer, f"/v1/models/{job.hex()}", first=first, limit=limit)

    async def get_weights(self, job: bytes, generation: int | None = None, *, shard: int = 0) -> bytes:
        """Master weights: int32, little-endian, layer by layer, row-major."""
        query = ({} if generation is None else {"generation": generation}) | (
            {"shard": shard} if shard else {}
        )
        return await self._get_bytes(f"/v1/models/{job.hex()}/weights", "application/octet-stream", **query)

    async def get_parameters(self, job: bytes) -> bytes:
        """Encoded parameters of a standing job; the job's id is their hash."""
        return await self._get_bytes(f"/v1/models/{job.hex()}/parameters", "application/octet-stream")

    async def get_training_data(self, job: bytes) -> bytes:
        """Training data of a paid job; the parameters bind their roots.

        :raises ApiProblem: ``not-found`` for a job of the genesis.
        """
        return await self._get_bytes(f"/v1/models/{job.hex()}/data", "application/octet-stream")

    async def get_lineage(
        self, job: bytes, *, page_size: int = 500
    ) -> AsyncGenerator[LineageItemAnswer, None]:
        """All counted evaluations of a job, in order, page by page."""
        cursor = None
        path = f"/v1/models/{job.hex()}/lineage"
        while True:
            page = await self._get_page(tuple[LineageItemAnswer, ...], path, cursor=cursor, limit=page_size)
            for item in page.data:
                yield item
            cursor = page.meta.next_cursor
            if cursor is None:
                return

    async def get_committee(self, shard: int = 0) -> CommitteeAnswer:
        """Rounds and votes."""
        return await self._get(CommitteeAnswer, "/v1/committee", shard=shard)

    async def get_peers(self) -> tuple[PeerAnswer, ...]:
        """Connected peers."""
        return await self._get(tuple[PeerAnswer, ...], "/v1/peers")

    async def get_status(self) -> StatusAnswer:
        """One screen about the node."""
        return await self._get(StatusAnswer, "/v1/status")

    async def get_readiness(self) -> HealthAnswer:
        """The node's readiness conditions.

        :raises ApiProblem: with the code ``not-ready`` and the missing ones under ``errors``.
        """
        return await self._get(HealthAnswer, "/readyz", verbose="true")

    async def get_events(self, after: int = 0, limit: int = 100) -> tuple[EventAnswer, ...]:
        """One page of the event log."""
        return await self._get(tuple[EventAnswer, ...], "/v1/events/log", after=after, limit=limit)

    async def get_openapi(self) -> bytes:
        """The node's OpenAPI document in JSON."""
        return await self._get_bytes("/v1/openapi.json", "application/json")

    def events(
        self,
        after: int | None = None,
        *,
        topics: Iterable[str] = (),
        accounts: Iterable[PublicKey | str] = (),
        transactions: Iterable[bytes] = (),
        shard: int | None = None,
        window: int | None = None,
    ) -> AsyncGenerator[EventAnswer, None]:
        """Events for ever, without a gap or a repetition, across lost connections and restarts of the node.

        :param after: begin after this event; from now on for none.
        :param window: most events under way; one counts as dealt with when the next is asked for, and that is
            acknowledged. As many as fit into the buffers for none.
        :raises NodeUnreachable: the node stays away.
        :raises EventsLost: it came back with another log.
        """
        query = {
            "topics": ",".join(topics),
            "accounts": ",".join(map(as_text, accounts)),
            "transactions": ",".join(identity.hex() for identity in transactions),
        }
        if shard is not None:
            query["shard"] = str(shard)
        if window is not None:
            query["window"] = str(window)
        kept = {name: text for name, text in query.items() if text}
        return EventStream(self._transport, kept, after, self._sleep).follow()

    async def _get(self, kind: type[Data], path: str, **query: int | str) -> Data:
        texts = {name: str(value) for name, value in query.items()}
        return (await self._transport.get(kind, path, texts)).data

    async def _get_page(
        self, kind: type[Data], path: str, *, cursor: str | None, limit: int
    ) -> Envelope[Data]:
        query = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
        return await self._transport.get(kind, path, query)

    async def _get_bytes(self, path: str, media_type: str, **query: int) -> bytes:
        texts = {name: str(value) for name, value in query.items()}
        return (await self._transport.request("GET", path, query=texts, accept=media_type)).content

    async def _get_health(self, path: str) -> HealthAnswer:
        return await self._get(HealthAnswer, path)

    async def _post_json(
        self, kind: type[Data], path: str, body: dict[str, Any], *, is_repeatable: bool = True
    ) -> Envelope[Data]:
        return await self._transport.post(
            kind, path, encode_json(body), "application/json", is_repeatable=is_repeatable
        )
