"""``tangle job quote`` and ``tangle job open``: what a job costs, and ordering it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct

from poi.market.operations import OpenJob
from tangle.api.schemas.jobs import JobAnswer
from tangle.api.schemas.market import JobKind, QuoteAnswer
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.cli.amounts import format_amount, parse_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.errors import MissingOption
from tangle.cli.job_names import describe_job
from tangle.cli.job_results import Outputs, describe_outputs, fetch_outputs, save_outputs
from tangle.cli.job_tasks import Order, TaskOptions, find_kind, make_order, quote_order, task_options
from tangle.cli.paying import call_market, get_call, open_payer, payer_options, timeout_option
from tangle.client.client import TangleClient
from tangle.core.types import Digest, Grains, Milliseconds
from tangle.node.market_views import JobPhase
from tangle.wallet.wallet import SigningAccount

RUN_KINDS: Final = (JobKind.INFERENCE, JobKind.TRANSFORMATION)
"""Kinds that an assigned worker does."""

DEADLINE_S: Final = 300.0
"""How long a job may take at most, unless told otherwise."""

RESULT_S: Final = 60.0
"""How long a worker may take, unless told otherwise."""


class Terms(Struct, frozen=True):
    """What the customer is ready to pay, and how long to wait."""

    budget: int | None
    """Escrow in grains; the node's suggestion for none."""

    deadline_s: float
    """How long the job may take."""

    result_s: float
    """How long a worker may take."""

    timeout_s: float
    """How long to wait for each step here."""

    wait: str
    """How far to wait: ``opened``, ``result`` or ``end``."""


class Opened(Struct, frozen=True):
    """An opened job."""

    quote: QuoteAnswer
    """What it cost before it was ordered."""

    transaction: TransactionAnswer
    """What opened it."""

    job: JobAnswer
    """How far it has come."""

    outputs: Outputs | None
    """What the run gave, if that was waited for."""


@click.command("quote")
@task_options
@pass_context
def quote(context: CommandContext, /, **options: Any) -> None:
    """Show what a job would cost now. Nothing is ordered."""
    answer = run_async(_quote, context.url, _read_options(options))
    context.emit_fields(answer, _describe_quote(answer))


@click.command("open")
@task_options
@click.option("--budget", help="The most that it may cost, as an amount; for a problem the prize.")
@click.option(
    "--deadline",
    "deadline_s",
    type=click.FloatRange(1, 30 * 86_400),
    default=DEADLINE_S,
    show_default=True,
    help="Seconds until it must be done; for a problem, until answers may be sealed.",
)
@click.option(
    "--result-time",
    "result_s",
    type=click.FloatRange(0.1, 30 * 86_400),
    default=RESULT_S,
    show_default=True,
    help="Seconds that a worker has.",
)
@click.option(
    "--wait",
    type=click.Choice(["opened", "result", "end"]),
    help="How far to wait: until it is open, has a result, or has ended. Usual: result for a program.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the first output as .npy."
)
@payer_options
@timeout_option
@pass_context
def open_job(
    context: CommandContext,
    /,
    budget: str | None,
    deadline_s: float,
    result_s: float,
    wait: str | None,
    output: Path | None,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    timeout_s: float,
    **options: Any,
) -> None:
    """Have something done and pay for it: run a program, or solve a problem.

    The price is shown before anything is signed. What is not paid comes back.
    """
    wanted = _read_options(options)
    if wait is None:
        wait = "result" if wanted.kind in RUN_KINDS else "opened"
    grains = None if budget is None else int(parse_amount(budget))
    terms = Terms(grains, deadline_s, result_s, timeout_s, wait)
    payer = open_payer(context, wallet_name, network, password_file)
    opened = run_async(_open, context.url, payer, wanted, terms, context.say)
    if opened.outputs is not None and output is not None:
        save_outputs(opened.outputs, output)
    fields = describe_job(opened.job)
    if opened.outputs is not None:
        fields["answer"] = describe_outputs(opened.outputs)
    record = {
        "quote": opened.quote,
        "transaction": opened.transaction,
        "job": opened.job,
        "outputs": None if opened.outputs is None else opened.outputs.make_record(),
    }
    context.emit_fields(record, fields)


def _read_options(options: dict[str, Any]) -> TaskOptions:
    return TaskOptions(
        kind=find_kind(options["kind"], options["problem"]),
        model=options["model"],
        program=options["program"],
        rows=options["rows"],
        level=options["level"],
        problem=options["problem"],
    )


def _describe_quote(answer: QuoteAnswer) -> dict[str, object]:
    return {
        "kind": answer.kind.value,
        "units": answer.units,
        "unit price": f"{answer.unit_price} grains",
        "price": format_amount(answer.price),
        "escrow": f"{format_amount(answer.suggested_escrow)} suggested; what is not paid comes back",
        "worker's bond": format_amount(answer.worker_bond) if answer.worker_bond else "-",
    }


async def _quote(url: str, options: TaskOptions) -> QuoteAnswer:
    async with TangleClient(url) as client:
        return await quote_order(client, await make_order(client, options))


async def _open(
    url: str, payer: SigningAccount, options: TaskOptions, terms: Terms, say: Callable[[str], None]
) -> Opened:
    async with TangleClient(url) as client:
        order = await make_order(client, options)
        quoted = await quote_order(client, order)
        operation = await _make_operation(client, order, quoted, terms)
        if order.kind is JobKind.OPTIMISATION:
            say(f"the prize is {format_amount(operation.escrow)}")
        else:
            say(f"it costs {format_amount(quoted.price)} now; {format_amount(operation.escrow)} are put up")
        for tensor in order.tensors:
            await client.put_blob(tensor.content)
        transaction = await call_market(client, payer, operation, terms.timeout_s)
        identity = get_call(transaction).job
        assert identity is not None, "opening a job names it"
        job = Digest(bytes(identity))
        say(f"job {job.hex()} is open")
        seen: list[JobPhase] = []

        def show(found: JobAnswer) -> None:
            if not seen or seen[-1] is not found.phase:
                seen.append(found.phase)
                say(_describe_step(found))

        answer = await client.get_job(job)
        if terms.wait != "opened":
            answer = await client.wait_job(
                job,
                lambda found: terms.wait == "result" and found.claim is not None,
                terms.timeout_s + terms.result_s,
                show,
            )
        outputs = None
        if answer.claim is not None and order.usable is not None:
            outputs = await fetch_outputs(client, answer, order.usable)
        return Opened(quoted, transaction, answer, outputs)


async def _make_operation(client: TangleClient, order: Order, quoted: QuoteAnswer, terms: Terms) -> OpenJob:
    if terms.budget is None and order.kind not in RUN_KINDS:
        raise MissingOption(order.kind, "--budget AMOUNT")
    # Commit time may be a little behind the clock on the wall: deadlines are compared with it.
    now_ms = int((await client.get_market()).timestamp_ms)
    result_ms = int(min(terms.result_s, terms.deadline_s) * 1000) if order.kind in RUN_KINDS else 0
    return OpenJob(
        task=order.task,
        price_limit=Grains(int(quoted.suggested_price_limit)),
        escrow=Grains(int(quoted.suggested_escrow) if terms.budget is None else terms.budget),
        deadline_ms=Milliseconds(now_ms + int(terms.deadline_s * 1000)),
        result_ms=Milliseconds(result_ms),
    )


def _describe_step(job: JobAnswer) -> str:
    match job.phase:
        case JobPhase.ASSIGNED:
            return f"assigned to {job.worker}"
        case JobPhase.CLAIMED:
            return f"{job.worker} has a result; it is paid if nobody refutes it"
        case _:
            return job.phase.value
