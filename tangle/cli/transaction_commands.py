"""``tangle tx``: one transaction and its proof."""

from pathlib import Path
from typing import assert_never

import click

from tangle.api.schemas.transactions import MarketCallAnswer, StakingAnswer, TransactionAnswer, TransferAnswer
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleGroup
from tangle.cli.signing_commands import (
    prepare_transfer,
    sign_transfer,
    simulate_transfer,
    submit_transfer,
)
from tangle.cli.staking_texts import describe_staking
from tangle.client.client import TangleClient
from tangle.core.types import TransactionId


class TransactionIdType(click.ParamType[TransactionId]):
    """A transaction's id in hex."""

    name = "id"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> TransactionId:
        """32 bytes."""
        try:
            data = bytes.fromhex(str(value))
        except ValueError:
            data = b""
        if len(data) != 32:
            self.fail(f"{str(value)[:80]!r} is no transaction id: 64 hex digits.", param, ctx)
        return TransactionId(data)


@click.group(cls=TangleGroup)
def tx() -> None:
    """Transactions, their proofs, and signing without a network."""


@tx.command("show")
@click.argument("identity", metavar="ID", type=TransactionIdType())
@pass_context
def show_transaction(context: CommandContext, /, identity: TransactionId) -> None:
    """Show a transaction and what became of it."""
    answer = run_async(_get_transaction, context.url, identity)
    results = ", ".join(map(str, answer.work.results))
    work = answer.work
    counted = {True: "counted", False: "not counted", None: "not ordered yet"}[answer.is_work_counted]
    fields = {
        "transaction": answer.id.hex(),
        "status": answer.status.value + (f": {answer.reason}" if answer.reason else ""),
        "final": "yes" if answer.is_final else "not yet",
        **describe_operation(answer),
        **describe_receipt(answer),
        "fee": "-"
        if answer.fee is None
        else f"{format_amount(answer.fee)} of at most {format_amount(answer.max_fee)}",
        "sequence": answer.sequence,
        "work": f"generation {work.generation} of job {work.job.hex()[:16]}: {results} ({counted})",
        "anchor": f"checkpoint {answer.anchor}",
        "ordered": "-"
        if answer.checkpoint is None
        else f"checkpoint {answer.checkpoint}, place {answer.ordered_index}",
        "parents": "\n".join(parent.hex() for parent in answer.parents),
    }
    context.emit_fields(answer, fields)


@tx.command("proof")
@click.argument("identity", metavar="ID", type=TransactionIdType())
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; the first 16 digits of the id and .proof when left out.",
)
@pass_context
def save_proof(context: CommandContext, /, identity: TransactionId, output: Path | None) -> None:
    """Save the proof that a transaction is final, for tangle verify."""
    proof = run_async(_get_proof, context.url, identity)
    path = output or Path(f"{identity.hex()[:16]}.proof")
    path.write_bytes(proof)
    record = {"transaction": identity.hex(), "file": str(path), "size_bytes": len(proof)}
    context.emit_fields(record, {"proof": path, "size": f"{len(proof)} bytes"})
    context.say(f"check it, here or anywhere: tangle verify {path}")


for command in (prepare_transfer, sign_transfer, simulate_transfer, submit_transfer):
    tx.add_command(command)


def describe_receipt(answer: TransactionAnswer) -> dict[str, object]:
    """Whether a transfer to another shard arrived, as a name and a value; nothing for others."""
    receipt = answer.receipt
    if receipt is None:
        return {}
    told = "not yet"
    if receipt.is_delivered:
        told = f"checkpoint {receipt.checkpoint} of shard {receipt.target}"
    return {"delivered": f"{told} (receipt {receipt.sequence} of shard {answer.shard} to {receipt.target})"}


def describe_operation(answer: TransactionAnswer) -> dict[str, object]:
    """What a transaction does and for whom, as names and values."""
    match answer.operation:
        case TransferAnswer(recipient=recipient, amount=amount):
            return {"amount": format_amount(amount), "from": answer.issuer, "to": recipient}
        case MarketCallAnswer(text=text, job=job, program=program):
            fields: dict[str, object] = {"market": text, "from": answer.issuer}
            if job is not None:
                fields["job"] = job.hex()
            if program is not None:
                fields["program"] = program.hex()
            return fields
        case StakingAnswer():
            return {"staking": describe_staking(answer.operation), "from": answer.issuer}
        case _:
            assert_never(answer.operation)


async def _get_transaction(url: str, identity: TransactionId) -> TransactionAnswer:
    async with TangleClient(url) as client:
        return await client.get_transaction(identity)


async def _get_proof(url: str, identity: TransactionId) -> bytes:
    async with TangleClient(url) as client:
        return await client.get_proof(identity)
