"""The load tool: transactions at a fixed arrival rate, whatever the node answers, and how long each took.

Requests go out at the times of the schedule, each in a task of its own, and none waits for the answers
before. Every latency counts from the time at which the transaction was due. What a full node refuses for now
is sent again when the node says so, because later transactions of the same wallet build on it; the time that
this takes is the transaction's own.

Finality is read off the event stream: it tells when this client learns of each certified checkpoint. Which
checkpoint a transaction is in is asked for afterwards, for a sample, so that asking is no load.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import anyio
import cbor2
import msgspec
from msgspec import Struct

from tangle.api.schemas.common import Problem
from tangle.cli.bench.load_source import TransactionSource
from tangle.cli.bench.schedule import Batch, Schedule
from tangle.cli.bench.statistics import Latencies, summarize
from tangle.client.client import TangleClient
from tangle.core.encoding import encode
from tangle.core.errors import TangleError
from tangle.core.transactions import Transaction
from tangle.node.ingest import TRANSIENT

IN_FLIGHT_MAX: Final = 128
"""Requests without an answer at a time: half of what a node allows one address. Beyond, sending waits."""

SAMPLES_MAX: Final = 2_000
"""Transactions that are looked up afterwards for their finality."""

AHEAD_S: Final = 1.0
"""Without signing beforehand: so long before they are due transactions are signed."""

REFRESH_S: Final = 1.0
"""How often facts of the ledger are read anew while signing."""

RETRY_S: Final = 0.5
"""Pause before sending again, where the node does not say how long."""

RETRIED_CODES: Final = frozenset(error.code for error in TRANSIENT)
"""Refusals that say nothing about the transaction."""


class LoadReport(Struct, frozen=True):
    """What a run of the load tool saw."""

    rate: float
    """Transactions a second that were due."""

    sent: int
    """Transactions sent."""

    accepted: int
    """Taken in by a node."""

    final: int
    """Of them, ordered in checkpoints that were certified before the run ended, by the event stream; what
    others sent meanwhile is counted too."""

    accepted_per_s: float
    """Taken in, by the time until the last answer."""

    final_per_s: float
    """Final, by the time until the last of them was."""

    refused: dict[str, int]
    """Answers that were no, by code; one transaction may get several of them."""

    unanswered: int
    """Transactions without any answer at the end, or refused for good."""

    attach: Latencies
    """From when a transaction was due to the answer that it is attached and on disk."""

    finality: Latencies
    """From when a transaction was due to its certified checkpoint, of a sample."""

    not_final: int
    """Of the sample, those that were not final at the end."""

    sent_late: Latencies
    """By how much requests left later than they should have: this client's own lateness."""


class LoadRun:
    """One run; use it once."""

    def __init__(
        self, urls: Sequence[str], source: TransactionSource, schedule: Schedule, grace_s: float
    ) -> None:
        """:param urls: nodes; every wallet keeps to one of them.
        :param source: opened.
        :param grace_s: how long after the last transaction was due answers and finality are waited for.
        """
        self._urls = [url.rstrip("/") for url in urls]
        self._source = source
        self._schedule = schedule
        self._grace_s = grace_s
        self._begun_s = 0.0
        self._ids: dict[int, bytes] = {}
        self._attached_s: dict[int, float] = {}
        self._late_s: list[float] = []
        self._refused: Counter[str] = Counter()
        self._certified_s: dict[tuple[int, int], float] = {}
        self._ordered = 0
        self._last_final_s = 0.0
        self._is_followed = False

    async def run(self, client: TangleClient, *, is_signed_before: bool) -> LoadReport:
        """Send everything and wait for what comes of it.

        :param client: of one of the nodes: its events tell of finality.
        :param is_signed_before: sign everything before the first is sent; else while sending.
        """
        schedule = self._schedule
        waiting = list(schedule.iterate_batches())
        ready = self._source.make(schedule.count) if is_signed_before else []
        end_s = schedule.get_due_s(schedule.count)
        headers = {"content-type": "application/cbor", "accept": "application/cbor"}
        connector = aiohttp.TCPConnector(limit=0)  # bounded by the places below
        async with (
            aiohttp.ClientSession(headers=headers, connector=connector) as session,
            anyio.create_task_group() as tasks,
        ):
            await tasks.start(self._follow, client)
            head_start_s = 0.0 if is_signed_before else AHEAD_S
            self._begun_s = anyio.current_time() + head_start_s
            with anyio.move_on_after(head_start_s + end_s + self._grace_s):
                await self._send_all(session, waiting, ready)
                while self._ordered < len(self._attached_s):  # noqa: ASYNC110  # told by two tasks
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        return await self._report(client)

    async def _send_all(
        self, session: aiohttp.ClientSession, batches: Sequence[Batch], ready: list[Transaction]
    ) -> None:
        places = anyio.Semaphore(IN_FLIGHT_MAX)
        refreshed_s = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for batch in batches:
                if len(ready) < batch.first + batch.count:
                    await anyio.sleep_until(self._begun_s + batch.due_s - AHEAD_S)
                    if anyio.current_time() - refreshed_s > REFRESH_S:
                        refreshed_s = anyio.current_time()
                        await self._source.refresh()
                    ready += self._source.make(batch.count)
                await anyio.sleep_until(self._begun_s + batch.due_s)
                await places.acquire()
                self._late_s.append(max(0.0, anyio.current_time() - self._begun_s - batch.due_s))
                numbers = range(batch.first, batch.first + batch.count)
                items = {number: ready[number] for number in numbers}
                tasks.start_soon(self._send_batch, session, items, places)

    async def _send_batch(
        self, session: aiohttp.ClientSession, items: Mapping[int, Transaction], places: anyio.Semaphore
    ) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                for place, url in enumerate(self._urls):
                    # By wallet and not by number: transactions of one wallet build on each other.
                    own = {
                        number: item
                        for number, item in items.items()
                        if item.body.issuer[0] % len(self._urls) == place
                    }
                    if own:
                        tasks.start_soon(self._send_until_taken, session, url, own)
        finally:
            places.release()

    async def _send_until_taken(
        self, session: aiohttp.ClientSession, url: str, items: dict[int, Transaction]
    ) -> None:
        while items:
            body = encode([item.encoded for item in items.values()])
            try:
                async with session.post(f"{url}/v1/transactions/batch", data=body) as answer:
                    content, status = await answer.read(), answer.status
                    pause_s = float(answer.headers.get("Retry-After", RETRY_S))
            except (aiohttp.ClientError, OSError) as error:
                self._refused[type(error).__name__] += len(items)
                await anyio.sleep(RETRY_S)
                continue
            if status != 200:
                self._refused[_read_code(content, status)] += len(items)
                if status not in (429, 503):
                    return
            else:
                items = self._take_answers(items, content)
            if items:
                await anyio.sleep(pause_s)

    def _take_answers(self, items: dict[int, Transaction], content: bytes) -> dict[int, Transaction]:
        """Note each answer; those that may come again are answered."""
        now_s, again = anyio.current_time() - self._begun_s, {}
        for (number, item), (identity, _, code) in zip(items.items(), cbor2.loads(content), strict=True):
            if not code:
                self._attached_s[number] = now_s
                self._ids[number] = identity
                continue
            self._refused[code] += 1
            if code in RETRIED_CODES:
                again[number] = item
        return again

    async def _follow(
        self, client: TangleClient, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Note when each checkpoint turns out certified. The first tells that the stream is open: an idle
        network makes one every second.
        """
        async for event in client.events(topics=["checkpoint"]):
            if not self._is_followed:
                self._is_followed = True
                task_status.started()
                continue
            now_s = anyio.current_time() - self._begun_s
            self._certified_s[event.shard, int(event.body["index"])] = now_s
            self._ordered += int(event.body["ordered"])
            if event.body["ordered"]:
                self._last_final_s = now_s

    async def _report(self, client: TangleClient) -> LoadReport:
        due = self._schedule.get_due_s
        finality_ms, missing = [], 0
        step = max(1, len(self._ids) // SAMPLES_MAX)
        for number in sorted(self._ids)[::step]:
            final_s = await self._find_final_s(client, self._ids[number])
            if final_s is None:
                missing += 1
            else:
                finality_ms.append((final_s - due(number)) * 1_000)
        accepted = len(self._attached_s)
        final = min(self._ordered, accepted)
        return LoadReport(
            rate=self._schedule.rate,
            sent=self._schedule.count,
            accepted=accepted,
            final=final,
            accepted_per_s=accepted / max(self._attached_s.values(), default=1.0),
            final_per_s=final / self._last_final_s if self._last_final_s > 0 else 0.0,
            refused=dict(self._refused),
            unanswered=self._schedule.count - accepted,
            attach=summarize([(at_s - due(number)) * 1_000 for number, at_s in self._attached_s.items()]),
            finality=summarize(finality_ms),
            not_final=missing,
            sent_late=summarize([late_s * 1_000 for late_s in self._late_s]),
        )

    async def _find_final_s(self, client: TangleClient, identity: bytes) -> float | None:
        try:
            answer = await client.get_transaction(identity)
        except TangleError:
            return None
        if answer.checkpoint is None:
            return None
        return self._certified_s.get((answer.shard, int(answer.checkpoint)))


def _read_code(content: bytes, status: int) -> str:
    try:
        return msgspec.json.decode(content, type=Problem).code
    except msgspec.MsgspecError:
        return f"status-{status}"
