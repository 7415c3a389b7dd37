"""What commands about stakes share: who signs, and sending only what would apply."""

from pathlib import Path
from typing import Any

import click

from tangle.api.schemas.transactions import StakingAnswer, TransactionAnswer
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext
from tangle.cli.errors import NotApplied, WouldNotApply
from tangle.cli.networks import find_genesis
from tangle.cli.paying import open_payer, payer_options, timeout_option
from tangle.cli.staking_texts import describe_staking
from tangle.client.client import TangleClient
from tangle.core.signing import SigningKey
from tangle.core.transactions import StakingOperation, sign_transaction
from tangle.node.views import TransactionStatus
from tangle.store.home import Home
from tangle.wallet.keyfile import KeyKind, load_key_file

own_key_option = click.option(
    "--own-key",
    "is_own_key",
    is_flag=True,
    help="Sign with the validator's key in the home instead of a wallet: validators of the genesis stand "
    "with the account of their own key.",
)
"""Whether the home's validator key is the account."""


def signer_options(command: Any) -> Any:
    """Everything that names the account that signs and pays, and how long to wait."""
    for option in (timeout_option, own_key_option):
        command = option(command)
    return payer_options(command)


def open_signer(
    context: CommandContext,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    *,
    is_own_key: bool,
) -> SigningKey:
    """The key of the account whose stake it is.

    :raises TangleError: there is no such wallet or key, or it cannot be opened.
    """
    if is_own_key:
        return load_validator_key(context)
    return open_payer(context, wallet_name, network, password_file).key


def load_validator_key(context: CommandContext) -> SigningKey:
    """The validator's key in the home.

    :raises TangleError: there is none, or no genesis that says for which network it is.
    """
    name = find_genesis(context, None).name.decode("ascii", "replace")
    return load_key_file(Home(context.home).validator_key, KeyKind.VALIDATOR, name)


async def send_staking(
    url: str, key: SigningKey, operation: StakingOperation, timeout_s: float
) -> TransactionAnswer:
    """Rehearse an operation on stakes, send it only when it would apply, and wait until it is final.

    :raises WouldNotApply: the ledger would refuse it as it is now; nothing was sent.
    :raises NotApplied: it was refused when it was ordered; nothing was moved.
    """
    async with TangleClient(url) as client:
        transaction = sign_transaction(await client.build_body(key.public_key, operation), key)
        rehearsed = await client.simulate(transaction)
        if not rehearsed.would_apply:
            raise WouldNotApply(rehearsed.reason or rehearsed.reason_code or "no reason is known")
        await client.submit(transaction)
        answer = await client.wait_transaction(transaction.id, timeout_s=timeout_s)
    if answer.status is not TransactionStatus.CHECKPOINTED:
        raise NotApplied(answer.id, answer.status, answer.reason)
    return answer


def emit_staked(context: CommandContext, answer: TransactionAnswer, after: str) -> None:
    """Print an operation that is final.

    :param after: what comes of it, for people.
    """
    assert isinstance(answer.operation, StakingAnswer), "nothing else was sent"
    fields = {
        "done": describe_staking(answer.operation),
        "account": answer.issuer,
        "fee": format_amount(answer.fee or 0),
        "transaction": answer.id.hex(),
        "final": f"checkpoint {answer.checkpoint}",
        "then": after,
    }
    context.emit_fields({"transaction": answer}, fields)
