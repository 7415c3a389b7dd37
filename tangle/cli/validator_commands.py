"""``tangle validator``: who orders and who stands for election, and standing oneself."""

from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from tangle.api.schemas.validators import CandidateAnswer, ElectionAnswer, StakeNewsAnswer
from tangle.cli.amounts import format_amount
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.errors import InvalidPossession
from tangle.cli.groups import TangleGroup
from tangle.cli.networks import find_genesis, network_option, open_wallets, resolve_account
from tangle.cli.staking import (
    emit_staked,
    load_validator_key,
    open_signer,
    send_staking,
    signer_options,
)
from tangle.cli.texts import format_span, format_time
from tangle.client.client import TangleClient
from tangle.core.genesis import compute_chain_id
from tangle.core.transactions import Register, Retire
from tangle.core.types import PublicKey, Signature
from tangle.ledger.staking.book import prove_possession

KEY_SIZE: Final = 32
"""Bytes of a public key in a proof of possession; the signature follows."""

PROOF_SIZE: Final = KEY_SIZE + 64
"""Bytes of a proof of possession."""


@click.group(cls=TangleGroup)
def validator() -> None:
    """See who orders, who stands for election, and what the next election would give; stand yourself."""


@validator.command("list")
@pass_context
def list_validators(context: CommandContext) -> None:
    """List the committee and all candidates: stake, work, weight now and after an election now."""
    answer = run_async(_get_validators, context.url)
    context.emit(answer, lambda console: print_election(console, answer))


@validator.command("news")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="Most to list.")
@pass_context
def list_news(context: CommandContext, limit: int) -> None:
    """List elections, pay of committees and burned stakes, newest first."""
    found = run_async(_get_news, context.url, limit)

    def render(console: Console) -> None:
        for item in found:
            console.print(f"{format_time(item.timestamp_ms)}  {item.text}", soft_wrap=True)

    if found or context.is_json:
        context.emit({"news": found}, render)
    else:
        context.say("nothing has happened to stakes yet")


@validator.command("prove")
@click.argument("address")
@network_option
@pass_context
def prove(context: CommandContext, address: str, network: str) -> None:
    """Sign, with the validator's key in the home, that it stands for ADDRESS, a wallet here or an address.

    It needs no node, and the key never leaves this machine. Where the wallet is, hand what is printed to
    tangle validator register --possession.
    """
    owner = resolve_account(open_wallets(context, network), address)
    key, chain = load_validator_key(context), compute_chain_id(find_genesis(context, None))
    possession = (key.public_key + prove_possession(key, owner, chain)).hex()
    record = {"validator": key.public_key.hex(), "possession": possession}
    context.emit(record, lambda console: console.print(possession, soft_wrap=True))


@validator.command("register")
@click.option("--possession", help="What tangle validator prove printed on the validator's machine.")
@signer_options
@pass_context
def register(
    context: CommandContext,
    possession: str | None,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    is_own_key: bool,
    timeout_s: float,
) -> None:
    """Stand for election with the account's stake, with the validator's key in the home.

    When validator and wallet are on two machines, --possession brings the key's signature along.
    """
    proven = None if possession is None else read_possession(possession)
    own = load_validator_key(context) if proven is None else None
    key = open_signer(context, wallet_name, network, password_file, is_own_key=is_own_key)
    if own is not None:
        chain = compute_chain_id(find_genesis(context, None))
        proven = Register(own.public_key, prove_possession(own, key.public_key, chain))
    assert proven is not None, "one of both"
    answer = run_async(send_staking, context.url, key, proven, timeout_s)
    election = run_async(_get_validators, context.url)
    found = [each for each in election.candidates if bytes(each.public_key) == proven.validator]
    weight = f"an election now would give it {found[0].next_share:.1%} of the weight" if found else ""
    emit_staked(context, answer, f"it can be elected at {format_time(election.ends_ms)}; {weight}")


@validator.command("retire")
@signer_options
@pass_context
def retire(
    context: CommandContext,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
    is_own_key: bool,
    timeout_s: float,
) -> None:
    """Stand for no further election. The present epoch is served to its end; the stake stays until taken."""
    key = open_signer(context, wallet_name, network, password_file, is_own_key=is_own_key)
    answer = run_async(send_staking, context.url, key, Retire(), timeout_s)
    emit_staked(context, answer, "keep the node running to the epoch's end, then tangle stake take")


def read_possession(text: str) -> Register:
    """What ``prove`` printed.

    :raises InvalidPossession: it is not that.
    """
    try:
        data = bytes.fromhex(text.strip())
    except ValueError:
        raise InvalidPossession from None
    if len(data) != PROOF_SIZE:
        raise InvalidPossession
    return Register(PublicKey(data[:KEY_SIZE]), Signature(data[KEY_SIZE:]))


def print_election(console: Console, answer: ElectionAnswer) -> None:
    """The committee, and who stands."""
    left_s = max(0, answer.ends_ms - answer.timestamp_ms) / 1_000
    console.print(
        f"epoch {answer.epoch}, {format_span(left_s)} to go; a candidate needs "
        f"{format_amount(answer.stake_min)}; this epoch pays at most {format_amount(answer.pool)}"
    )
    table = Table(
        "validator", "stake", "leaving", "weight", "next", "work", "blocks", "state", box=None, pad_edge=False
    )
    for item in answer.candidates:
        table.add_row(
            item.public_key.hex()[:16] + (" (this node)" if item.is_self else ""),
            format_amount(item.stake),
            format_amount(item.leaving) if item.leaving else "",
            f"{item.share:.1%}" if item.weight else "",
            f"{item.next_share:.1%}" if item.next_weight else "",
            str(item.work + item.fresh),
            str(item.blocks),
            describe_standing(item),
        )
    console.print(table)


def describe_standing(item: CandidateAnswer) -> str:
    """How a candidate stands, in a word or two."""
    if item.jailed_until is not None:
        return f"jailed until epoch {item.jailed_until}"
    if item.retired is not None:
        return f"retired in epoch {item.retired}"
    if item.weight:
        return "orders"
    return "waits for the next epoch" if item.next_weight else "too little stake"


async def _get_validators(url: str) -> ElectionAnswer:
    async with TangleClient(url) as client:
        return await client.get_validators()


async def _get_news(url: str, limit: int) -> tuple[StakeNewsAnswer, ...]:
    async with TangleClient(url) as client:
        return await client.get_stake_news(limit)
