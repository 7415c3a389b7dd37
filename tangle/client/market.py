"""The market through a node: prices, programs, workers and jobs."""

from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

import anyio

from tangle.api.schemas.common import Envelope
from tangle.api.schemas.jobs import ExplanationAnswer, JobAnswer, JobEventAnswer
from tangle.api.schemas.market import (
    JobKind,
    MarketAnswer,
    ProgramAnswer,
    QuoteAnswer,
    WorkerAnswer,
)
from tangle.api.wire import encode_json
from tangle.client.errors import JobNotReached
from tangle.client.reading import as_text
from tangle.client.transport import Transport
from tangle.core.types import PublicKey
from tangle.node.market_views import JobPhase

POLL_S: Final = 0.3
"""Pause between looks at a job: less than a checkpoint takes to be noticed."""


class MarketMethods:
    """The routes about the market; a part of ``TangleClient``."""

    _transport: Transport

    async def get_market(self) -> MarketAnswer:
        """Prices, totals and rules."""
        return (await self._transport.get(MarketAnswer, "/v1/market", {})).data

    async def list_programs(self, *, page_size: int = 100) -> AsyncGenerator[ProgramAnswer, None]:
        """All registered programs, page by page."""
        query = {"limit": str(page_size)}
        while True:
            page = await self._transport.get(tuple[ProgramAnswer, ...], "/v1/programs", query)
            for item in page.data:
                yield item
            if page.meta.next_cursor is None:
                return
            query["cursor"] = page.meta.next_cursor

    async def get_program(self, program: bytes) -> ProgramAnswer:
        """One registered program.

        :raises ApiProblem: ``not-found``.
        """
        return (await self._transport.get(ProgramAnswer, f"/v1/programs/{program.hex()}", {})).data

    async def get_program_events(self, program: bytes) -> tuple[JobEventAnswer, ...]:
        """What happened to a program, oldest first.

        :raises ApiProblem: ``not-found``.
        """
        path = f"/v1/programs/{program.hex()}/events"
        return (await self._transport.get(tuple[JobEventAnswer, ...], path, {})).data

    async def get_workers(self) -> tuple[WorkerAnswer, ...]:
        """Announced workers."""
        return (await self._transport.get(tuple[WorkerAnswer, ...], "/v1/workers", {})).data

    async def get_quote(
        self,
        kind: JobKind,
        *,
        program: bytes | None = None,
        rows: int = 1,
        level: int = 3,
        problem: bytes | None = None,
        parameters: bytes | None = None,
        generations: int = 1,
    ) -> QuoteAnswer:
        """What a job would cost now.

        :raises ApiProblem: nobody could order it; the market's code says why.
        """
        fields = {"program": program, "problem": problem, "parameters": parameters}
        body: dict[str, Any] = {name: value.hex() for name, value in fields.items() if value is not None}
        body |= {"kind": kind.value, "rows": rows, "level": level, "generations": generations}
        answer = await self._transport.post(QuoteAnswer, "/v1/quote", encode_json(body), "application/json")
        return answer.data

    async def get_jobs_page(
        self,
        *,
        customer: PublicKey | str | None = None,
        worker: PublicKey | str | None = None,
        phase: JobPhase | None = None,
        kind: JobKind | None = None,
        is_live: bool | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Envelope[tuple[JobAnswer, ...]]:
        """One page of jobs, newest first; ``meta.next_cursor`` leads on, also from a page that is empty."""
        wanted = {
            "customer": None if customer is None else as_text(customer),
            "worker": None if worker is None else as_text(worker),
            "phase": phase,
            "kind": kind,
            "live": None if is_live is None else str(is_live).lower(),
            "cursor": cursor,
        }
        query = {name: str(value) for name, value in wanted.items() if value is not None}
        return await self._transport.get(tuple[JobAnswer, ...], "/v1/jobs", query | {"limit": str(limit)})

    async def get_job(self, job: bytes) -> JobAnswer:
        """One job, live or ended.

        :raises ApiProblem: ``not-found``.
        """
        return (await self._transport.get(JobAnswer, f"/v1/jobs/{job.hex()}", {})).data

    async def get_job_events(
        self, job: bytes, *, page_size: int = 100
    ) -> AsyncGenerator[JobEventAnswer, None]:
        """All that happened to a job, oldest first, page by page."""
        query = {"limit": str(page_size)}
        while True:
            path = f"/v1/jobs/{job.hex()}/events"
            page = await self._transport.get(tuple[JobEventAnswer, ...], path, query)
            for item in page.data:
                yield item
            if page.meta.next_cursor is None:
                return
            query["cursor"] = page.meta.next_cursor

    async def explain_job(self, job: bytes) -> ExplanationAnswer:
        """What happened to a job and why."""
        return (await self._transport.get(ExplanationAnswer, f"/v1/jobs/{job.hex()}/explain", {})).data

    async def wait_job(
        self,
        job: bytes,
        is_reached: Callable[[JobAnswer], bool],
        timeout_s: float,
        show: Callable[[JobAnswer], None] = lambda _: None,
    ) -> JobAnswer:
        """Look at a job until it is as wanted, or has ended.

        :param show: told of every look.
        :raises JobNotReached: neither in time; it may still come.
        """
        deadline_s = anyio.current_time() + timeout_s
        while True:
            answer = await self.get_job(job)
            show(answer)
            if is_reached(answer) or not answer.is_live:
                return answer
            if anyio.current_time() >= deadline_s:
                raise JobNotReached(job, answer.phase, timeout_s)
            await anyio.sleep(POLL_S)
