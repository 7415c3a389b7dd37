"""``tangle evidence``: proofs that validators signed twice, and checking them without any node."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from shards.epochs import EPOCH_CHAIN_SIZE_MAX, decode_epoch_chain
from shards.evidence import TWIN_PROOF_SIZE_MAX, verify_twin_proof
from tangle.api.schemas.validators import EvidenceAnswer
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.dag_commands import shard_option
from tangle.cli.errors import NothingKnown
from tangle.cli.groups import TangleGroup
from tangle.cli.networks import describe_network, find_genesis
from tangle.cli.texts import format_time
from tangle.client.client import TangleClient


@click.group(cls=TangleGroup)
def evidence() -> None:
    """Proofs that validators signed two blocks for one round; anybody can check them offline."""


@evidence.command("list")
@shard_option
@pass_context
def list_evidence(context: CommandContext, /, shard: int) -> None:
    """List the evidence that the node keeps."""
    found = run_async(_get_evidence, context.url, shard)

    def render(console: Console) -> None:
        table = Table("digest", "epoch", "round", "author", "key", box=None, pad_edge=False)
        for item in found:
            key = "of a committee not known here" if item.public_key is None else item.public_key.hex()
            digest = item.digests[0].hex()[:16]
            table.add_row(digest, str(item.epoch), str(item.round), str(item.author), key)
        console.print(table)

    if found or context.is_json:
        context.emit({"evidence": found}, render)
    else:
        context.say("nobody is known to have signed twice")


@evidence.command("export")
@click.argument("digest")
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@shard_option
@pass_context
def export(context: CommandContext, /, digest: str, output: Path, shard: int) -> None:
    """Write the two blocks of which one's digest begins with DIGEST to the file OUTPUT."""
    for item in run_async(_get_evidence, context.url, shard):
        if any(each.hex().startswith(digest.lower()) for each in item.digests):
            output.write_bytes(item.proof)
            record = {"file": str(output), "bytes": len(item.proof), "epoch": str(item.epoch)}
            context.emit_fields(record, record)
            return
    raise NothingKnown(digest)


@evidence.command("verify")
@click.argument("proof", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--genesis",
    "genesis_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Genesis of the network; that of the home or of its devnet when left out.",
)
@click.option(
    "--light",
    "epochs_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of tangle epochs export; blocks of later epochs than 0 need it.",
)
@pass_context
def verify(context: CommandContext, proof: Path, genesis_path: Path | None, epochs_path: Path | None) -> None:
    """Check the file PROOF offline, and say who signed twice. Exit status 1 when it does not hold."""
    genesis = find_genesis(context, genesis_path)
    ends = () if epochs_path is None else decode_epoch_chain(_read(epochs_path, EPOCH_CHAIN_SIZE_MAX))
    proven = verify_twin_proof(_read(proof, TWIN_PROOF_SIZE_MAX), genesis, ends)
    body = proven.first.body
    digests = [block.reference.digest.hex() for block in (proven.first, proven.second)]
    record = {
        "is_proven": True,
        "validator": proven.validator.hex(),
        "shard": body.shard,
        "epoch": str(body.epoch),
        "round": str(body.round),
        "author": body.author,
        "digests": digests,
    }
    fields = {
        "proven": "this validator signed two blocks for one round",
        "validator": proven.validator.hex(),
        "round": f"{body.round} of epoch {body.epoch}, shard {body.shard}, {format_time(body.timestamp_ms)}",
        "blocks": "\n".join(digests),
        "network": describe_network(genesis),
    }
    context.emit_fields(record, fields)


def _read(path: Path, size_max: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size_max + 1)


async def _get_evidence(url: str, shard: int) -> tuple[EvidenceAnswer, ...]:
    async with TangleClient(url) as client:
        return await client.get_evidence(shard)
