"""``tangle devnet``: a network of your own on this machine."""

from pathlib import Path
from typing import Final

import click

from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleGroup
from tangle.node.config import API_PORT

PORT_MAX: Final = 65_535
"""Highest TCP port."""


@click.group(cls=TangleGroup)
def devnet() -> None:
    """A network of your own on this machine."""


@devnet.command("up")
@click.option("--nodes", type=click.IntRange(1, 64), default=4, show_default=True, help="Validators to run.")
@click.option(
    "--load",
    type=click.FloatRange(0, 1_000),
    default=20.0,
    show_default=True,
    help="Demonstration transactions a second; 0 for none.",
)
@click.option(
    "--home",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the nodes' homes; devnet in the usual home when left out.",
)
@click.option(
    "--port-base",
    type=click.IntRange(1_024, 64_136),
    default=API_PORT,
    show_default=True,
    help="API port of the first node; the others follow, peer ports lie 1335 higher.",
)
@click.option(
    "--shards",
    type=click.Choice(["1", "2", "4", "8"]),
    default="1",
    show_default=True,
    help="Shards of the network; every node serves all of them.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="Processes that each node spreads its shards over.",
)
@pass_context
def devnet_up(
    context: CommandContext,
    nodes: int,
    load: float,
    root: Path | None,
    port_base: int,
    shards: str,
    processes: int,
) -> None:
    """Run several validators with a faucet and a modest load, until Ctrl-C.

    A second start goes on where the first was. A node that dies is started again. With --json, one object a
    second.
    """
    from tangle.cli.devnet import Devnet, run_devnet
    from tangle.cli.devnet_status import StatusTeller

    place = (root or context.home / "devnet").absolute()
    devnet = Devnet(place, nodes, port_base, int(shards), processes)
    if max(devnet.get_ports()) > PORT_MAX:
        raise click.UsageError("--port-base: the last node's ports would lie above 65535.")
    run_async(run_devnet, devnet, load, StatusTeller(context))
