"""Where wallets and genesis files are looked for."""

from pathlib import Path
from typing import Final

import click
from nacl.utils import random

from tangle.cli.context import CommandContext
from tangle.cli.errors import GenesisMissing
from tangle.core.address import PREFIXES, decode_address
from tangle.core.genesis import GENESIS_SIZE_MAX, Genesis, compute_chain_id, decode_genesis
from tangle.core.types import PublicKey
from tangle.wallet.keystore import COST_DEFAULT, DerivationCost
from tangle.wallet.wallet import WalletStore

GENESIS_NAME: Final = "genesis.cbor"
"""File of the network's genesis in a home, and in a devnet's directory."""

PASSWORD_COST: DerivationCost = COST_DEFAULT
"""Of trying one password of a wallet made here; tests make it cheaper."""

HEX_LENGTH: Final = 64
"""Characters of a public key in hex."""

PREFIX_BY_NETWORK: Final = {network: prefix for prefix, network in PREFIXES.items()}
"""Human-readable part of a network's addresses by its name."""

network_option = click.option(
    "--network",
    type=click.Choice(list(PREFIX_BY_NETWORK)),
    default="devnet",
    envvar="TANGLE_NETWORK",
    show_envvar=True,
    show_default=True,
    help="Network whose wallets are meant.",
)
"""Which network's wallets a command means."""


def open_wallets(context: CommandContext, network: str) -> WalletStore:
    """The wallets of a network: each has a directory of its own, so names may repeat."""
    return WalletStore(context.home / "wallets" / network, PREFIX_BY_NETWORK[network], random, PASSWORD_COST)


def resolve_account(wallets: WalletStore, text: str) -> PublicKey:
    """The account that a person means: an address, or the name of a wallet here.

    :raises InvalidAddress: an address with a mistake, or of another network.
    :raises TangleError: no wallet of that name.
    """
    # A wallet's name has at most 40 characters, an address has 63 or 64.
    if len(text) > 40 or text.lower().startswith(tuple(f"{prefix}1" for prefix in PREFIXES)):
        return decode_address(text, wallets.prefix).public_key
    return PublicKey(bytes.fromhex(wallets.get(text).account.public_key))


def resolve_to_read(wallets: WalletStore, text: str) -> PublicKey:
    """The account that a person wants to look at; also a public key in hex, as validators are named.

    Not for sending: hex has no check, and a slip of the finger would be somebody else's account.

    :raises TangleError: as ``resolve_account``.
    """
    if len(text) == HEX_LENGTH:
        try:
            return PublicKey(bytes.fromhex(text))
        except ValueError:
            pass  # an address may be as long
    return resolve_account(wallets, text)


def find_genesis(context: CommandContext, path: Path | None) -> Genesis:
    """The genesis in a file, or else that of the home, or else that of the home's devnet.

    :raises GenesisMissing: none is there.
    :raises TangleError: it does not decode.
    """
    places = (path,) if path is not None else get_genesis_places(context)
    for place in places:
        if place.exists():
            return read_genesis(place)
    raise GenesisMissing(places)


def read_genesis(path: Path) -> Genesis:
    """Read one genesis file.

    :raises OSError: it cannot be read.
    :raises TangleError: it does not decode.
    """
    with path.open("rb") as file:
        return decode_genesis(file.read(GENESIS_SIZE_MAX + 1))


def get_genesis_places(context: CommandContext) -> tuple[Path, ...]:
    """Where a genesis is looked for."""
    return (context.home / GENESIS_NAME, context.home / "devnet" / GENESIS_NAME)


def describe_network(genesis: Genesis) -> str:
    """Name and chain of a network, for people."""
    return f"{genesis.name.decode('ascii', 'replace')} (chain {compute_chain_id(genesis).hex()})"
