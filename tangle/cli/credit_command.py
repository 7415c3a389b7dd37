"""``tangle wallet credits``: what came to an account from other shards."""

import click
from rich.console import Console
from rich.table import Table

from tangle.api.schemas.ledger import CreditAnswer
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleCommand
from tangle.cli.networks import network_option, open_wallets, resolve_to_read
from tangle.client.client import TangleClient
from tangle.core.types import PublicKey

LIST_MAX = 200
"""Most credits of one list: one page of the API."""


@click.command("credits", cls=TangleCommand)
@click.argument("account")
@click.option(
    "--limit", type=click.IntRange(1, LIST_MAX), default=20, show_default=True, help="Most to list."
)
@network_option
@pass_context
def list_credits(context: CommandContext, account: str, limit: int, network: str) -> None:
    """List what came to ACCOUNT, a wallet here, an address or a public key, from other shards."""
    key = resolve_to_read(open_wallets(context, network), account)
    items = run_async(_get_credits, context.url, key, limit)

    def render(console: Console) -> None:
        table = Table("checkpoint", "amount", "from shard", "receipt", box=None, pad_edge=False)
        for item in items:
            amount = "+" + format_amount(item.amount)
            table.add_row(str(item.checkpoint), amount, str(item.source), str(item.sequence))
        console.print(table)

    if items or context.is_json:
        context.emit({"credits": items}, render)
    else:
        context.say("nothing came from other shards yet")


async def _get_credits(url: str, account: PublicKey, limit: int) -> tuple[CreditAnswer, ...]:
    async with TangleClient(url) as client:
        return (await client.get_credits_page(account, limit=limit)).data
