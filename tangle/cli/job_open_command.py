"""``tangle job quote`` and ``tangle job open``: what a job costs, and ordering it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct

from poi.market.operations import OpenJob
from tangle.api.schemas.jobs import JobAnswer, TrainingTaskAnswer
from tangle.api.schemas.market import JobKind, QuoteAnswer
from tangle.api.schemas.models import ModelAnswer
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.cli.amounts import format_amount, parse_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.errors import MissingOption
from tangle.cli.job_names import describe_job
from tangle.cli.job_results import Outputs, describe_outputs, fetch_outputs, save_outputs
from tangle.cli.job_tasks import Order, TaskOptions, find_kind, make_order, quote_order, task_options
from tangle.cli.paying import call_market, get_call, open_payer, payer_options, timeout_option
from tangle.cli.table_files import TableOptions
from tangle.client.client import TangleClient
from tangle.core.types import Digest, Grains, Milliseconds
from tangle.node.market_views import JobPhase
from tangle.wallet.wallet import SigningAccount

RUN_KINDS: Final = (JobKind.INFERENCE, JobKind.TRANSFORMATION)
"""Kinds that an assigned worker does."""

DEADLINE_S: Final = 300.0
"""How long a job may take at most, unless told otherwise."""

TRAINING_DEADLINE_S: Final = 3_600.0
"""The same for training, which takes as long as others take to evaluate."""

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

    patience_s: float
    """How long that may take."""


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

    model: ModelAnswer | None = None
    """The trained model, if that was waited for."""


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
    help="Seconds until it must be done; for a problem, until answers may be sealed. Usual: 300; for "
    "training 3600.",
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
    help="How far to wait: until it is open, has a result, or has ended. Usual: result for a program, end "
    "for training.",
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
    deadline_s: float | None,
    result_s: float,
    wait: str | None,
    output: Path | None,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    timeout_s: float,
    **options: Any,
) -> None:
    """Have something done and pay for it: run a program, solve a problem, or learn a table.

    The price is shown before anything is signed. What is not paid comes back.
    """
    grains = None if budget is None else int(parse_amount(budget))
    wanted = _read_options(options, grains)
    is_training = wanted.kind is JobKind.TRAINING
    if deadline_s is None:
        deadline_s = TRAINING_DEADLINE_S if is_training else DEADLINE_S
    if wait is None:
        wait = "result" if wanted.kind in RUN_KINDS else "end" if is_training else "opened"
    patience_s = timeout_s + (deadline_s if is_training else result_s)
    terms = Terms(grains, deadline_s, result_s, timeout_s, wait, patience_s)
    payer = open_payer(context, wallet_name, network, password_file)
    opened = run_async(_open, context.url, payer, wanted, terms, context.say)
    if opened.outputs is not None and output is not None:
        save_outputs(opened.outputs, output)
    fields = describe_job(opened.job)
    if opened.outputs is not None:
        fields["answer"] = describe_outputs(opened.outputs)
    if opened.model is not None:
        score, rows = opened.model.current.score, opened.model.holdout_rows
        fields["model"] = opened.model.job.hex()
        fields["score"] = f"{score} of {rows} held-out rows ({score / rows:.1%})"
    record = {
        "quote": opened.quote,
        "transaction": opened.transaction,
        "job": opened.job,
        "outputs": None if opened.outputs is None else opened.outputs.make_record(),
        "model": opened.model,
    }
    context.emit_fields(record, fields)
    if opened.model is not None:
        name = opened.job.id.hex()[:16]
        context.say(f"its curve: tangle model show {name}; check all of it: tangle model replay {name}")


def _read_options(options: dict[str, Any], budget: int | None = None) -> TaskOptions:
    table = None
    if options["data"] is not None and options["label"] is not None:
        table = TableOptions(
            options["data"], options["label"], options["ignored"], options["generations"], budget
        )
    return TaskOptions(
        kind=find_kind(options["kind"], options["problem"], options["data"]),
        model=options["model"],
        program=options["program"],
        rows=options["rows"],
        level=options["level"],
        problem=options["problem"],
        table=table,
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
        if options.kind is JobKind.TRAINING and terms.budget is None:
            raise MissingOption(options.kind, "--budget AMOUNT")
        order = await make_order(client, options)
        quoted = await quote_order(client, order)
        operation = await _make_operation(client, order, quoted, terms)
        if order.kind is JobKind.OPTIMISATION:
            say(f"the prize is {format_amount(operation.escrow)}")
        else:
            say(f"it costs {format_amount(quoted.price)} now; {format_amount(operation.escrow)} are put up")
        for tensor in order.tensors:
            await client.put_blob(tensor.content)
        if order.content:
            await client.put_blob(order.content)
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
                terms.patience_s,
                show,
            )
        outputs = None
        if answer.claim is not None and order.usable is not None:
            outputs = await fetch_outputs(client, answer, order.usable)
        return Opened(quoted, transaction, answer, outputs, await _find_model(client, answer))


async def _find_model(client: TangleClient, job: JobAnswer) -> ModelAnswer | None:
    """The model that a training job has made, once it is on the board."""
    if not isinstance(job.task, TrainingTaskAnswer) or not job.closed_generations:
        return None
    return (await client.get_model(job.task.standing_job, limit=1)).model


async def _make_operation(client: TangleClient, order: Order, quoted: QuoteAnswer, terms: Terms) -> OpenJob:
    if terms.budget is None and order.kind not in RUN_KINDS:
        raise MissingOption(order.kind, "--budget AMOUNT")
    # Commit time may be a little behind the clock on the wall: deadlines are compared with it.
    now_ms = int((await client.get_market()).timestamp_ms)
    # A worker's time has to fit before the deadline when the job is ordered, a moment from now.
    result_ms = int(min(terms.result_s, terms.deadline_s / 2) * 1000) if order.kind in RUN_KINDS else 0
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
        case JobPhase.LEARNING:
            return "a quorum has the data: it is trained"
        case _:
            return job.phase.value
