"""``tangle verify``: a proof of finality or a receipt of work, checked without asking any node."""

from pathlib import Path
from typing import assert_never

import click

from poi.market.operations import decode_operation
from poi.receipts.check import Agreement, ErrorBound, FormOnly, Negligible, Sampled, Survived
from poi.receipts.errors import MissingMaterial
from poi.receipts.record import Level
from shards.epochs import EPOCH_CHAIN_SIZE_MAX, EpochEnd, decode_epoch_chain
from shards.proofs import PROOF_SIZE_MAX, ProvenTransaction, verify_transaction_proof
from tangle.api.convert_transactions import make_staking_answer
from tangle.api.describe_operations import tell_operation
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext, pass_context
from tangle.cli.errors import GenesisMissing
from tangle.cli.groups import TangleCommand
from tangle.cli.networks import describe_network, find_genesis, get_genesis_places
from tangle.cli.staking_texts import describe_staking
from tangle.cli.texts import format_time
from tangle.core.address import encode_address
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.transactions import (
    MarketCall,
    Register,
    Retire,
    Stake,
    TransactionBody,
    Transfer,
    Unstake,
)
from tangle.ledger.effects import Status, decode_effect, describe_effect


@click.command(cls=TangleCommand)
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
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ends of epochs, from tangle epochs export: what proofs of later epochs than the first need.",
)
@pass_context
def verify(context: CommandContext, proof: Path, genesis_path: Path | None, epochs_path: Path | None) -> None:
    """Check a transaction's proof or a receipt of work offline, and say what it proves.

    PROOF is a file made by tangle tx proof, or a receipt in JSON made by tangle job receipt or tangle infer.
    Exit status 1 when anything in it does not hold.
    """
    with proof.open("rb") as file:
        is_receipt = file.read(1) == b"{"
    if is_receipt:
        _verify_receipt(context, proof, genesis_path, epochs_path)
        return
    genesis = find_genesis(context, genesis_path)
    with proof.open("rb") as file:
        data = file.read(PROOF_SIZE_MAX + 1)
    ends = _read_ends(epochs_path)
    proven = verify_transaction_proof(data, genesis, ends)
    emit_proven(context, proven, genesis)


def _read_ends(path: Path | None) -> tuple[EpochEnd, ...]:
    if path is None:
        return ()
    with path.open("rb") as file:
        return decode_epoch_chain(file.read(EPOCH_CHAIN_SIZE_MAX + 1))


def _verify_receipt(
    context: CommandContext, path: Path, genesis_path: Path | None, epochs_path: Path | None
) -> None:
    from tangle.client.receipt_file import FILE_SIZE_MAX, verify_receipt_file

    try:
        genesis = find_genesis(context, genesis_path)
    except GenesisMissing:
        if genesis_path is not None:
            raise
        genesis = None  # only signatures of validators need it
    with path.open("rb") as file:
        data = file.read(FILE_SIZE_MAX + 1)
    try:
        checked = verify_receipt_file(data, genesis, _read_ends(epochs_path))
    except MissingMaterial:
        if genesis is None:
            raise GenesisMissing(get_genesis_places(context)) from None
        raise
    commitment, report = checked.commitment, checked.report
    bound = describe_bound(report.error_bound)
    record = {
        "is_proven": True,
        "level": int(report.level),
        "error_bound": bound,
        "check_macs": report.check_macs,
        "work_macs": report.work_macs,
        "receipt_bytes": report.receipt_bytes,
        "job": commitment.context.task.hex(),
        "worker": commitment.context.worker.hex(),
        "epoch": commitment.context.epoch,
        "program": commitment.program_id.hex(),
        "rows": commitment.rows,
        "outputs": [tensor.tolist() for tensor in checked.outputs],
    }
    share = f"{report.check_macs / report.work_macs:.0%} of the work" if report.work_macs else "no products"
    fields = {
        "proven": "the outputs in this file are what the program gives for the inputs in it, within the bound"
        if report.level > Level.BOUND
        else "the form; nothing is known about the values",
        "level": f"V{int(report.level)}, {report.level.name.lower().replace('_', ' ')}",
        "error bound": bound,
        "cost": f"{report.check_macs} of {report.work_macs} multiply-accumulates: {share}",
        "job": commitment.context.task.hex(),
        "worker": commitment.context.worker.hex(),
        "program": commitment.program_id.hex(),
        "rows": commitment.rows,
    }
    context.emit_fields(record, fields)


def describe_bound(bound: ErrorBound) -> str:
    """What a verified receipt is worth, in a sentence."""
    match bound:
        case FormOnly():
            return "none: only the form is known to be right"
        case Sampled(drawn=drawn, total=total):
            passes = f"a wrong fraction f of them passes with (1 - f)^{drawn}"
            return f"{drawn} of {total} chunks were computed again; {passes}"
        case Negligible(error_bits=bits, judged=judged, is_public=is_public):
            if not judged:
                return "none is left: everything was computed again"
            tries = ", for each try that a cheater makes" if is_public else ""
            return f"a wrong result passes with probability at most {judged} / 2^{bits}{tries}"
        case Agreement(agreeing=agreeing, assigned=assigned):
            return f"wrong only if {agreeing} of {assigned} validators colluded"
        case Survived():
            return "somebody staked a bond against it and lost"
        case _:
            assert_never(bound)


def emit_proven(context: CommandContext, proven: ProvenTransaction, genesis: Genesis) -> None:
    """Print what a proof that holds proves."""
    committee = proven.committee
    effect = decode_effect(proven.effect)
    body, checkpoint = proven.transaction.body, proven.checkpoint
    prefix = genesis.parameters.address_prefix.decode()
    sender = encode_address(prefix, body.issuer)
    record_of_operation, fields_of_operation = _describe_operation(body, prefix)
    weight, total = committee.compute_weight(set(proven.signers)), committee.total_weight
    is_applied, time_ms = effect.status is Status.APPLIED, checkpoint.timestamp_ms
    record = {
        "is_proven": True,
        "transaction": proven.transaction.id.hex(),
        "sender": sender,
        "sequence": str(body.sequence),
        **record_of_operation,
        "is_applied": is_applied,
        "status": effect.status.name.lower(),
        "effect": describe_effect(effect, body),
        "fee": str(effect.fee),
        "is_work_counted": bool(effect.work_counted),
        "chain": compute_chain_id(genesis).hex(),
        "shard": checkpoint.shard,
        "epoch": str(committee.epoch),
        "checkpoint": str(checkpoint.index),
        "timestamp_ms": str(checkpoint.timestamp_ms),
        "signers": list(proven.signers),
        "weight": weight,
        "weight_total": total,
        "quorum": committee.quorum,
    }
    fields = {
        "proven": "this transaction was ordered, and is final",
        "transaction": proven.transaction.id.hex(),
        **fields_of_operation,
        "effect": "applied" if is_applied else f"not applied: {describe_effect(effect, body)}",
        "fee": format_amount(effect.fee),
        "work": "counted" if effect.work_counted else "not counted",
        "checkpoint": f"{checkpoint.index} of shard {checkpoint.shard}, {format_time(time_ms)}",
        "epoch": str(committee.epoch),
        "signed by": f"validators {', '.join(map(str, proven.signers))}: weight {weight} of {total}, "
        f"a quorum is {committee.quorum}",
        "network": describe_network(genesis),
    }
    context.emit_fields(record, fields)


def _describe_operation(body: TransactionBody, prefix: str) -> tuple[dict[str, object], dict[str, object]]:
    """What a proven transaction does: for machines, and for people."""
    sender = encode_address(prefix, body.issuer)
    match body.operation:
        case Transfer(recipient=key, amount=amount):
            recipient = encode_address(prefix, key)
            text = f"{format_amount(amount)}\nfrom {sender}\nto   {recipient}"
            return {"recipient": recipient, "amount": str(amount)}, {"transfer": text}
        case MarketCall(data=data):
            story = tell_operation(decode_operation(data), body.issuer, body.sequence)
            record: dict[str, object] = {"operation": story.name, "data": data.hex()}
            if story.job is not None:
                record["job"] = story.job.hex()
            return record, {"market": f"{story.text}\nfrom {sender}"}
        case Stake() | Unstake() | Register() | Retire():
            asked = make_staking_answer(body.operation)
            text = describe_staking(asked)
            validator = None if asked.validator is None else asked.validator.hex()
            record = {"operation": asked.name, "amount": str(asked.amount), "validator": validator}
            return record, {"staking": f"{text}\nof   {sender}"}
        case _:
            assert_never(body.operation)
