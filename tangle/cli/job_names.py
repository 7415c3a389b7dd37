"""Jobs as people name them, and as they are shown."""

from tangle.api.schemas.jobs import (
    JobAnswer,
    ProblemTaskAnswer,
    ProgramTaskAnswer,
    TrainingTaskAnswer,
)
from tangle.cli.amounts import format_amount
from tangle.cli.errors import JobUnclear
from tangle.cli.texts import format_time
from tangle.client.client import TangleClient
from tangle.core.types import Digest

RECENT_MAX = 200
"""Latest jobs among which the beginning of an id is looked for."""

ID_LENGTH = 64
"""Digits of a whole id."""


async def find_job(client: TangleClient, text: str) -> JobAnswer:
    """The job that a person means, by its id or the beginning of it.

    :raises ApiProblem: ``not-found``: there is no job of that id.
    :raises JobUnclear: no job or several begin like this.
    """
    wanted = text.lower()
    if len(wanted) == ID_LENGTH:
        try:
            return await client.get_job(bytes.fromhex(wanted))
        except ValueError:
            raise JobUnclear(text, 0) from None
    page = await client.get_jobs_page(limit=RECENT_MAX)
    found = [job for job in page.data if job.id.hex().startswith(wanted)]
    if len(found) != 1 or not wanted:
        raise JobUnclear(text, len(found))
    return found[0]


def get_id(job: JobAnswer) -> Digest:
    """Its whole id."""
    return Digest(bytes(job.id))


def describe_job(job: JobAnswer) -> dict[str, object]:
    """A job as names and values."""
    fields: dict[str, object] = {
        "job": job.id.hex(),
        "kind": job.kind.value,
        "phase": job.phase.value,
        "customer": job.customer,
        "task": _describe_task(job),
        "price": f"{format_amount(job.price)}: {job.units} units at {job.unit_price} grains",
        "escrow": format_amount(job.escrow),
        "deadline": format_time(job.deadline_ms),
    }
    if job.worker is not None:
        fields["worker"] = job.worker
    if job.failed_workers:
        fields["failed before"] = "\n".join(job.failed_workers)
    if job.due_ms is not None:
        fields["result due"] = format_time(job.due_ms)
    if job.claim is not None:
        fields["result"] = "\n".join(f"output {source.tensor.hex()}" for source in job.claim.outputs)
        fields["challenge until"] = format_time(job.claim.end_ms)
        approved, rejected = len(job.claim.approved_by), len(job.claim.rejected_by)
        fields["validators"] = f"{approved} found it right, {rejected} rejected it"
    if job.challenger is not None:
        fields["challenger"] = job.challenger
    if job.sealed_answers:
        fields["sealed answers"] = job.sealed_answers
    if job.best is not None:
        fields["best answer"] = f"{job.best.value} by {job.best.worker}"
    if job.closed_generations:
        fields["generations"] = f"{job.closed_generations} paid"
    if job.refunded is not None:
        fields["refunded"] = format_amount(job.refunded)
    return fields


def _describe_task(job: JobAnswer) -> str:
    match job.task:
        case ProgramTaskAnswer(program=program, rows=rows, level=level):
            return f"{rows} rows through program {program.hex()}, verified at V{level}"
        case ProblemTaskAnswer(problem_kind=kind, parts=parts):
            return f"{kind} with {parts} parts"
        case TrainingTaskAnswer(standing_job=standing, generations=generations):
            return f"{generations} generations of model {standing.hex()}"
