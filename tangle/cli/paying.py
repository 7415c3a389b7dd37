"""Who pays: the wallet of a command about the market, and what every such command does with it."""

from pathlib import Path
from typing import Any, Final

import click

from poi.market.operations import Operation
from tangle.api.schemas.transactions import MarketCallAnswer, TransactionAnswer
from tangle.cli.context import CommandContext
from tangle.cli.errors import NotApplied, WalletUnclear
from tangle.cli.networks import network_option, open_wallets
from tangle.cli.secret_input import get_password, password_file_option
from tangle.client.client import TangleClient
from tangle.node.views import TransactionStatus
from tangle.wallet.wallet import SigningAccount, WalletEntry

SHORT_LENGTH: Final = 16
"""Digits of an id that are enough to name it in a sentence."""

wallet_option = click.option(
    "--wallet",
    "wallet_name",
    envvar="TANGLE_WALLET",
    show_envvar=True,
    help="Wallet that signs and pays; not needed where there is one only.",
)
"""Which wallet."""

timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, 86_400),
    default=60.0,
    show_default=True,
    help="Seconds to wait for each step.",
)
"""How patient a command is."""


def payer_options(command: Any) -> Any:
    """Everything that names a wallet, its network and its password."""
    for option in (password_file_option, network_option, wallet_option):
        command = option(command)
    return command


def open_payer(
    context: CommandContext, name: str | None, network: str, password_file: Path | None
) -> SigningAccount:
    """Open the wallet that pays.

    :raises WalletUnclear: none is named, and there is not exactly one.
    :raises TangleError: there is none of that name, or the password is wrong.
    """
    wallets = open_wallets(context, network)
    if name is None:
        names = tuple(entry.name for entry in wallets.list_wallets() if isinstance(entry, WalletEntry))
        if len(names) != 1:
            raise WalletUnclear(names)
        name = names[0]
    wallets.get(name)  # a wrong name is told before a password is asked for
    return wallets.open(name, get_password(context, password_file))


async def call_market(
    client: TangleClient, payer: SigningAccount, operation: Operation, timeout_s: float
) -> TransactionAnswer:
    """Have the market do something, and wait until it is final.

    :raises ApiProblem: the market would refuse it; nothing was sent.
    :raises NotApplied: it was refused when it was ordered; nothing was moved.
    :raises NotReached: it is not final in time.
    """
    answer = await client.call_market(payer.key, operation, timeout_s=timeout_s)
    if answer.status is not TransactionStatus.CHECKPOINTED:
        raise NotApplied(answer.id, answer.status, answer.reason)
    return answer


def get_call(answer: TransactionAnswer) -> MarketCallAnswer:
    """What a transaction asked of the market."""
    assert isinstance(answer.operation, MarketCallAnswer), "nothing else was sent"
    return answer.operation
