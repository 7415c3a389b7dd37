"""The event log: what became final, in order, with ids that never skip.

Events are read off the certified history: for each final checkpoint one event of its own, one for each
generation that it closed, one for each thing that happened to stakes, and one for each of its transactions.
Ids count from 1, so the same event has the same id on every node and after every restart, and a wallet can
resume anywhere. The store keeps one row for each checkpoint; the events themselves are expanded from history
when somebody reads them.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
import msgspec

from shards.checkpoints import Checkpoint, ModelState
from tangle.core.address import encode_address
from tangle.core.types import PublicKey
from tangle.ledger.staking.events import Elected, Rewarded, Slashed, StakingRecord
from tangle.node.archive import Archive, OrderedRow
from tangle.node.views import Event, SlowConsumer
from tangle.store.store import WriteBatch

PAGE: Final = 256
"""Events handed to a subscriber between two waits."""

LAG_MAX: Final = 20_000
"""Events by which a reader that was level may fall behind before it is told so: twenty seconds of a busy
network. Who reads old events first may lag as it likes until it is level."""

EXPANDED_MAX: Final = 64
"""Checkpoints whose expanded events are kept for the next subscriber: some seconds of a busy network."""

TRANSACTION: Final = "transaction"
CHECKPOINT: Final = "checkpoint"
MODEL: Final = "model"
STAKE: Final = "stake"


class EventLog:
    """Appends rows as checkpoints become final, and expands them for readers."""

    def __init__(self, archive: Archive, prefix: str) -> None:
        """:param prefix: human-readable part of addresses."""
        self._archive = archive
        self._prefix = prefix
        self._expanded: OrderedDict[int, tuple[Event, ...]] = OrderedDict()
        self._changed = anyio.Event()
        last = archive.get_last_event_row()
        self.last_id = 0 if last is None else last.first_id + last.count - 1

    def put(self, batch: WriteBatch, checkpoint: Checkpoint, previous: Checkpoint) -> None:
        """Add the row of a checkpoint that became final; ``on_durable`` follows when the batch is on disk."""
        count = 1 + len(_get_closed(checkpoint, previous)) + checkpoint.ordered_total - previous.ordered_total
        count += len(self._archive.staking.list_events(checkpoint.index))
        self._archive.put_event_row(batch, self.last_id + 1, checkpoint.index, count)
        self.last_id += count

    def on_durable(self) -> None:
        """Rows were written: wake the readers."""
        self._changed.set()
        self._changed = anyio.Event()

    def get_events(self, after: int, limit: int) -> tuple[Event, ...]:
        """Events with id > ``after``, at most ``limit``, as far as they are on disk."""
        events: list[Event] = []
        for row in self._archive.get_event_rows(after + 1, limit):
            events.extend(event for event in self._expand(row.first_id, row.checkpoint) if event.id > after)
            if len(events) >= limit:
                break
        return tuple(events[:limit])

    @asynccontextmanager
    async def subscribe(self, after: int | None) -> AsyncIterator[AsyncIterator[Event]]:
        """Events after id ``after`` (from now on for none), waiting for more at the end.

        The reader is ended with ``SlowConsumer`` when it was level and then fell behind too far.
        """
        yield self._read_forever(self.last_id if after is None else after)

    async def _read_forever(self, after: int) -> AsyncIterator[Event]:
        is_level = False
        while True:
            changed = self._changed
            if is_level and self.last_id - after > LAG_MAX:
                raise SlowConsumer(after)
            events = self.get_events(after, PAGE)
            for event in events:
                after = event.id
                yield event
            if not events:
                is_level = True
                await changed.wait()

    def _expand(self, first_id: int, index: int) -> tuple[Event, ...]:
        known = self._expanded.get(index)
        if known is not None:
            return known
        checkpoint = self._archive.get_checkpoint(index)
        previous = self._archive.get_checkpoint(index - 1)
        assert checkpoint is not None, "a row is written after its checkpoint"
        assert previous is not None, "checkpoints have no gaps"
        rows = self._archive.get_ordered_range(previous.ordered_total, checkpoint.ordered_total)
        bodies = [
            self._describe_checkpoint(checkpoint, previous),
            *self._describe_models(checkpoint, previous),
            *map(self._describe_stake, self._archive.staking.list_events(index)),
            *(self._describe_transaction(row) for row in rows),
        ]
        events = tuple(
            Event(first_id + place, topic, checkpoint.shard, checkpoint.timestamp_ms, accounts, body)
            for place, (topic, accounts, body) in enumerate(bodies)
        )
        self._expanded[index] = events
        if len(self._expanded) > EXPANDED_MAX:
            self._expanded.popitem(last=False)
        return events

    def _describe_checkpoint(
        self, checkpoint: Checkpoint, previous: Checkpoint
    ) -> tuple[str, tuple[PublicKey, ...], bytes]:
        body = {
            "index": str(checkpoint.index),
            "ordered": checkpoint.ordered_total - previous.ordered_total,
            "ordered_total": str(checkpoint.ordered_total),
            "timestamp_ms": str(checkpoint.timestamp_ms),
            "price": str(checkpoint.price),
        }
        return CHECKPOINT, (), msgspec.json.encode(body)

    def _describe_models(
        self, checkpoint: Checkpoint, previous: Checkpoint
    ) -> list[tuple[str, tuple[PublicKey, ...], bytes]]:
        described: list[tuple[str, tuple[PublicKey, ...], bytes]] = []
        for model in _get_closed(checkpoint, previous):
            body = {
                "job": model.job.hex(),
                "generation": str(model.generation),
                "score": model.score,
                "weights_digest": model.weights_digest.hex(),
                "checkpoint": str(checkpoint.index),
            }
            described.append((MODEL, (), msgspec.json.encode(body)))
        return described

    def _describe_stake(self, record: StakingRecord) -> tuple[str, tuple[PublicKey, ...], bytes]:
        event = record.event
        match event:
            case Slashed():
                body: dict[str, object] = {
                    "what": "slashed",
                    "validator": event.validator.hex(),
                    "owner": encode_address(self._prefix, event.owner),
                    "burned": str(event.burned),
                    "cause": event.cause.name.lower(),
                }
                return STAKE, (event.owner,), msgspec.json.encode(body)
            case Rewarded():
                body = {
                    "what": "rewarded",
                    "validator": event.validator.hex(),
                    "owner": encode_address(self._prefix, event.owner),
                    "amount": str(event.amount),
                    "blocks": str(event.blocks),
                }
                return STAKE, (event.owner,), msgspec.json.encode(body)
            case Elected():
                members = [
                    {"public_key": member.public_key.hex(), "weight": member.weight}
                    for member in event.members
                ]
                body = {"what": "elected", "epoch": str(event.epoch), "members": members}
                return STAKE, (), msgspec.json.encode(body)

    def _describe_transaction(self, row: OrderedRow) -> tuple[str, tuple[PublicKey, ...], bytes]:
        effect = row.effect
        accounts = tuple(change.account for change in effect.changes)
        body = {
            "id": effect.transaction.hex(),
            "status": effect.status.name.lower(),
            "fee": str(effect.fee),
            "work_counted": bool(effect.work_counted),
            "ordered_index": str(row.index),
            "checkpoint": str(row.checkpoint),
            "accounts": [encode_address(self._prefix, account) for account in accounts],
        }
        return TRANSACTION, accounts, msgspec.json.encode(body)


def _get_closed(checkpoint: Checkpoint, previous: Checkpoint) -> list[ModelState]:
    before = {model.job: model.generation for model in previous.models}
    return [model for model in checkpoint.models if model.generation != before.get(model.job)]
