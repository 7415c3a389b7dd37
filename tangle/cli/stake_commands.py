"""``tangle stake``: binding grains, taking them back, and what is bound."""

from pathlib import Path

import click

from tangle.api.schemas.ledger import AccountAnswer
from tangle.api.schemas.validators import CandidateDetailAnswer, ElectionAnswer
from tangle.cli.amounts import format_amount, parse_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.groups import TangleGroup
from tangle.cli.networks import network_option, open_wallets, resolve_to_read
from tangle.cli.staking import emit_staked, open_signer, send_staking, signer_options
from tangle.cli.texts import format_time
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem
from tangle.core.transactions import Stake, Unstake
from tangle.core.types import PublicKey


@click.group(cls=TangleGroup)
def stake() -> None:
    """Bind coins as a validator's stake, take them back, and see what is bound.

    AMOUNT is in MST (1.5) or grains (1500000000grains). Stakes are kept in shard 0.
    """


@stake.command("add")
@click.argument("amount")
@signer_options
@pass_context
def add(
    context: CommandContext,
    amount: str,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    is_own_key: bool,
    timeout_s: float,
) -> None:
    """Bind AMOUNT of the account as stake. Alone it does nothing; see tangle validator register."""
    operation = Stake(parse_amount(amount))
    key = open_signer(context, wallet_name, network, password_file, is_own_key=is_own_key)
    answer = run_async(send_staking, context.url, key, operation, timeout_s)
    emit_staked(context, answer, "it counts at the end of this epoch, once a key stands with it")


@stake.command("take")
@click.argument("amount")
@signer_options
@pass_context
def take(
    context: CommandContext,
    amount: str,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    is_own_key: bool,
    timeout_s: float,
) -> None:
    """Take AMOUNT of the stake back. It stays bound for some epochs, and can be burned until then."""
    operation = Unstake(parse_amount(amount))
    key = open_signer(context, wallet_name, network, password_file, is_own_key=is_own_key)
    answer = run_async(send_staking, context.url, key, operation, timeout_s)
    account, _, _ = run_async(_look, context.url, key.public_key)
    last = account.leaving[-1] if account.leaving else None
    after = "" if last is None else f"it is a balance again from {format_time(last.release_ms)} on"
    emit_staked(context, answer, after)


@stake.command("show")
@click.argument("account")
@network_option
@pass_context
def show(context: CommandContext, account: str, network: str) -> None:
    """Show the stake of ACCOUNT, a wallet here, an address or a public key, and what it stands for."""
    key = resolve_to_read(open_wallets(context, network), account)
    answer, election, detail = run_async(_look, context.url, key)
    leaving = sum(part.amount for part in answer.leaving)
    fields = {
        "account": answer.address,
        "balance": format_amount(answer.balance),
        "stake": format_amount(answer.stake),
        "free": f"{format_amount(answer.stake - leaving)} can be taken back",
        "leaving": "\n".join(
            f"{format_amount(part.amount)} until epoch {part.release_epoch}, {format_time(part.release_ms)}"
            for part in answer.leaving
        )
        or "nothing",
        "epoch": f"{election.epoch}, until {format_time(election.ends_ms)}",
        "stands": "no: tangle validator register"
        if detail is None
        else f"with the key {detail.candidate.public_key.hex()}, "
        f"weight {detail.candidate.share:.1%} now, {detail.candidate.next_share:.1%} next",
    }
    context.emit_fields({"account": answer, "validator": detail}, fields)


async def _look(
    url: str, key: PublicKey
) -> tuple[AccountAnswer, ElectionAnswer, CandidateDetailAnswer | None]:
    async with TangleClient(url) as client:
        answer, election = await client.get_account(key), await client.get_validators()
        try:
            return answer, election, await client.get_validator(key)
        except ApiProblem as problem:
            if problem.code != "not-found":
                raise
            return answer, election, None
