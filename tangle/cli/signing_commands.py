"""``tangle tx prepare``, ``sign``, ``simulate``, ``submit``: signing offline, and trying before sending."""

from functools import partial
from pathlib import Path
from typing import assert_never

import click

from tangle.api.convert_transactions import make_staking_answer
from tangle.api.schemas.forecast import SimulatedAnswer
from tangle.api.schemas.transactions import SubmittedAnswer
from tangle.cli.amounts import format_amount, parse_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleCommand
from tangle.cli.networks import network_option, open_wallets, resolve_account
from tangle.cli.secret_input import get_password, password_file_option
from tangle.cli.staking_texts import describe_staking
from tangle.cli.work_timer import WorkTimer
from tangle.client.client import TangleClient
from tangle.core.address import encode_address
from tangle.core.transactions import (
    MarketCall,
    Register,
    Retire,
    Stake,
    Transaction,
    TransactionBody,
    Transfer,
    Unstake,
)
from tangle.core.types import PublicKey
from tangle.wallet.signing_file import (
    SIGNING_FILE_SIZE_MAX,
    WrongSigner,
    read_body,
    read_transaction,
    sign_file,
    write_signing_file,
)
from tangle.wallet.wallet import WalletStore

file_argument = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
"""The file that travels between the machines."""


@click.command("prepare", cls=TangleCommand)
@click.argument("sender")
@click.argument("recipient")
@click.argument("amount")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("transfer.json"),
    show_default=True,
    help="File to write.",
)
@click.option("--max-fee", help="The most to pay, as an amount; the node's suggestion when left out.")
@click.option("--local-work", is_flag=True, help="Do the AI work here instead of on the node.")
@network_option
@pass_context
def prepare_transfer(
    context: CommandContext,
    /,
    sender: str,
    recipient: str,
    amount: str,
    output: Path,
    max_fee: str | None,
    local_work: bool,
    network: str,
) -> None:
    """Write a transfer of AMOUNT from SENDER to RECIPIENT to a file, to be signed offline.

    SENDER and RECIPIENT are addresses or wallets here; no key is needed. The transfer can be sent until its
    anchor is too old: some minutes on a development network.
    """
    wallets = open_wallets(context, network)
    issuer = resolve_account(wallets, sender)
    transfer = Transfer(resolve_account(wallets, recipient), parse_amount(amount))
    fee = None if max_fee is None else int(parse_amount(max_fee))
    timer = WorkTimer() if local_work else None
    body = run_async(_build, context.url, issuer, transfer, fee, timer)
    output.write_bytes(write_signing_file(body))
    record: dict[str, object] = {"file": str(output), **_make_record(body, wallets)}
    fields = {"file": output, **_make_fields(body, wallets)}
    if timer is not None:
        record["work_ms"] = round(timer.elapsed_ms, 3)
        fields["work"] = f"done here in {timer.elapsed_ms:.1f} ms"
    context.emit_fields(record, fields)
    context.say(f"next, where the key is: tangle tx sign {output} WALLET")


@click.command("sign", cls=TangleCommand)
@file_argument
@click.argument("wallet")
@network_option
@password_file_option
@pass_context
def sign_transfer(
    context: CommandContext, /, file: Path, wallet: str, network: str, password_file: Path | None
) -> None:
    """Sign the transaction in FILE with WALLET, after showing what it does. No network is needed.

    FILE is replaced by the signed one.
    """
    wallets = open_wallets(context, network)
    data = _read(file)
    body = read_body(file, data)
    entry = wallets.get(wallet)  # a wrong name is told before a password is asked for
    wanted = encode_address(wallets.prefix, body.issuer)
    if entry.account.address != wanted:
        raise WrongSigner(wanted, entry.account.address)
    if not context.is_json:
        for name, value in _make_fields(body, wallets).items():
            context.say(f"{name:<8} {value}")
    account = wallets.open(wallet, get_password(context, password_file))
    file.write_bytes(sign_file(file, data, account.key))
    transaction = read_transaction(file, file.read_bytes())
    record = {"file": str(file), "transaction": transaction.id.hex(), **_make_record(body, wallets)}
    context.emit_fields(record, {"file": file, "transaction": transaction.id.hex()})
    context.say(f"next, where a node is: tangle tx submit {file}")


@click.command("simulate", cls=TangleCommand)
@file_argument
@pass_context
def simulate_transfer(context: CommandContext, /, file: Path) -> None:
    """Tell what the signed transaction in FILE would do and cost, without sending it.

    It is checked as if it were submitted. Exit status 1 when it would conflict or be refused.
    """
    transaction = read_transaction(file, _read(file))
    emit_simulated(context, run_async(_simulate, context.url, transaction))


@click.command("submit", cls=TangleCommand)
@file_argument
@pass_context
def submit_transfer(context: CommandContext, /, file: Path) -> None:
    """Send the signed transaction in FILE. Sending it again does nothing more."""
    transaction = read_transaction(file, _read(file))
    answer = run_async(_submit, context.url, transaction)
    identity = answer.id.hex()
    fields = {"transaction": identity, "status": answer.status.value, "new": "yes" if answer.is_new else "no"}
    context.emit_fields(answer, fields)
    context.say(f"follow it: tangle tx show {identity}")


def emit_simulated(context: CommandContext, answer: SimulatedAnswer) -> None:
    """Print what a transaction would do; a conflict ends the command with status 1."""
    outcome = "it would apply" if answer.would_apply else f"it would not apply: {answer.reason}"
    fields = {
        "outcome": outcome,
        "fee": f"{format_amount(answer.fee)}, at most {format_amount(answer.max_fee)}",
        "work": "would be counted" if answer.is_work_counted else "would not be counted",
        "balance": "-"
        if answer.balance_after is None
        else f"{format_amount(answer.balance_after)} afterwards",
        "after": f"{answer.pending_before} pending transactions of the same account",
    }
    if answer.known is not None:
        fields["known"] = f"the node has it already: {answer.known.value}"
    if answer.parents_missing:
        fields["missing"] = f"{len(answer.parents_missing)} parents; until they come it would wait"
    context.emit_fields(answer, fields)
    if not answer.would_apply:
        click.get_current_context().exit(1)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SIGNING_FILE_SIZE_MAX + 1)


def _make_record(body: TransactionBody, wallets: WalletStore) -> dict[str, object]:
    record: dict[str, object] = {
        "sender": encode_address(wallets.prefix, body.issuer),
        "sequence": str(body.sequence),
        "max_fee": str(body.max_fee),
        "anchor": str(body.anchor),
        "chain": body.chain.hex(),
    }
    if isinstance(body.operation, Transfer):
        record["recipient"] = encode_address(wallets.prefix, body.operation.recipient)
        record["amount"] = str(body.operation.amount)
    return record


def _make_fields(body: TransactionBody, wallets: WalletStore) -> dict[str, object]:
    fields: dict[str, object] = {"from": encode_address(wallets.prefix, body.issuer)}
    operation = body.operation
    match operation:
        case Transfer(recipient=recipient, amount=amount):
            fields |= {"to": encode_address(wallets.prefix, recipient), "amount": format_amount(amount)}
        case MarketCall(data=data):
            fields["market"] = f"a call of {len(data)} bytes"
        case Stake() | Unstake() | Register() | Retire():
            fields["staking"] = describe_staking(make_staking_answer(operation))
        case _:
            assert_never(operation)
    return fields | {
        "max fee": format_amount(body.max_fee),
        "number": body.sequence,
        "chain": body.chain.hex(),
    }


async def _build(
    url: str, issuer: PublicKey, transfer: Transfer, max_fee: int | None, timer: WorkTimer | None
) -> TransactionBody:
    async with TangleClient(url) as client:
        prove = None if timer is None else partial(timer.prove, client)
        return await client.build_body(issuer, transfer, prove=prove, max_fee=max_fee)


async def _simulate(url: str, transaction: Transaction) -> SimulatedAnswer:
    async with TangleClient(url) as client:
        return await client.simulate(transaction)


async def _submit(url: str, transaction: Transaction) -> SubmittedAnswer:
    async with TangleClient(url) as client:
        return await client.submit(transaction)
