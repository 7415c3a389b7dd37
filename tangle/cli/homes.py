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
from tangle.core.hashing import compute_home_shard
from tangle.core.signing import SigningKey
from tangle.core.types import PublicKey, Shard
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


def make_home(
    path: Path, chain: str, *, is_validator: bool, settings: Mapping[str, object], shard_bits: int = 0
) -> MadeHome:
    """Make what is missing of a home, and check the keys that are there. No key is ever overwritten.

    :param chain: name of the network, as in its genesis.
    :param is_validator: also make a validator's key; one that is there is kept in any case.
    :param settings: stand uncommented in a new ``config.toml``.
    :param shard_bits: of the network that is being founded: a new validator's account lives in shard 0, where
        the market takes its bonds.
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
        validator_key = ensure_key(home.validator_key, KeyKind.VALIDATOR, chain, made, shard_bits=shard_bits)
    if not home.config.exists():
        write_private_file(home.config, render_template(settings).encode())
        made.append(home.config.name)
    return MadeHome(home, node_key, validator_key, tuple(made))


def ensure_key(path: Path, kind: KeyKind, chain: str, made: list[str], *, shard_bits: int = 0) -> PublicKey:
    """The public key in a key file, which is made when it is missing; then its name is added to ``made``.

    :param shard_bits: a new key's account lives in shard 0 of so many.
    :raises KeyFileError: what is there is no key of this kind for this chain.
    """
    if path.exists():
        return load_key_file(path, kind, chain).public_key
    made.append(path.name)
    seed = random(SEED_SIZE)
    while compute_home_shard(SigningKey(seed).public_key, shard_bits) != 0:
        seed = random(SEED_SIZE)
    return generate_key_file(path, kind, chain, seed)


def adopt_genesis(home: Home, genesis: Genesis) -> bool:
    """Put a genesis into a home; whether it was missing.

    :raises GenesisDiffers: the home belongs to another network.
    """
    if home.genesis.exists():
        found = read_genesis(home.genesis)
        if encode_genesis(found) != encode_genesis(genesis):
            raise GenesisDiffers(home.path, describe_network(found), describe_network(genesis))
        return False
    if genesis.parameters.shard_bits and home.validator_key.exists():
        for shard in range(1 << genesis.parameters.shard_bits):
            _make_guard(home.get_part(Shard(shard)))
    write_private_file(home.genesis, encode_genesis(genesis))
    return True


def _make_guard(part: Home) -> None:
    """What a validator's key signed in one of several shards: nothing yet. One that is there is kept."""
    part.data.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
    part.data.parent.chmod(PRIVATE_DIRECTORY_MODE)
    if not part.validator_state.exists():
        open_guard_file(part.validator_state, create=True)
