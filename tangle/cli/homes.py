"""Making a home: what is missing is made, what is there is checked and kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct
from nacl.utils import random

from tangle.cli.config_file import render_template
from tangle.cli.errors import GenesisDiffers
from tangle.cli.networks import describe_network, read_genesis
from tangle.core.genesis import Genesis, encode_genesis
from tangle.core.types import PublicKey
from tangle.store.files import PRIVATE_DIRECTORY_MODE, write_private_file
from tangle.store.guard_file import open_guard_file
from tangle.store.home import Home
from tangle.wallet.keyfile import SEED_SIZE, KeyKind, generate_key_file, load_key_file

FAUCET_KEY_NAME: Final = "faucet.key"
"""File of the faucet's key, in a home that founded its network, and in a devnet's directory."""


class MadeHome(Struct, frozen=True):
    """What is in a home now."""

    home: Home
    """Where it is."""

    node_key: PublicKey
    """Names the node to its peers."""

    validator_key: PublicKey | None
    """Signs blocks; None in a home without one."""

    made: tuple[str, ...]
    """Names of the files that were missing and are there now."""


def make_home(path: Path, chain: str, *, is_validator: bool, settings: Mapping[str, object]) -> MadeHome:
    """Make what is missing of a home, and check the keys that are there. No key is ever overwritten.

    :param chain: name of the network, as in its genesis.
    :param is_validator: also make a validator's key; one that is there is kept in any case.
    :param settings: stand uncommented in a new ``config.toml``.
    :raises KeyFileError: a key is damaged, unsafe, or of another network.
    :raises OSError, TangleError: the system refuses to write.
    """
    home = Home(path)
    for directory in (path, home.database):
        directory.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
        directory.chmod(PRIVATE_DIRECTORY_MODE)
    made: list[str] = []
    node_key = ensure_key(home.node_key, KeyKind.NODE, chain, made)
    validator_key = None
    if is_validator or home.validator_key.exists():
        if not home.validator_key.exists() and not home.validator_state.exists():
            # Before the key: a key without its record of what it signed must not be put to work.
            open_guard_file(home.validator_state, create=True)
        validator_key = ensure_key(home.validator_key, KeyKind.VALIDATOR, chain, made)
    if not home.config.exists():
        write_private_file(home.config, render_template(settings).encode())
        made.append(home.config.name)
    return MadeHome(home, node_key, validator_key, tuple(made))


def ensure_key(path: Path, kind: KeyKind, chain: str, made: list[str]) -> PublicKey:
    """The public key in a key file, which is made when it is missing; then its name is added to ``made``.

    :raises KeyFileError: what is there is no key of this kind for this chain.
    """
    if path.exists():
        return load_key_file(path, kind, chain).public_key
    made.append(path.name)
    return generate_key_file(path, kind, chain, random(SEED_SIZE))


def adopt_genesis(home: Home, genesis: Genesis) -> bool:
    """Put a genesis into a home; whether it was missing.

    :raises GenesisDiffers: the home belongs to another network.
    """
    if home.genesis.exists():
        found = read_genesis(home.genesis)
        if encode_genesis(found) != encode_genesis(genesis):
            raise GenesisDiffers(home.path, describe_network(found), describe_network(genesis))
        return False
    write_private_file(home.genesis, encode_genesis(genesis))
    return True
