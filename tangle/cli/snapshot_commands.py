"""``tangle snapshot``: the state at a certified checkpoint as a file, for others to begin with."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import click
from rich.console import Console

from tangle.cli.context import CommandContext, pass_context
from tangle.cli.errors import DatabaseWanted
from tangle.cli.groups import TangleCommand, TangleGroup
from tangle.cli.progress import ProgressBar
from tangle.core.blob_id import format_blob_id
from tangle.core.genesis import Genesis, decode_genesis
from tangle.core.types import Shard
from tangle.node.snapshots.making import OnMade, SnapshotFacts
from tangle.node.snapshots.shelf import read_shelf
from tangle.store.files import read_private_file
from tangle.store.home import Home, hold_home, open_home

shard_option = click.option("--shard", type=int, help="Which shard, in a home that has several.")


@click.group(cls=TangleGroup)
def snapshot() -> None:
    """Make, check and restore the state at a certified checkpoint."""


@snapshot.command(cls=TangleCommand)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@shard_option
@pass_context
def create(context: CommandContext, file: Path, shard: int | None) -> None:
    """Write a snapshot of this home to FILE; the node may run.

    It holds the state at the newest certified checkpoint and the part of history that transactions can still
    reach. Whoever gets it need not trust you: everything in it follows from the genesis.
    """
    from tangle.node.snapshots.taking import take_snapshot

    home, _ = _open(context)
    part = _get_part(home, shard)
    with _telling(context) as on_made:
        genesis = read_private_file(home.genesis, is_secret=False)
        facts = take_snapshot(part.database, genesis, file, on_made)
    _emit_facts(context, file, facts)


@snapshot.command("list", cls=TangleCommand)
@shard_option
@pass_context
def list_command(context: CommandContext, shard: int | None) -> None:
    """Snapshots that the node of this home has made by itself and offers to its peers."""
    home, genesis = _open(context)
    entries = read_shelf(_get_part(home, shard).database, genesis)
    record = {
        "snapshots": [{**_describe(entry.facts), "blob": format_blob_id(entry.blob)} for entry in entries]
    }

    def render(console: Console) -> None:
        for entry in entries:
            facts = entry.facts
            when = datetime.fromtimestamp(facts.timestamp_ms // 1000, UTC).isoformat()
            console.print(
                f"checkpoint {facts.checkpoint}  {when}  {facts.size} bytes  {format_blob_id(entry.blob)}",
                soft_wrap=True,
            )
        if not entries:
            console.print("none; snapshot_every_epochs in config.toml says when the node makes them")

    context.emit(record, render)


@snapshot.command(cls=TangleCommand)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@pass_context
def verify(context: CommandContext, file: Path) -> None:
    """Check all of FILE against the genesis of this home; nothing is written."""
    from tangle.node.snapshots.verifying import Finished, Started, verify_snapshot

    _, genesis = _open(context)
    size = file.stat().st_size
    checkpoint, transactions, rows = 0, 0, 0
    with _telling(context) as on_made, file.open("rb") as stream:
        for part in verify_snapshot(stream, file, genesis, lambda done: on_made("bytes", done, size)):
            if isinstance(part, Started):
                checkpoint = part.head.checkpoint.index
            elif isinstance(part, Finished):
                transactions, rows = part.transactions, part.rows
    record = {"file": str(file), "checkpoint": str(checkpoint), "transactions": transactions, "rows": rows}
    context.emit_fields(record, {"sound": file, "checkpoint": checkpoint, "rows": rows})


@snapshot.command(cls=TangleCommand)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@shard_option
@pass_context
def restore(context: CommandContext, file: Path, shard: int | None) -> None:
    """Verify FILE and begin with it in this home, which has no ledger yet; keys and settings stay.

    The node then catches up from the snapshot's checkpoint. A home that has a ledger is refused, and so is
    everything in FILE that does not follow from the genesis: the home is as it was then.
    """
    from tangle.node.snapshots.restoring import restore_home

    home, genesis = _open(context)
    part = _get_part(home, shard)
    size = file.stat().st_size
    with _telling(context) as on_made, hold_home(part):
        done = anyio.run(
            restore_home,
            file,
            part.database,
            genesis,
            part.shard or Shard(0),
            lambda read: on_made("bytes", read, size),
        )
    record = {"file": str(file), "transactions": done.transactions, "rows": done.rows}
    context.emit_fields(record, {"restored": file, "rows": done.rows, "transactions": done.transactions})
    context.say("next: tangle up")


def _emit_facts(context: CommandContext, file: Path, facts: SnapshotFacts) -> None:
    fields = {
        "snapshot": file,
        "checkpoint": facts.checkpoint,
        "digest": facts.digest.hex(),
        "transactions": facts.transactions,
        "size": f"{facts.size} bytes",
    }
    context.emit_fields({"file": str(file), **_describe(facts)}, fields)


def _describe(facts: SnapshotFacts) -> dict[str, object]:
    return {
        "checkpoint": str(facts.checkpoint),
        "digest": facts.digest.hex(),
        "first_checkpoint": str(facts.first),
        "timestamp_ms": str(facts.timestamp_ms),
        "transactions": facts.transactions,
        "rows": facts.rows,
        "bytes": facts.size,
    }


def _open(context: CommandContext) -> tuple[Home, Genesis]:
    home = open_home(context.home)
    return home, decode_genesis(read_private_file(home.genesis, is_secret=False))


def _get_part(home: Home, shard: int | None) -> Home:
    if shard is not None:
        return home.get_part(Shard(shard))
    parts = home.list_parts()
    if len(parts) > 1:
        raise DatabaseWanted(home.path, len(parts))
    return parts[0]


@contextmanager
def _telling(context: CommandContext) -> Iterator[OnMade]:
    bar = ProgressBar(context)
    with bar:
        yield bar.show
