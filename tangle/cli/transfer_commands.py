"""Moving coins: ``tangle faucet``, and the part of ``tangle wallet`` that asks a node."""

from functools import partial
from pathlib import Path
from typing import Final, assert_never

import anyio
import click
from rich.console import Console
from rich.table import Table

from tangle.api.schemas.forecast import SimulatedAnswer
from tangle.api.schemas.ledger import AccountAnswer, EarningAnswer
from tangle.api.schemas.transactions import (
    MarketCallAnswer,
    StakingAnswer,
    TransactionAnswer,
    TransferAnswer,
)
from tangle.cli.amounts import format_amount, parse_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.errors import NotApplied
from tangle.cli.groups import TangleCommand
from tangle.cli.networks import network_option, open_wallets, resolve_account, resolve_to_read
from tangle.cli.secret_input import get_password, password_file_option
from tangle.cli.signing_commands import emit_simulated
from tangle.cli.staking_texts import describe_staking
from tangle.cli.work_timer import WorkTimer
from tangle.client.client import TangleClient
from tangle.client.sending import Prove
from tangle.core.transactions import Transfer, sign_transaction
from tangle.core.types import PublicKey
from tangle.node.views import TransactionStatus
from tangle.wallet.wallet import SigningAccount

HISTORY_MAX: Final = 1_000
"""Most transactions listed at a time."""

PURPOSES: Final = {
    "program": "deposit back: program",
    "capacity": "bond back: worker",
    "escrow": "escrow back: job",
    "challenge": "bond back: challenge of job",
    "answer": "bond back: answer to job",
    "payment": "paid: job",
    "dispute": "dispute: job",
    "committee": "pay of an epoch's committee",
}
"""What the market and epochs paid for, in words."""

timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, 3_600),
    default=30.0,
    show_default=True,
    help="Seconds to wait until it is final.",
)
"""How patient a command is."""


@click.command(cls=TangleCommand)
@click.argument("recipient")
@timeout_option
@network_option
@pass_context
def faucet(context: CommandContext, recipient: str, timeout_s: float, network: str) -> None:
    """Get coins from a development network's faucet. RECIPIENT is a wallet here or an address."""
    account = resolve_account(open_wallets(context, network), recipient)
    answer, elapsed_s = run_async(_ask_faucet, context.url, account, timeout_s)
    _emit_final(context, answer, elapsed_s, {})


@click.command("send", cls=TangleCommand)
@click.argument("wallet")
@click.argument("recipient")
@click.argument("amount")
@click.option("--max-fee", help="The most to pay, as an amount; the node's suggestion when left out.")
@click.option("--local-work", is_flag=True, help="Do the AI work here instead of on the node.")
@click.option("--dry-run", is_flag=True, help="Tell what it would do and cost, and send nothing.")
@timeout_option
@network_option
@password_file_option
@pass_context
def send(
    context: CommandContext,
    wallet: str,
    recipient: str,
    amount: str,
    max_fee: str | None,
    local_work: bool,
    dry_run: bool,
    timeout_s: float,
    network: str,
    password_file: Path | None,
) -> None:
    """Send AMOUNT from WALLET to RECIPIENT, a wallet here or an address, and wait until it is final.

    AMOUNT is in MST (1.5) or grains (1500000000grains). The key never leaves this machine.
    """
    wallets = open_wallets(context, network)
    transfer = Transfer(resolve_account(wallets, recipient), parse_amount(amount))
    fee = None if max_fee is None else int(parse_amount(max_fee))
    wallets.get(wallet)  # a wrong name is told before a password is asked for
    account = wallets.open(wallet, get_password(context, password_file))
    timer = WorkTimer() if local_work else None
    if dry_run:
        emit_simulated(context, run_async(_rehearse, context.url, account, transfer, fee, timer))
        return
    answer, elapsed_s = run_async(_send, context.url, account, transfer, fee, timer, timeout_s)
    extra = {} if timer is None else {"work_ms": round(timer.elapsed_ms, 3)}
    _emit_final(context, answer, elapsed_s, extra)


@click.command("balance", cls=TangleCommand)
@click.argument("account")
@network_option
@pass_context
def balance(context: CommandContext, account: str, network: str) -> None:
    """Show what ACCOUNT, a wallet here, an address or a public key, holds."""
    key = resolve_to_read(open_wallets(context, network), account)
    answer = run_async(_get_account, context.url, key)
    fields = {
        "address": answer.address,
        "balance": format_amount(answer.balance),
        "stake": _describe_stake(answer),
        "sequence": answer.sequence,
        "pending": answer.pending,
        "checkpoint": answer.checkpoint,
    }
    context.emit_fields(answer, fields)


@click.command("history", cls=TangleCommand)
@click.argument("account")
@click.option(
    "--limit", type=click.IntRange(1, HISTORY_MAX), default=20, show_default=True, help="Most to list."
)
@network_option
@pass_context
def history(context: CommandContext, account: str, limit: int, network: str) -> None:
    """List the transactions of ACCOUNT, a wallet here, an address or a public key, newest first."""
    wallets = open_wallets(context, network)
    key = resolve_to_read(wallets, account)
    items, own = run_async(_get_history, context.url, key, limit)

    def render(console: Console) -> None:
        table = Table("checkpoint", "status", "amount", "fee", "with", "id", box=None, pad_edge=False)
        for item in items:
            is_sender = item.issuer == own
            amount, counterpart = _describe_side(item, is_sender=is_sender)
            table.add_row(
                "-" if item.checkpoint is None else str(item.checkpoint),
                item.reason_code or item.status.value,
                amount,
                format_amount(item.fee) if is_sender and item.fee is not None else "",
                counterpart,
                item.id.hex(),
            )
        console.print(table)

    if items or context.is_json:
        context.emit({"address": own, "transactions": items}, render)
    else:
        context.say("no transactions yet")


@click.command("pending", cls=TangleCommand)
@click.argument("account")
@network_option
@pass_context
def pending(context: CommandContext, account: str, network: str) -> None:
    """List transactions of ACCOUNT that the node has and that are not ordered yet, by their numbers."""
    key = resolve_to_read(open_wallets(context, network), account)
    items = run_async(_get_pending, context.url, key)

    def render(console: Console) -> None:
        table = Table("number", "status", "amount", "with", "id", box=None, pad_edge=False)
        for item in items:
            amount, counterpart = _describe_side(item, is_sender=True)
            table.add_row(str(item.sequence), item.status.value, amount, counterpart, item.id.hex())
        console.print(table)

    if items or context.is_json:
        context.emit({"pending": items}, render)
    else:
        context.say("nothing is pending")


@click.command("earnings", cls=TangleCommand)
@click.argument("account")
@click.option(
    "--limit", type=click.IntRange(1, HISTORY_MAX), default=20, show_default=True, help="Most to list."
)
@network_option
@pass_context
def earnings(context: CommandContext, account: str, limit: int, network: str) -> None:
    """List what ACCOUNT, a wallet here, an address or a public key, got as pay and as fees."""
    key = resolve_to_read(open_wallets(context, network), account)
    items, own = run_async(_get_earnings, context.url, key, limit)

    def render(console: Console) -> None:
        table = Table("checkpoint", "amount", "for", box=None, pad_edge=False)
        for item in items:
            table.add_row(str(item.checkpoint), "+" + format_amount(item.amount), _describe_earning(item))
        console.print(table)

    if items or context.is_json:
        context.emit({"address": own, "earnings": items}, render)
    else:
        context.say("nothing earned yet")


async def _send(
    url: str,
    account: SigningAccount,
    transfer: Transfer,
    max_fee: int | None,
    timer: WorkTimer | None,
    timeout_s: float,
) -> tuple[TransactionAnswer, float]:
    async with TangleClient(url) as client:
        begun_s = anyio.current_time()
        answer = await client.send(
            account.key, transfer, prove=_choose_prover(client, timer), max_fee=max_fee, timeout_s=timeout_s
        )
        return answer, anyio.current_time() - begun_s


async def _rehearse(
    url: str, account: SigningAccount, transfer: Transfer, max_fee: int | None, timer: WorkTimer | None
) -> SimulatedAnswer:
    async with TangleClient(url) as client:
        body = await client.build_body(
            account.public_key, transfer, prove=_choose_prover(client, timer), max_fee=max_fee
        )
        return await client.simulate(sign_transaction(body, account.key))


def _choose_prover(client: TangleClient, timer: WorkTimer | None) -> Prove | None:
    """Who does the AI work: the wallet where there is a timer, and else the node."""
    return None if timer is None else partial(timer.prove, client)


async def _ask_faucet(url: str, account: PublicKey, timeout_s: float) -> tuple[TransactionAnswer, float]:
    async with TangleClient(url) as client:
        begun_s = anyio.current_time()
        identity = await client.request_faucet(account)
        answer = await client.wait_transaction(identity, timeout_s=timeout_s)
        return answer, anyio.current_time() - begun_s


async def _get_account(url: str, account: PublicKey) -> AccountAnswer:
    async with TangleClient(url) as client:
        return await client.get_account(account)


async def _get_history(url: str, account: PublicKey, limit: int) -> tuple[list[TransactionAnswer], str]:
    items: list[TransactionAnswer] = []
    async with TangleClient(url) as client:
        own = (await client.get_account(account)).address
        async for item in client.get_account_transactions(account, page_size=min(limit, 100)):
            items.append(item)
            if len(items) == limit:
                break
    return items, own


async def _get_pending(url: str, account: PublicKey) -> tuple[TransactionAnswer, ...]:
    async with TangleClient(url) as client:
        return await client.get_pending(account)


async def _get_earnings(url: str, account: PublicKey, limit: int) -> tuple[list[EarningAnswer], str]:
    items: list[EarningAnswer] = []
    async with TangleClient(url) as client:
        own = (await client.get_account(account)).address
        async for item in client.get_account_earnings(account, page_size=min(limit, 100)):
            items.append(item)
            if len(items) == limit:
                break
    return items, own


def _describe_stake(answer: AccountAnswer) -> str:
    """What is bound, and what of it leaves."""
    leaving = sum(part.amount for part in answer.leaving)
    text = format_amount(answer.stake)
    return (
        f"{text}, of which {format_amount(leaving)} leave until epoch {answer.leaving[-1].release_epoch}"
        if leaving
        else text
    )


def _describe_earning(item: EarningAnswer) -> str:
    """What an account got something for."""
    about = "" if item.job is None else f" {item.job.hex()[:8]}"
    if item.purpose is not None:
        return f"{PURPOSES.get(item.purpose, item.purpose)}{about}"
    return f"work:{about} #{item.generation}" if item.job is not None else "fees"


def _describe_side(item: TransactionAnswer, *, is_sender: bool) -> tuple[str, str]:
    """What a transaction moves as its account sees it, and with whom or what for."""
    match item.operation:
        case TransferAnswer(recipient=recipient, amount=amount):
            sign = "-" if is_sender else "+"
            return sign + format_amount(amount), recipient if is_sender else item.issuer
        case MarketCallAnswer(held=held, text=text):
            return f"-{format_amount(held)}" if is_sender and held else "", f"market: {text}"
        case StakingAnswer(name=name, amount=amount):
            return (f"-{format_amount(amount)}" if name == "stake" else ""), describe_staking(item.operation)
        case _:
            assert_never(item.operation)


def _emit_final(
    context: CommandContext, answer: TransactionAnswer, elapsed_s: float, extra: dict[str, float]
) -> None:
    """Print a transaction that was waited for.

    :raises NotApplied: it did not apply.
    """
    if answer.status is not TransactionStatus.CHECKPOINTED:
        raise NotApplied(answer.id, answer.status, answer.reason)
    assert isinstance(answer.operation, TransferAnswer), "nothing else is sent here"
    record = {"transaction": answer, "elapsed_s": round(elapsed_s, 3), **extra}
    fields = {
        "transaction": answer.id.hex(),
        "amount": format_amount(answer.operation.amount),
        "to": answer.operation.recipient,
        "fee": format_amount(answer.fee or 0),
        "final": f"checkpoint {answer.checkpoint}, after {elapsed_s:.2f} s",
    }
    if "work_ms" in extra:
        fields["work"] = f"done here in {extra['work_ms']:.1f} ms"
    context.emit_fields(record, fields)
