"""``tangle job``: paid work on the ledger's market."""

from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from poi.market.operations import CancelJob
from poi.market.problems import Answer
from tangle.api.schemas.jobs import JobAnswer, JobEventAnswer, ProgramTaskAnswer
from tangle.api.schemas.market import JobKind, WorkerAnswer
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.errors import JobNotDone
from tangle.cli.groups import TangleGroup
from tangle.cli.job_answer_command import answer_job
from tangle.cli.job_names import describe_job, find_job, get_id
from tangle.cli.job_open_command import open_job, quote
from tangle.cli.job_results import Outputs, describe_outputs, fetch_outputs, fetch_run, save_outputs
from tangle.cli.job_tasks import FILE, load_program
from tangle.cli.networks import network_option, open_wallets, resolve_to_read
from tangle.cli.paying import call_market, open_payer, payer_options, timeout_option
from tangle.cli.texts import format_time
from tangle.client.client import TangleClient
from tangle.core.encoding import decode
from tangle.core.types import Digest
from tangle.node.market_views import JobPhase
from tangle.wallet.wallet import SigningAccount

LIST_MAX = 1_000
"""Most jobs listed at a time."""

ANSWER_SIZE_MAX = 4_096
"""Longest encoded answer that is read back."""


@click.group(cls=TangleGroup)
def job() -> None:
    """Paid work: run programs, solve problems, and be paid for answers. JOB is an id or its beginning."""


job.add_command(quote)
job.add_command(open_job)


@job.command("list")
@click.option("--live", is_flag=True, help="Only those that have not ended.")
@click.option("--kind", type=click.Choice([kind.value for kind in JobKind]), help="Only this kind.")
@click.option("--phase", type=click.Choice([phase.value for phase in JobPhase]), help="Only in this phase.")
@click.option("--customer", help="Only those that this wallet, address or public key pays.")
@click.option("--worker", help="Only those that this wallet, address or public key works on.")
@click.option(
    "--limit", type=click.IntRange(1, LIST_MAX), default=20, show_default=True, help="Most to list."
)
@network_option
@pass_context
def list_jobs(
    context: CommandContext,
    live: bool,
    kind: str | None,
    phase: str | None,
    customer: str | None,
    worker: str | None,
    limit: int,
    network: str,
) -> None:
    """List jobs, newest first, ended ones included."""
    wallets = open_wallets(context, network)
    wanted: dict[str, Any] = {
        "customer": None if customer is None else resolve_to_read(wallets, customer),
        "worker": None if worker is None else resolve_to_read(wallets, worker),
        "phase": None if phase is None else JobPhase(phase),
        "kind": None if kind is None else JobKind(kind),
        "is_live": True if live else None,
    }
    jobs = run_async(_list, context.url, wanted, limit)

    def render(console: Console) -> None:
        table = Table("job", "kind", "phase", "price", "worker", "deadline", box=None, pad_edge=False)
        for each in jobs:
            table.add_row(
                each.id.hex()[:16],
                each.kind.value,
                each.phase.value,
                format_amount(each.price),
                (each.worker or (each.best.worker if each.best else "-"))[:20],
                format_time(each.deadline_ms),
            )
        console.print(table)

    if jobs or context.is_json:
        context.emit({"jobs": jobs}, render)
    else:
        context.say("no jobs yet; tangle job open opens one")


@job.command("show")
@click.argument("job_id", metavar="JOB")
@pass_context
def show_job(context: CommandContext, job_id: str) -> None:
    """Show a job and what happened to it."""
    answer, events = run_async(_show, context.url, job_id)
    fields = describe_job(answer)
    fields["events"] = "\n".join(f"{format_time(event.timestamp_ms)}  {event.text}" for event in events)
    context.emit_fields({"job": answer, "events": events}, fields)
    context.say(f"the whole story: tangle explain {answer.id.hex()}")


@job.command("cancel")
@click.argument("job_id", metavar="JOB")
@payer_options
@timeout_option
@pass_context
def cancel_job(
    context: CommandContext,
    job_id: str,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    timeout_s: float,
) -> None:
    """Take a job back that nobody works on; the escrow comes back."""
    payer = open_payer(context, wallet_name, network, password_file)
    transaction, answer = run_async(_cancel, context.url, payer, job_id, timeout_s)
    fields = {
        "job": answer.id.hex(),
        "phase": answer.phase.value,
        "refunded": format_amount(answer.refunded or 0),
        "transaction": transaction.id.hex(),
    }
    context.emit_fields({"transaction": transaction, "job": answer}, fields)


@job.command("result")
@click.argument("job_id", metavar="JOB")
@click.option("--model", type=FILE, help="Model file with which answers become numbers; integers without.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the first output as .npy, or a best answer as JSON.",
)
@pass_context
def show_result(context: CommandContext, job_id: str, model: Path | None, output: Path | None) -> None:
    """Fetch what a job gave, and check it against what its worker committed to."""
    answer, outputs = run_async(_get_result, context.url, job_id, model)
    if outputs is not None:
        if output is not None:
            save_outputs(outputs, output)
        record: dict[str, Any] = {"job": answer, "outputs": outputs.make_record()}
        context.emit_fields(record, {"job": answer.id.hex(), "answer": describe_outputs(outputs)})
        return
    best = answer.best
    if best is None:
        raise JobNotDone(answer.id, answer.phase, "no answer was shown")
    places = list(decode(Answer, bytes(best.answer), limit=ANSWER_SIZE_MAX).places)
    if output is not None:
        output.write_bytes(msgspec.json.encode(places))
    fields = {"job": answer.id.hex(), "value": best.value, "worker": best.worker, "answer": places}
    context.emit_fields({"job": answer, "value": int(best.value), "answer": places}, fields)


job.add_command(answer_job)


@job.command("workers")
@pass_context
def list_workers(context: CommandContext) -> None:
    """List the workers that take jobs."""
    workers = run_async(_get_workers, context.url)

    def render(console: Console) -> None:
        table = Table("worker", "takes", "units/s", "least price", "busy", "bond", box=None, pad_edge=False)
        for each in workers:
            table.add_row(
                each.worker,
                ", ".join(each.kinds),
                str(each.speed),
                f"{each.price_min} grains",
                f"{each.used} of {each.slots}" + (", retiring" if each.is_retiring else ""),
                format_amount(each.bond),
            )
        console.print(table)

    if workers or context.is_json:
        context.emit({"workers": workers}, render)
    else:
        context.say("nobody takes jobs yet; see [jobs] in docs/operations.md")


@job.command("receipt")
@click.argument("job_id", metavar="JOB")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; the first 16 digits of the id and .receipt.json when left out.",
)
@pass_context
def save_receipt(context: CommandContext, job_id: str, output: Path | None) -> None:
    """Check a run here, and save a receipt with which anybody can check it again, offline.

    The receipt is of level 3 and holds the program, the inputs, the outputs and what the worker served.
    """
    answer, content = run_async(_make_receipt, context.url, job_id)
    path = output or Path(f"{answer.id.hex()[:16]}.receipt.json")
    path.write_bytes(content)
    record = {"job": answer.id.hex(), "file": str(path), "size_bytes": len(content)}
    context.emit_fields(record, {"receipt": path, "size": f"{len(content)} bytes"})
    context.say(f"check it, here or anywhere: tangle verify {path}")


async def _list(url: str, wanted: dict[str, Any], limit: int) -> list[JobAnswer]:
    found: list[JobAnswer] = []
    cursor = None
    async with TangleClient(url) as client:
        while len(found) < limit:
            page = await client.get_jobs_page(**wanted, cursor=cursor, limit=min(limit - len(found), 200))
            found += page.data
            cursor = page.meta.next_cursor
            if cursor is None:
                break
    return found


async def _show(url: str, text: str) -> tuple[JobAnswer, list[JobEventAnswer]]:
    async with TangleClient(url) as client:
        answer = await find_job(client, text)
        return answer, [event async for event in client.get_job_events(answer.id)]


async def _cancel(
    url: str, payer: SigningAccount, text: str, timeout_s: float
) -> tuple[TransactionAnswer, JobAnswer]:
    async with TangleClient(url) as client:
        found = await find_job(client, text)
        transaction = await call_market(client, payer, CancelJob(get_id(found)), timeout_s)
        return transaction, await client.get_job(found.id)


async def _get_result(url: str, text: str, model: Path | None) -> tuple[JobAnswer, Outputs | None]:
    async with TangleClient(url) as client:
        answer = await find_job(client, text)
        if not isinstance(answer.task, ProgramTaskAnswer):
            return answer, None
        usable = await load_program(client, model, Digest(bytes(answer.task.program)))
        return answer, await fetch_outputs(client, answer, usable)


async def _make_receipt(url: str, text: str) -> tuple[JobAnswer, bytes]:
    from tangle.client.receipt_file import encode_receipt_file, make_job_receipt

    async with TangleClient(url) as client:
        answer = await find_job(client, text)
        run = await fetch_run(client, answer)
        receipt, outputs = make_job_receipt(run.bound, run.commitment, run.inputs, run.served)
        return answer, encode_receipt_file(receipt, run.bound, run.inputs, outputs, run.served)


async def _get_workers(url: str) -> tuple[WorkerAnswer, ...]:
    async with TangleClient(url) as client:
        return await client.get_workers()
