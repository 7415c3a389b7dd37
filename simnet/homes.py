"""Accounts by their home: keys are tried one after the other until one lives in the shard that needs it.

Where an account lives follows from its address alone, so a wallet of a given shard has to be looked for.
"""

from typing import Final

from simnet.chance import make_key
from simnet.options import SimulationOptions
from tangle.core.hashing import compute_home_shard
from tangle.core.signing import SigningKey
from tangle.core.types import PublicKey, Shard

TRIES_MAX: Final = 1_000
"""Keys that are tried for one account; with eight shards one in eight fits, so more is a fault."""


def make_wallet_key(options: SimulationOptions, index: int) -> SigningKey:
    """Key of a wallet: the shards have them in turn."""
    return _find_key(options, index % options.shards, "wallet", index)


def make_trader_key(options: SimulationOptions, index: int, shard: int) -> SigningKey:
    """Key of an account that uses the market of one shard."""
    return _find_key(options, shard, "trader", index)


def make_forger_key(options: SimulationOptions, node: int, shard: int) -> SigningKey:
    """Key of the account from which an adversary spends in one shard."""
    return _find_key(options, shard, "forger", node)


def make_staker_key(options: SimulationOptions, index: int) -> SigningKey:
    """Key of an account that stakes, which lives where stakes are kept."""
    return _find_key(options, 0, "staker", index)


def find_home(options: SimulationOptions, account: PublicKey) -> Shard:
    """Shard in which an account lives."""
    return compute_home_shard(account, options.shard_bits)


def _find_key(options: SimulationOptions, shard: int, *names: object) -> SigningKey:
    key, tries = make_key(options.seed, *names), 0
    while find_home(options, key.public_key) != shard:
        tries += 1
        assert tries < TRIES_MAX, "a home is drawn evenly"
        key = make_key(options.seed, *names, tries)
    return key
