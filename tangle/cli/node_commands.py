"""``tangle init`` and ``tangle up``: one node in its home."""

import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import anyio
import click

from tangle.cli.config_file import load_config
from tangle.cli.context import CommandContext, get_environment, pass_context
from tangle.cli.failures import ExitStatus
from tangle.cli.groups import TangleCommand
from tangle.cli.homes import FAUCET_KEY_NAME, MadeHome, adopt_genesis, ensure_key, make_home
from tangle.cli.logs import LEVELS, configure_logging
from tangle.cli.networks import describe_network, find_genesis
from tangle.core.genesis import Genesis
from tangle.core.parameters import PRESETS
from tangle.node.clock import SystemClock
from tangle.node.config import NodeConfig
from tangle.node.founding import found_network
from tangle.store.home import Home, open_home
from tangle.wallet.keyfile import KeyKind


@click.command(cls=TangleCommand)
@click.option(
    "--network",
    type=click.Choice(list(PRESETS)),
    default="devnet",
    show_default=True,
    help="Name and numbers of the network; those in --genesis go before.",
)
@click.option(
    "--genesis",
    "genesis_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Genesis of the network to join.",
)
@click.option("--validator", is_flag=True, help="Also make a validator's key.")
@click.option(
    "--found", is_flag=True, help="Found a network of this one validator, with a faucet (not for main)."
)
@pass_context
def init(
    context: CommandContext, network: str, genesis_path: Path | None, validator: bool, found: bool
) -> None:
    """Make a home: keys, a commented config.toml.

    What is there already is checked and kept, and keys are never overwritten: running it again is harmless.
    """
    if found and genesis_path is not None:
        raise click.UsageError("--found makes a new network and --genesis joins one; choose one of them.")
    home = Home(context.home)
    genesis = None
    if genesis_path is not None:
        genesis = find_genesis(context, genesis_path)
    elif home.genesis.exists():
        genesis = find_genesis(context, home.genesis)
    name = network if genesis is None else genesis.name.decode("ascii", "replace")
    has_faucet = found and network != "main"
    settings = {"faucet": True} if has_faucet else {}
    made = make_home(context.home, name, is_validator=validator or found, settings=settings)
    names = list(made.made)
    if has_faucet and home.config.name not in names:
        context.say(f"{home.config} was there already: set faucet = true in it to serve the faucet")
    if found and genesis is None:
        genesis = _found(made, name, has_faucet, names)
    if genesis is not None and adopt_genesis(home, genesis):
        names.append(home.genesis.name)
    _emit_home(context, made, genesis, names)


def _found(made: MadeHome, name: str, has_faucet: bool, names: list[str]) -> Genesis:
    assert made.validator_key is not None, "founding makes a validator's key"
    faucet = None
    if has_faucet:
        faucet = ensure_key(made.home.path / FAUCET_KEY_NAME, KeyKind.FAUCET, name, names)
    return found_network(name, PRESETS[name], [made.validator_key], faucet, SystemClock().now_ms())


def _emit_home(context: CommandContext, made: MadeHome, genesis: Genesis | None, names: list[str]) -> None:
    validator = None if made.validator_key is None else made.validator_key.hex()
    network = None if genesis is None else describe_network(genesis)
    record = {
        "home": str(made.home.path),
        "node_key": made.node_key.hex(),
        "validator_key": validator,
        "network": network,
        "made": names,
    }
    fields = {
        "home": made.home.path,
        "node key": made.node_key.hex(),
        "validator key": validator or "none: this node observes",
        "network": network or "none yet",
        "made": ", ".join(names) or "nothing: all was there",
    }
    context.emit_fields(record, fields)
    if genesis is None:
        context.say(
            "next: tangle init --genesis FILE to join a network, or tangle init --found for one of your own"
        )
    else:
        context.say("next: tangle up")


@click.command(cls=TangleCommand)
@click.option("--name", help="Name shown to people.")
@click.option("--api-host", help="Address the API listens on.")
@click.option("--api-port", type=int, help="Port of the API.")
@click.option("--peer-host", help="Address the peer port listens on.")
@click.option("--peer-port", type=int, help="Port of the peer protocol.")
@click.option("--metrics-port", type=int, help="Port of the metrics; 0 turns them off.")
@click.option(
    "--peer", "peers", multiple=True, metavar="HOST:PORT", help="Peer to keep connected to; once for each."
)
@click.option("--workers", type=int, help="Worker processes; 0 means one for each core but one.")
@click.option("--device", help="Where work is computed: auto, numpy, or a device that tangle doctor lists.")
@click.option("--kernel-cache", help="Directory for compiled kernels; several nodes may share it.")
@click.option(
    "--faucet-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Serve the faucet with this key (development networks).",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    envvar="TANGLE_LOG_LEVEL",
    show_envvar=True,
    help="Least urgent log lines to print.",
)
@click.option(
    "--stop-with-parent",
    type=int,
    metavar="PID",
    help="Stop when process PID, which started this one, is gone.",
)
@pass_context
def up(
    context: CommandContext,
    /,
    peers: tuple[str, ...],
    faucet_key: Path | None,
    log_level: str,
    stop_with_parent: int | None,
    **options: str | int | None,
) -> None:
    """Run the node of a home until interrupted.

    Settings come from config.toml in the home, then TANGLE_* variables, then the options here; tangle config
    show tells which. The log goes to standard error: lines for people on a terminal, JSON elsewhere. Exit
    status 2 when the node refuses to start or has to stop, 0 when it was stopped.
    """
    # A supervisor starts again what died, but not what refused: the status tells it which.
    context.refusal_status = ExitStatus.USAGE
    configure_logging(log_level, is_console=sys.stderr.isatty() and not context.is_json)
    home = open_home(context.home)
    given = {**options, "peers": peers or None, "faucet": True if faucet_key else None}
    config = load_config(home.config, get_environment(), given).config
    if config.faucet and faucet_key is None:
        faucet_key = home.path / FAUCET_KEY_NAME
    run_node_forever(home.path, config, faucet_key, stop_with_parent=stop_with_parent)


def run_node_forever(
    home: Path, config: NodeConfig, faucet_key: Path | None, *, stop_with_parent: int | None
) -> None:
    """Run a node in this process, on the fastest event loop that is installed."""
    from tangle.api.doors import serve_doors
    from tangle.node.runtime import run_node

    async def run() -> None:
        doors = partial(serve_doors, home=home)
        await run_node(home, config, faucet_key, doors, stop_with_parent=stop_with_parent)

    anyio.run(run, backend="asyncio", backend_options={"use_uvloop": find_spec("uvloop") is not None})
