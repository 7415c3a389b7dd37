"""``tangle model``: the models that the ledger trains, and the proof that it does."""

import time
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from tangle.api.schemas.models import GenerationAnswer, ModelAnswer
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.errors import GenesisMissing, UnknownModel
from tangle.cli.groups import TangleGroup
from tangle.cli.model_file_commands import inspect, quantize, run
from tangle.cli.networks import find_genesis
from tangle.cli.program_commands import list_programs, register, retire
from tangle.cli.progress import ProgressBar
from tangle.cli.texts import format_time
from tangle.client.client import TangleClient
from tangle.core.genesis import Genesis
from tangle.core.types import ChainId

CURVE_SHOWN_MAX: Final = 20
"""Rows of the learning curve shown to people: the first, the last, and some between."""

CURVE_MAX: Final = 1_000
"""Most generations asked for at a time."""


@click.group(cls=TangleGroup)
def model() -> None:
    """Models: those that the ledger trains, and files on this machine.

    JOB is a model's name, its id, the id of the paid job that trains it, or the beginning of one; FILE is a
    file.
    """


model.add_command(quantize)
model.add_command(inspect)
model.add_command(run)
model.add_command(register)
model.add_command(list_programs)
model.add_command(retire)


@model.command("list")
@pass_context
def list_models(context: CommandContext) -> None:
    """List the standing jobs and how good their models are; paid ones that ended come last."""
    models = run_async(_get_models, context.url)

    def render(console: Console) -> None:
        table = Table(
            "name", "job", "layers", "generation", "score", "evaluations", "paid by", box=None, pad_edge=False
        )
        for answer in models:
            table.add_row(
                answer.name,
                answer.job.hex(),
                "-".join(map(str, answer.layer_sizes)),
                str(answer.current.generation),
                _format_score(answer.current.score, answer.holdout_rows),
                str(answer.counted_total),
                _describe_payer(answer),
            )
        console.print(table)

    context.emit({"models": models}, render)


@model.command("show")
@click.argument("job")
@pass_context
def show_model(context: CommandContext, job: str) -> None:
    """Show a model and its learning curve."""
    answer, curve = run_async(_get_curve, context.url, job)
    fields = {
        "model": answer.name,
        "job": answer.job.hex(),
        "layers": "-".join(map(str, answer.layer_sizes)),
        "generation": answer.current.generation,
        "score": _format_score(answer.current.score, answer.holdout_rows),
        "evaluations": f"{answer.counted_total} counted, "
        f"{answer.counted_open} of {answer.population} towards the next generation",
        "weights": answer.current.weights_digest.hex(),
        "paid by": _describe_payer(answer),
        "curve": "\n".join(
            f"{point.generation:>6}  {_format_score(point.score, answer.holdout_rows):>22}  "
            f"{format_time(point.timestamp_ms)}"
            for point in thin_curve(curve)
        ),
    }
    context.emit_fields({"model": answer, "curve": curve}, fields)


@model.command("replay")
@click.argument("job")
@click.option(
    "--genesis",
    "genesis_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Genesis to believe; that of the home or of its devnet when left out, else the node's own.",
)
@click.option("--recompute", is_flag=True, help="Also recompute every evaluation, not only the folding.")
@pass_context
def replay_model(context: CommandContext, job: str, genesis_path: Path | None, recompute: bool) -> None:
    """Rebuild every generation from ledger data, and compare each with what the committee signed.

    Exit status 1 at the first generation that comes out otherwise.
    """
    trusted = None
    try:
        trusted = find_genesis(context, genesis_path)
    except GenesisMissing:
        if genesis_path is not None:
            raise
        context.say("no genesis here: taking the node's word for it (--genesis FILE names one to believe)")
    begun_s = time.perf_counter()
    bar = ProgressBar(context)
    with bar:
        answer = run_async(_replay, context.url, job, trusted, recompute, bar)
    elapsed_s = time.perf_counter() - begun_s
    name, rows, generations, evaluations, last = answer
    record = {
        "model": name,
        "generations": generations,
        "evaluations": evaluations,
        "is_recomputed": recompute,
        "score": last[0],
        "weights_digest": last[1],
        "elapsed_s": round(elapsed_s, 3),
    }
    checked = "every evaluation recomputed" if recompute else "every fold recomputed"
    fields = {
        "model": name,
        "replayed": f"{generations} generations from {evaluations} evaluations in {elapsed_s:.1f} s",
        "checked": checked,
        "result": "every digest is the one that the committee signed",
        "score": _format_score(last[0], rows),
        "weights": last[1],
    }
    context.emit_fields(record, fields)


def thin_curve(curve: tuple[GenerationAnswer, ...]) -> list[GenerationAnswer]:
    """At most ``CURVE_SHOWN_MAX`` points: evenly spread, always the first and the last."""
    if len(curve) <= CURVE_SHOWN_MAX:
        return list(curve)
    last = len(curve) - 1
    return [curve[place * last // (CURVE_SHOWN_MAX - 1)] for place in range(CURVE_SHOWN_MAX)]


def select_model(models: tuple[ModelAnswer, ...], text: str) -> ModelAnswer:
    """The one model that a person means.

    :raises UnknownModel: none or several.
    """
    found = [
        answer
        for answer in models
        if answer.name.startswith(text)
        or answer.job.hex().startswith(text.lower())
        or (answer.paid_by is not None and answer.paid_by.hex().startswith(text.lower()))
    ]
    if len(found) != 1 or not text:
        raise UnknownModel(text, tuple(f"{answer.name} ({answer.job.hex()[:12]})" for answer in models))
    return found[0]


async def _get_models(url: str) -> tuple[ModelAnswer, ...]:
    async with TangleClient(url) as client:
        return await client.get_models()


async def _get_curve(url: str, job: str) -> tuple[ModelAnswer, tuple[GenerationAnswer, ...]]:
    async with TangleClient(url) as client:
        chosen = select_model(await client.get_models(), job)
        curve: list[GenerationAnswer] = []
        while True:
            detail = await client.get_model(chosen.job, first=len(curve), limit=CURVE_MAX)
            curve += detail.curve
            if len(detail.curve) < CURVE_MAX:
                return detail.model, tuple(curve)


async def _replay(
    url: str, job: str, trusted: Genesis | None, is_recomputed: bool, bar: ProgressBar
) -> tuple[str, int, int, int, tuple[int, str]]:
    from aivm.backends.numpy_backend import NumpyBackend
    from tangle.cli.local_work import fetch_job
    from tangle.cli.replay import fetch_ledger_data, replay_ledger_data
    from tangle.core.genesis import compute_chain_id

    chain: ChainId | None = None if trusted is None else compute_chain_id(trusted)
    async with TangleClient(url, chain=chain) as client:
        genesis = await client.get_genesis()
        chosen = select_model(await client.get_models(), job)
        opened = await fetch_job(client, genesis, chosen.job)
        data = await fetch_ledger_data(
            client, genesis, chosen.job, lambda done, total: bar.show("checkpoints", done, total)
        )
    generations = evaluations = 0
    last = (0, "")
    for replayed in replay_ledger_data(data, opened, NumpyBackend(), is_recomputed=is_recomputed):
        generations += 1
        evaluations += replayed.evaluations
        last = (replayed.score, replayed.digest.hex())
        bar.show("generations", generations, len(data.generations))
    return chosen.name, chosen.holdout_rows, generations, evaluations, last


def _describe_payer(answer: ModelAnswer) -> str:
    if answer.paid_by is None:
        return "the network"
    return f"job {answer.paid_by.hex()[:16]}" + ("" if answer.budget else ", ended")


def _format_score(score: int, rows: int) -> str:
    return f"{score} of {rows} ({score / max(1, rows):.1%})"
