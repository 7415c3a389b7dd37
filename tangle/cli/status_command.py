"""``tangle status``: one screen about a running node."""

from collections.abc import Sequence

import click

from tangle.api.schemas.ledger import ShardAnswer
from tangle.api.schemas.network import StatusAnswer
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleCommand
from tangle.cli.texts import format_size, format_span
from tangle.client.errors import ApiProblem
from tangle.client.reading import NodeReader
from tangle.client.transport import ClientConfig


@click.command(cls=TangleCommand)
@pass_context
def status(context: CommandContext) -> None:
    """Show one screen about a running node."""
    answer, shards, reasons = run_async(_ask, context.url)
    context.emit_fields(answer, {**describe_status(answer, reasons), **describe_shards(shards)})


async def _ask(url: str) -> tuple[StatusAnswer, tuple[ShardAnswer, ...], tuple[str, ...]]:
    # A person is waiting: say soon that nobody answers.
    async with NodeReader(url, config=ClientConfig(attempts_max=2)) as client:
        answer = await client.get_status()
        reasons = () if answer.is_ready else await get_reasons(client)
        return answer, await client.get_shards(), reasons


async def get_reasons(client: NodeReader) -> tuple[str, ...]:
    """What keeps a node from being ready, a line each; nothing if it has become so meanwhile."""
    try:
        await client.get_readiness()
    except ApiProblem as problem:
        return tuple(f"{item.path}: {item.message}" for item in problem.errors)
    return ()


def describe_shards(answers: Sequence[ShardAnswer]) -> dict[str, str]:
    """A line for each shard of a network that has several."""
    if len(answers) == 1:
        return {}
    return {
        f"shard {answer.shard}": "not here, or not now"
        if answer.checkpoint is None
        else f"checkpoint {answer.checkpoint}, {answer.ordered_total} ordered"
        for answer in answers
    }


def describe_status(answer: StatusAnswer, reasons: Sequence[str] = ()) -> dict[str, str]:
    """The screen, line by line.

    :param reasons: what keeps the node from being ready.
    """
    finality = answer.finality
    latency = "no samples yet"
    if finality.p50_ms is not None and finality.p95_ms is not None:
        latency = f"p50 {finality.p50_ms:.0f} ms, p95 {finality.p95_ms:.0f} ms over {finality.samples}"
    share = answer.score / max(1, answer.holdout_rows)
    queues = [f"{name} {length}" for name, length in answer.queues.items() if length]
    return {
        "node": f"{answer.name}, {answer.role}, version {answer.version}, up {format_span(answer.uptime_s)}",
        "network": f"{answer.network} (chain {answer.chain.hex()})",
        "ready": "yes" if answer.is_ready else "\n".join(("no", *reasons)),
        "checkpoint": f"{answer.checkpoint_certified} certified, {answer.checkpoint_executed} executed, "
        f"{answer.checkpoint_age_ms / 1000:.1f} s old, round {answer.round}",
        "transactions": f"{answer.ordered_total} ordered, {answer.pending} pending, "
        f"{answer.waiting} waiting, {answer.tips} tips",
        "rate": f"{answer.rate_in:.1f} in, {answer.rate_final:.1f} final a second",
        "finality": latency,
        "price": f"{answer.price} grains per weight, difficulty {answer.difficulty}",
        "model": f"{answer.model_name}, generation {answer.generation}, "
        f"{answer.score} of {answer.holdout_rows} right ({share:.1%})",
        "peers": str(answer.peers),
        "device": answer.device,
        "memory": f"{format_size(answer.resident_bytes)}, database {format_size(answer.database_bytes)}",
        "queues": ", ".join(queues) or "empty",
    }
