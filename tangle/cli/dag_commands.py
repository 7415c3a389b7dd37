"""``tangle dag`` and ``tangle committee``: the graph, its checkpoints, and those who order it."""

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from tangle.api.schemas.explorer import BlockSummaryAnswer
from tangle.api.schemas.ledger import CheckpointAnswer
from tangle.api.schemas.network import CommitteeAnswer
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleCommand, TangleGroup
from tangle.cli.texts import format_time
from tangle.cli.transaction_commands import TransactionIdType
from tangle.client.client import TangleClient
from tangle.core.types import TransactionId

SHOWN = 16
"""Digits of an id in a graph: enough to tell two apart."""

COLOURS = {"checkpointed": "palegreen", "ordered": "khaki", "conflicting": "salmon", "expired": "lightgrey"}
"""Fill of a transaction in a graph by its status; white for the others."""

dot_option = click.option("--dot", "is_dot", is_flag=True, help="Print a graph for Graphviz instead.")
"""Whether the answer is a picture's source."""

shard_option = click.option(
    "--shard", type=click.IntRange(0, 255), default=0, show_default=True, help="Shard."
)
"""Which shard is looked at."""


@click.group(cls=TangleGroup)
def dag() -> None:
    """The graph of transactions, its checkpoints, and the committee's blocks."""


@dag.command("around")
@click.argument("identity", metavar="ID", type=TransactionIdType())
@click.option("--depth", type=click.IntRange(1, 3), default=1, show_default=True, help="Steps away.")
@dot_option
@pass_context
def show_around(context: CommandContext, /, identity: TransactionId, depth: int, is_dot: bool) -> None:
    """Show a transaction, its parents and the transactions that build on it."""
    _emit_graph(context, run_async(_get_neighbours, context.url, identity, depth), is_dot)


@dag.command("recent")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="Most to show.")
@dot_option
@pass_context
def show_recent(context: CommandContext, /, limit: int, is_dot: bool) -> None:
    """Show the transactions attached last, oldest first."""
    _emit_graph(context, run_async(_get_recent, context.url, limit), is_dot)


@dag.command("checkpoints")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Most to list.")
@shard_option
@pass_context
def list_checkpoints(context: CommandContext, /, limit: int, shard: int) -> None:
    """List the latest checkpoints, newest first; one that is not certified yet is not final."""
    items = run_async(_get_checkpoints, context.url, shard, limit)

    def render(console: Console) -> None:
        table = Table("index", "time", "ordered", "price", "signed by", "digest", box=None, pad_edge=False)
        for item in items:
            signers = [str(part.author) for part in item.certificate or ()]
            table.add_row(
                str(item.index),
                format_time(item.timestamp_ms),
                str(item.ordered_count),
                str(item.price),
                ", ".join(signers) or "nobody yet",
                item.digest.hex(),
            )
        console.print(table)

    context.emit(items, render)


@dag.command("blocks")
@click.option(
    "--first-round", type=click.IntRange(0), help="Begin with this round; the latest when left out."
)
@click.option("--limit", type=click.IntRange(1, 256), default=20, show_default=True, help="Most to list.")
@shard_option
@pass_context
def list_blocks(context: CommandContext, /, first_round: int | None, limit: int, shard: int) -> None:
    """List accepted blocks of the committee, by round and author."""
    items = run_async(_get_blocks, context.url, shard, first_round, limit)

    def render(console: Console) -> None:
        table = Table(
            "round", "author", "time", "names", "attests", "bytes", "digest", box=None, pad_edge=False
        )
        for item in items:
            table.add_row(
                str(item.round),
                str(item.author),
                format_time(item.timestamp_ms),
                str(item.tips),
                str(item.attestations),
                str(item.size),
                item.digest.hex(),
            )
        console.print(table)

    context.emit(items, render)


@click.command(cls=TangleCommand)
@shard_option
@pass_context
def committee(context: CommandContext, /, shard: int) -> None:
    """Show the committee: rounds, the last votes of each validator, and what it attested."""
    answer = run_async(_get_committee, context.url, shard)

    def render(console: Console) -> None:
        console.print(
            f"epoch {answer.epoch}, round {answer.round}, commit {answer.commit}, "
            f"a quorum is {answer.quorum} of {answer.total_weight}, {answer.equivocations} equivocations"
        )
        table = Table("validator", "weight", "round", "attested", "votes", "key", box=None, pad_edge=False)
        for item in answer.validators:
            votes = "".join("#" if vote else "." for vote in item.votes)
            marks = " (this node)" if item.is_self else ""
            leads = " (leads)" if item.is_leader else ""
            table.add_row(
                f"{item.index}{marks}{leads}",
                str(item.weight),
                str(item.round),
                str(item.attested),
                votes,
                item.public_key.hex(),
            )
        console.print(table)

    context.emit(answer, render)


def make_dot(items: Sequence[TransactionAnswer]) -> str:
    """A graph in Graphviz's language: transactions point at the parents that they build on."""
    known = {bytes(item.id) for item in items}
    lines = ["digraph dag {", "  rankdir=RL;", "  node [shape=box, style=filled, fontname=monospace];"]
    for item in items:
        name, colour = item.id.hex(), COLOURS.get(item.status.value, "white")
        lines.append(f'  "{name}" [label="{name[:SHOWN]}\\n{item.status.value}", fillcolor={colour}];')
        lines += [f'  "{name}" -> "{parent.hex()}";' for parent in item.parents if bytes(parent) in known]
    return "\n".join([*lines, "}"])


def _emit_graph(context: CommandContext, items: Sequence[TransactionAnswer], is_dot: bool) -> None:
    def render(console: Console) -> None:
        if is_dot:
            console.print(make_dot(items), soft_wrap=True)
            return
        table = Table("checkpoint", "status", "id", "parents", box=None, pad_edge=False)
        for item in items:
            parents = " ".join(parent.hex()[:SHOWN] for parent in item.parents)
            place = "-" if item.checkpoint is None else str(item.checkpoint)
            table.add_row(place, item.reason_code or item.status.value, item.id.hex(), parents)
        console.print(table)

    if items or is_dot or context.is_json:
        context.emit(items, render)
    else:
        context.say("no transactions yet")


async def _get_neighbours(url: str, identity: TransactionId, depth: int) -> tuple[TransactionAnswer, ...]:
    async with TangleClient(url) as client:
        return await client.get_neighbours(identity, depth)


async def _get_recent(url: str, limit: int) -> tuple[TransactionAnswer, ...]:
    async with TangleClient(url) as client:
        return await client.get_recent(limit)


async def _get_checkpoints(url: str, shard: int, limit: int) -> tuple[CheckpointAnswer, ...]:
    async with TangleClient(url) as client:
        return (await client.get_checkpoints(shard=shard, limit=limit)).data


async def _get_blocks(
    url: str, shard: int, first_round: int | None, limit: int
) -> tuple[BlockSummaryAnswer, ...]:
    async with TangleClient(url) as client:
        return await client.get_blocks(shard=shard, first_round=first_round, limit=limit)


async def _get_committee(url: str, shard: int) -> CommitteeAnswer:
    async with TangleClient(url) as client:
        return await client.get_committee(shard)
