"""The faucet's accounts: one in every shard, all of them from the secret of one key file.

An account lives where the hash of its key says, so the key of a given shard has to be looked for: seeds
follow from the file's secret, the shard and a counter, and the first that fits is taken. The key of the file
itself is the one of its own shard.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Final

from tangle.core.hashing import compute_home_shard
from tangle.core.signing import SigningKey
from tangle.core.types import Shard
from tangle.wallet.keyfile import SEED_SIZE, KeyKind, load_key_file, read_key_file

TRIES_MAX: Final = 100_000
"""Keys that are tried for one shard; of 256 shards each takes 256 on average, so more is a fault."""

_PURPOSE: Final = b"tangle/faucet"


def load_faucet_keys(path: Path, chain: str, shard_bits: int) -> tuple[SigningKey, ...]:
    """The faucet's keys by shard, from its key file.

    :param chain: name of the network, as in its genesis.
    :raises KeyFileError: as ``load_key_file``.
    """
    load_key_file(path, KeyKind.FAUCET, chain)
    return derive_faucet_keys(bytes.fromhex(read_key_file(path).secret), shard_bits)


def derive_faucet_keys(seed: bytes, shard_bits: int) -> tuple[SigningKey, ...]:
    """The faucet's keys by shard.

    :param seed: the secret of the key file, 32 bytes.
    """
    first = SigningKey(seed)
    home = compute_home_shard(first.public_key, shard_bits)
    return tuple(
        first if shard == home else _find_key(seed, Shard(shard), shard_bits)
        for shard in range(1 << shard_bits)
    )


def _find_key(seed: bytes, shard: Shard, shard_bits: int) -> SigningKey:
    for attempt in range(TRIES_MAX):
        message = shard.to_bytes(2, "big") + attempt.to_bytes(4, "big")
        key = SigningKey(blake2b(message, key=seed, digest_size=SEED_SIZE, person=_PURPOSE).digest())
        if compute_home_shard(key.public_key, shard_bits) == shard:
            return key
    raise AssertionError("a home is drawn evenly")
