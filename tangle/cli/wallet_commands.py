"""``tangle wallet``: keys of people, on this machine. What needs a node is in ``transfer_commands``."""

from pathlib import Path

import click
from nacl.utils import random
from rich.console import Console
from rich.table import Table

from tangle.cli.context import CommandContext, pass_context
from tangle.cli.credit_command import list_credits
from tangle.cli.groups import TangleGroup
from tangle.cli.networks import network_option, open_wallets
from tangle.cli.qr_code import draw_qr
from tangle.cli.secret_input import (
    confirm_words,
    get_new_password,
    get_password,
    get_words,
    password_file_option,
    show_words,
)
from tangle.cli.transfer_commands import balance, earnings, history, pending, send
from tangle.core.types import Milliseconds
from tangle.node.clock import SystemClock
from tangle.wallet.errors import KeystoreExists
from tangle.wallet.mnemonic import ENTROPY_SIZE, generate_mnemonic, normalize_mnemonic
from tangle.wallet.wallet import DamagedWallet, WalletEntry

account_option = click.option(
    "--account",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Number of the account.",
)
"""Which account under the words."""


@click.group(cls=TangleGroup)
def wallet() -> None:
    """Accounts of yours: make, list, send."""


@wallet.command("new")
@click.argument("name")
@click.option("--label", help="What lists show beside the address; the name when left out.")
@account_option
@network_option
@password_file_option
@pass_context
def create_wallet(
    context: CommandContext,
    name: str,
    label: str | None,
    account: int,
    network: str,
    password_file: Path | None,
) -> None:
    """Make a wallet from 24 new words.

    The words are shown once. On a terminal two of them are asked back before anything is written; with
    --no-input or without a terminal they are part of the answer.
    """
    wallets = open_wallets(context, network)
    _refuse_taken(wallets.get_path(name))
    words = generate_mnemonic(random(ENTROPY_SIZE))
    if context.is_interactive:
        show_words(words)
        confirm_words(words)
    password = get_new_password(context, password_file)
    entry = wallets.create(name, words, password, _get_now_ms(), account=account, label=label)
    _emit_entry(context, entry, wallets.get_path(name), None if context.is_interactive else words)


@wallet.command("import")
@click.argument("name")
@click.option(
    "--words-file",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="File that holds the recovery words; - reads standard input.",
)
@click.option(
    "--keystore",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Wallet file to copy instead, opened by its own password.",
)
@click.option("--label", help="What lists show beside the address; the name when left out.")
@account_option
@network_option
@password_file_option
@pass_context
def import_wallet(
    context: CommandContext,
    name: str,
    words_file: Path | None,
    keystore: Path | None,
    label: str | None,
    account: int,
    network: str,
    password_file: Path | None,
) -> None:
    """Bring a wallet along: from its recovery words, or from its file."""
    if keystore is not None and words_file is not None:
        raise click.UsageError("--words-file and --keystore exclude each other.")
    wallets = open_wallets(context, network)
    _refuse_taken(wallets.get_path(name))
    if keystore is not None:
        entry = wallets.import_keystore(name, keystore, get_password(context, password_file))
    else:
        # Checked before a password is asked for: a mistyped word is better told at once.
        words = normalize_mnemonic(get_words(context, words_file))
        password = get_new_password(context, password_file)
        entry = wallets.create(name, words, password, _get_now_ms(), account=account, label=label)
    _emit_entry(context, entry, wallets.get_path(name), None)


@wallet.command("list")
@network_option
@pass_context
def list_wallets(context: CommandContext, network: str) -> None:
    """List the wallets here; no password is needed."""
    entries = open_wallets(context, network).list_wallets()
    sound = [entry for entry in entries if isinstance(entry, WalletEntry)]
    damaged = [entry for entry in entries if isinstance(entry, DamagedWallet)]

    def render(console: Console) -> None:
        table = Table("name", "label", "address", box=None, pad_edge=False)
        for entry in sound:
            table.add_row(entry.name, entry.account.label, entry.account.address)
        console.print(table)

    record = {
        "wallets": [
            {"name": entry.name, "label": entry.account.label, "address": entry.account.address}
            for entry in sound
        ],
        "damaged": [{"name": entry.name, "reason": str(entry.fault)} for entry in damaged],
    }
    if entries or context.is_json:
        context.emit(record, render)
    else:
        context.say(f"no wallets for {network} yet; make one with: tangle wallet new NAME")
    for entry in damaged:
        context.say(f"{entry.name}: {entry.fault}")


@wallet.command("label")
@click.argument("name")
@click.argument("label")
@network_option
@password_file_option
@pass_context
def label_wallet(
    context: CommandContext, name: str, label: str, network: str, password_file: Path | None
) -> None:
    """Change what lists show beside a wallet's address. Its password is needed, because it vouches for it."""
    wallets = open_wallets(context, network)
    wallets.get(name)  # a wrong name is told before a password is asked for
    entry = wallets.change_label(name, label, get_password(context, password_file))
    record = {"name": name, "label": entry.account.label, "address": entry.account.address}
    context.emit_fields(record, {"wallet": name, "label": entry.account.label})


@wallet.command("address")
@click.argument("name")
@click.option("--qr", "is_drawn", is_flag=True, help="Draw it as a QR code, for a camera.")
@network_option
@pass_context
def show_address(context: CommandContext, name: str, is_drawn: bool, network: str) -> None:
    """Print a wallet's address."""
    account = open_wallets(context, network).get(name).account
    record = {"name": name, "address": account.address, "public_key": account.public_key}

    def render(console: Console) -> None:
        if is_drawn:
            console.print(draw_qr(account.address), soft_wrap=True)
        console.print(account.address, soft_wrap=True)

    context.emit(record, render)


wallet.add_command(send)
wallet.add_command(balance)
wallet.add_command(history)
wallet.add_command(pending)
wallet.add_command(earnings)
wallet.add_command(list_credits)


def _refuse_taken(path: Path) -> None:
    # Before words are shown and written down for nothing.
    if path.exists():
        raise KeystoreExists(path)


def _emit_entry(context: CommandContext, entry: WalletEntry, path: Path, words: str | None) -> None:
    account = entry.account
    record = {
        "name": entry.name,
        "address": account.address,
        "public_key": account.public_key,
        "file": str(path),
    }
    fields = {"wallet": entry.name, "address": account.address, "file": str(path)}
    if words is not None:
        record["words"] = words
        fields["words"] = words
    context.emit_fields(record, fields)


def _get_now_ms() -> Milliseconds:
    return Milliseconds(SystemClock().now_ms())
