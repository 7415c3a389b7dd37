"""``tangle genesis``: the document that a network starts from."""

import os
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec.structs import replace

from poi.job import compute_job_id, decode_job
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext, pass_context
from tangle.cli.groups import TangleGroup
from tangle.cli.networks import find_genesis
from tangle.core.address import encode_address
from tangle.core.genesis import Genesis, compute_chain_id, compute_genesis_hash, encode_genesis
from tangle.core.parameters import PRESETS
from tangle.core.types import PublicKey
from tangle.node.clock import SystemClock
from tangle.node.founding import found_network


class PublicKeyType(click.ParamType[PublicKey]):
    """A public key in hex."""

    name = "public key"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> PublicKey:
        """32 bytes."""
        try:
            data = bytes.fromhex(str(value))
        except ValueError:
            data = b""
        if len(data) != 32:
            self.fail(f"{str(value)[:80]!r} is no public key: 64 hex digits.", param, ctx)
        return PublicKey(data)


SHARD_COUNTS: Final = tuple(str(1 << bits) for bits in range(9))
"""How many shards a network can have."""

shards_option = click.option(
    "--shards",
    type=click.Choice(SHARD_COUNTS),
    default="1",
    show_default=True,
    callback=lambda _context, _parameter, value: int(value),
    help="Shards of the network that is founded.",
)
"""Into how many shards a new network is split."""


def get_shard_bits(shards: int) -> int:
    """The parameter of a network with so many shards, a power of two."""
    return shards.bit_length() - 1


@click.group(cls=TangleGroup)
def genesis() -> None:
    """The document that a network starts from."""


@genesis.command("new")
@click.option("--name", default="devnet", show_default=True, help="Name of the network.")
@click.option(
    "--preset", type=click.Choice(list(PRESETS)), default="devnet", show_default=True, help="Its numbers."
)
@click.option(
    "--validator",
    "validators",
    type=PublicKeyType(),
    multiple=True,
    required=True,
    help="Public key of a member of the committee; once for each.",
)
@click.option(
    "--faucet",
    "faucets",
    type=PublicKeyType(),
    multiple=True,
    help="Account that the first coins belong to; several share them, such as one in each shard.",
)
@shards_option
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write."
)
@pass_context
def create_genesis(
    context: CommandContext,
    name: str,
    preset: str,
    validators: tuple[PublicKey, ...],
    faucets: tuple[PublicKey, ...],
    shards: int,
    output: Path,
) -> None:
    """Found a network of the named validators, and write its genesis for all of them."""
    if not (name.isascii() and name.isprintable() and 0 < len(name) <= 32):
        raise click.UsageError("--name takes 1 to 32 printable ASCII characters.")
    if len(set(validators)) != len(validators):
        raise click.UsageError("--validator: each validator is named once.")
    if len(set(faucets)) != len(faucets):
        raise click.UsageError("--faucet: each account is named once.")
    founded = found_network(
        name,
        replace(PRESETS[preset], shard_bits=get_shard_bits(shards)),
        validators,
        faucets[0] if faucets else None,
        SystemClock().now_ms(),
        further_faucets=faucets[1:],
    )
    write_genesis(output, founded)
    _emit_genesis(context, founded)


@genesis.command("show")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@pass_context
def show_genesis(context: CommandContext, file: Path | None) -> None:
    """Show a genesis: FILE, or that of the home, or that of its devnet."""
    _emit_genesis(context, find_genesis(context, file))


def write_genesis(path: Path, founded: Genesis) -> None:
    """Write a genesis where none is; another network's is never overwritten.

    :raises FileExistsError: a file is there.
    """
    with path.open("xb") as file:
        file.write(encode_genesis(founded))
        file.flush()
        os.fsync(file.fileno())


def _emit_genesis(context: CommandContext, shown: Genesis) -> None:
    prefix = shown.parameters.address_prefix.decode()
    jobs = [decode_job(entry.parameters) for entry in shown.board]
    record = {
        "name": shown.name.decode("ascii", "replace"),
        "chain": compute_chain_id(shown).hex(),
        "hash": compute_genesis_hash(shown).hex(),
        "timestamp_ms": str(shown.timestamp_ms),
        "validators": [
            {"public_key": validator.public_key.hex(), "weight": validator.weight}
            for validator in shown.validators
        ],
        "allocations": [
            {"address": encode_address(prefix, entry.account), "amount": str(entry.amount)}
            for entry in shown.allocations
        ],
        "jobs": [
            {"job": compute_job_id(job).hex(), "budget": entry.budget, "sizes": list(job.sizes)}
            for entry, job in zip(shown.board, jobs, strict=True)
        ],
        "parameters": {
            name: value.decode("ascii", "replace") if isinstance(value, bytes) else value
            for name, value in msgspec.structs.asdict(shown.parameters).items()
        },
    }
    fields = {
        "network": record["name"],
        "chain": record["chain"],
        "hash": record["hash"],
        "validators": "\n".join(
            f"{validator.public_key.hex()}  weight {validator.weight}" for validator in shown.validators
        ),
        "allocations": "\n".join(
            f"{encode_address(prefix, entry.account)}  {format_amount(entry.amount)}"
            for entry in shown.allocations
        )
        or "none",
        "shards": 1 << shown.parameters.shard_bits,
        "jobs": "\n".join(
            f"{compute_job_id(job).hex()}  layers {'-'.join(map(str, job.sizes))}" for job in jobs
        ),
    }
    context.emit_fields(record, fields)
