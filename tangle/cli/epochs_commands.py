"""``tangle epochs``: committees by epoch, and the file that a light client follows them with."""

from pathlib import Path

import click
from rich.console import Console

from shards.epochs import EpochEnd, encode_epoch_chain, follow_epochs, make_genesis_committee
from tangle.api.schemas.epochs import EpochAnswer
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleCommand, TangleGroup
from tangle.cli.networks import find_genesis
from tangle.client.client import TangleClient
from tangle.core.genesis import compute_chain_id


@click.group(cls=TangleGroup)
def epochs() -> None:
    """See whose committee each epoch has, and save what proofs of later epochs are checked with."""


@epochs.command("list", cls=TangleCommand)
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="Begin with this epoch.")
@click.option("--limit", type=click.IntRange(1, 64), default=20, show_default=True, help="Most to show.")
@pass_context
def list_epochs(context: CommandContext, first: int, limit: int) -> None:
    """List epochs with their committees, the present one last."""
    found = run_async(_fetch, context.url, first, limit)
    context.emit({"epochs": found}, lambda console: _print(console, found))


@epochs.command(cls=TangleCommand)
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--genesis",
    "genesis_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Genesis of the network; that of the home or of its devnet when left out.",
)
@pass_context
def export(context: CommandContext, path: Path, genesis_path: Path | None) -> None:
    """Save the last checkpoints of all epochs with their certificates to PATH.

    Every one is checked before anything is written: from the genesis on, each committee must have signed who
    comes after it. tangle verify --light PATH then checks proofs of any of these epochs offline.
    """
    genesis = find_genesis(context, genesis_path)
    ends = run_async(_fetch_ends, context.url)
    committees = follow_epochs(make_genesis_committee(genesis), ends, compute_chain_id(genesis))
    data = encode_epoch_chain(ends)
    path.write_bytes(data)
    last = committees[-1]
    record = {"path": str(path), "ends": len(ends), "epoch": str(last.epoch), "bytes": len(data)}
    fields = {
        "saved": f"{path}, {len(data)} bytes",
        "ends of epochs": str(len(ends)),
        "leads to": f"epoch {last.epoch}, {len(last)} validators, a quorum is {last.quorum}",
    }
    context.emit_fields(record, fields)


async def _fetch(url: str, first: int, limit: int) -> tuple[EpochAnswer, ...]:
    async with TangleClient(url) as client:
        return await client.get_epochs(first=first, limit=limit)


async def _fetch_ends(url: str) -> tuple[EpochEnd, ...]:
    async with TangleClient(url) as client:
        return await client.get_epoch_ends()


def _print(console: Console, found: tuple[EpochAnswer, ...]) -> None:
    for answer in found:
        ended = "at work" if answer.ended is None else f"to checkpoint {answer.ended}"
        console.print(
            f"epoch {answer.epoch}: from checkpoint {answer.begun} {ended}, "
            f"{len(answer.validators)} validators, quorum {answer.quorum} of {answer.total_weight}"
        )
