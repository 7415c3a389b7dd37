"""``tangle init`` and ``tangle up``: one node in its home."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import anyio
import click
from msgspec.structs import replace

from tangle.cli.config_file import load_config
from tangle.cli.context import CommandContext, get_environment, pass_context
from tangle.cli.failures import ExitStatus
from tangle.cli.genesis_commands import get_shard_bits, shards_option
from tangle.cli.groups import TangleCommand
from tangle.cli.homes import FAUCET_KEY_NAME, MadeHome, adopt_genesis, ensure_key, make_home
from tangle.cli.logs import LEVELS, configure_logging
from tangle.cli.networks import describe_network, find_genesis, read_genesis
from tangle.core.genesis import Genesis
from tangle.core.parameters import PRESETS
from tangle.core.types import PublicKey, Shard
from tangle.node.clock import SystemClock
from tangle.node.config import NodeConfig
from tangle.node.founding import found_network
from tangle.store.home import Home, open_home
from tangle.wallet.faucet_keys import load_faucet_keys
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
@shards_option
@pass_context
def init(
    context: CommandContext,
    network: str,
    genesis_path: Path | None,
    validator: bool,
    found: bool,
    shards: int,
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
    bits = get_shard_bits(shards) if found else 0
    made = make_home(
        context.home,
        name,
        is_validator=validator or found,
        settings=settings,
        shard_bits=bits,
    )
    names = list(made.made)
    if has_faucet and home.config.name not in names:
        context.say(f"{home.config} was there already: set faucet = true in it to serve the faucet")
    if found and genesis is None:
        genesis = _found(made, name, has_faucet, names, bits)
    if genesis is not None and adopt_genesis(home, genesis):
        names.append(home.genesis.name)
    _emit_home(context, made, genesis, names)


def _found(made: MadeHome, name: str, has_faucet: bool, names: list[str], shard_bits: int) -> Genesis:
    assert made.validator_key is not None, "founding makes a validator's key"
    faucets: tuple[PublicKey, ...] = ()
    if has_faucet:
        path = made.home.path / FAUCET_KEY_NAME
        ensure_key(path, KeyKind.FAUCET, name, names)
        faucets = tuple(key.public_key for key in load_faucet_keys(path, name, shard_bits))
    parameters = replace(PRESETS[name], shard_bits=shard_bits)
    return found_network(
        name,
        parameters,
        [made.validator_key],
        faucets[0] if faucets else None,
        SystemClock().now_ms(),
        further_faucets=faucets[1:],
    )


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
@click.option(
    "--shard", "shards", type=int, multiple=True, help="Shard to serve, once for each; all when left out."
)
@click.option(
    "--processes",
    "--shard-processes",
    "shard_processes",
    type=int,
    help="Processes that the shards are spread over.",
)
@click.option("--serve-shards", hidden=True, help="Shards of this process of a node, with commas.")
@click.option(
    "--from-snapshot",
    metavar="auto|never|FILE",
    help="Begin with a peer's snapshot where this home is empty or far behind, never, or with a file.",
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
    shards: tuple[int, ...],
    serve_shards: str | None,
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
    lists = {"peers": peers or None, "shards": shards or None}
    given = {**options, **lists, "faucet": True if faucet_key else None}
    config = load_config(home.config, get_environment(), given).config
    if config.faucet and faucet_key is None:
        faucet_key = home.path / FAUCET_KEY_NAME
    told = {**options, "peer": peers, "faucet_key": faucet_key, "log_level": log_level}
    arguments = make_arguments(home.path, told, is_debug=context.is_debug)
    run_home(home, config, faucet_key, arguments, serve_shards, stop_with_parent)


def make_arguments(home: Path, options: Mapping[str, object], *, is_debug: bool) -> tuple[str, ...]:
    """The command line of a process of the same node."""
    arguments = ["up", "--home", str(home), *(["--debug"] if is_debug else [])]
    for name, value in options.items():
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None:
                arguments += ["--" + name.replace("_", "-"), str(each)]
    return tuple(arguments)


def run_home(
    home: Home,
    config: NodeConfig,
    faucet_key: Path | None,
    arguments: tuple[str, ...],
    serve_shards: str | None,
    stop_with_parent: int | None,
) -> None:
    """Run the node of a home, or some shards of it, on the fastest event loop that is installed.

    :param arguments: command line of another process of the same node.
    :param serve_shards: the shards that another process's front stands before, with commas.
    """
    import structlog

    from tangle.api.doors import serve_doors
    from tangle.cli import hosting
    from tangle.node.collector import tune_collector
    from tangle.node.runtime import Plan, run_node

    genesis = read_genesis(home.genesis)
    hosted = hosting.Hosting(home, genesis, config, faucet_key, arguments, stop_with_parent)
    if not genesis.parameters.shard_bits:
        hosting.find_shards(genesis, config)
        plan = Plan(home.path, config, faucet_key, stop_with_parent=stop_with_parent)
        run: Callable[[], Awaitable[None]] = partial(run_node, plan, partial(serve_doors, home=home.path))
    elif serve_shards is None:
        run = partial(hosting.host_shards, hosted)
    else:
        shards = tuple(Shard(int(each)) for each in serve_shards.split(","))
        run = partial(hosting.serve_shards, hosted, shards)
    is_fast = find_spec("uvloop") is not None
    structlog.get_logger("process").debug("starting", event_loop="uvloop" if is_fast else "asyncio")
    tune_collector()
    anyio.run(run, backend="asyncio", backend_options={"use_uvloop": is_fast})
