"""``tangle key``: the keys of nodes, in files that say what they are for."""

from pathlib import Path
from typing import Final

import click
from nacl.utils import random
from rich.console import Console
from rich.table import Table

from tangle.cli.context import CommandContext, pass_context
from tangle.cli.groups import TangleGroup
from tangle.wallet.errors import KeyFileError
from tangle.wallet.keyfile import SEED_SIZE, KeyFile, KeyKind, generate_key_file, read_key_file

FILES_MAX: Final = 1_000
"""Most key files listed: a home has three."""


@click.group(cls=TangleGroup)
def key() -> None:
    """Keys of nodes, validators and faucets. Those of people are wallets."""


@key.command("new")
@click.argument("kind", type=click.Choice([kind.value for kind in KeyKind]))
@click.option("--chain", default="devnet", show_default=True, help="Name of the network that the key is for.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File; KIND.key in the home when left out.",
)
@pass_context
def create_key(context: CommandContext, kind: str, chain: str, output: Path | None) -> None:
    """Make a key. A key that is there is never overwritten."""
    path = output or context.home / f"{kind}.key"
    generate_key_file(path, KeyKind(kind), chain, random(SEED_SIZE))
    _emit_key(context, path, read_key_file(path))


@key.command("list")
@pass_context
def list_keys(context: CommandContext) -> None:
    """List the key files in the home."""
    found: list[tuple[Path, KeyFile]] = []
    damaged: list[tuple[Path, KeyFileError]] = []
    for path in sorted(context.home.glob("*.key"))[:FILES_MAX]:
        try:
            found.append((path, read_key_file(path)))
        except KeyFileError as fault:
            damaged.append((path, fault))

    def render(console: Console) -> None:
        table = Table("file", "kind", "network", "public key", box=None, pad_edge=False)
        for path, record in found:
            table.add_row(path.name, record.kind, record.chain, record.public_key)
        console.print(table)

    record = {
        "keys": [_make_record(path, record) for path, record in found],
        "damaged": [{"file": str(path), "reason": str(fault)} for path, fault in damaged],
    }
    if found or context.is_json:
        context.emit(record, render)
    elif not damaged:
        context.say(f"no keys in {context.home}; make them with: tangle init")
    for _, reason in damaged:
        context.say(str(reason))


@key.command("show")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@pass_context
def show_key(context: CommandContext, file: Path) -> None:
    """Show what a key file is for, and its public key. FILE may be a name in the home."""
    path = file if file.exists() or file.is_absolute() else context.home / file
    _emit_key(context, path, read_key_file(path))


def _emit_key(context: CommandContext, path: Path, record: KeyFile) -> None:
    fields = {"file": path, "kind": record.kind, "network": record.chain, "public key": record.public_key}
    context.emit_fields(_make_record(path, record), fields)


def _make_record(path: Path, record: KeyFile) -> dict[str, str]:
    return {
        "file": str(path),
        "kind": record.kind.value,
        "network": record.chain,
        "public_key": record.public_key,
    }
