"""``tangle fees``: what a transaction costs now, and which fee limit holds how long."""

import click
from rich.console import Console
from rich.table import Table

from tangle.api.schemas.forecast import FeesAnswer
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleCommand
from tangle.cli.texts import format_span
from tangle.client.client import TangleClient


@click.command(cls=TangleCommand)
@pass_context
def fees(context: CommandContext) -> None:
    """Show the price now, how loaded the network is, and which fee limits hold how long.

    A level's limit is enough for a transfer until the network was under full load for that long.
    """
    answer = run_async(_get_fees, context.url)

    def render(console: Console) -> None:
        load = answer.weight_ordered / max(1, answer.weight_target)
        console.print(f"price  {answer.price} grains per weight, never below {answer.price_floor}")
        console.print(f"load   {load:.0%} of what leaves the price as it is, {answer.weight_target} a window")
        table = Table("limit", "for a transfer", "holds under full load", box=None, pad_edge=False)
        for level in answer.levels:
            span_s = level.intervals * answer.interval_ms / 1000
            table.add_row(
                level.name,
                format_amount(level.transfer_fee),
                format_span(span_s) if span_s else "until the price rises",
            )
        console.print(table)

    context.emit(answer, render)


async def _get_fees(url: str) -> FeesAnswer:
    async with TangleClient(url) as client:
        return await client.get_fees()
