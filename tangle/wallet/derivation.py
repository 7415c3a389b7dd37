"""From one seed to many keys: SLIP-0010 for ed25519.

Every step is hardened: ed25519 has no other kind, and a leaked account key therefore tells nothing about
its siblings. Accounts live at ``m/44'/<coin type>'/<account>'`` (BIP-44 without the two last levels, which
only unhardened keys need).

Coin type 1 is the one that SLIP-0044 gives to the test networks of every coin, and it is what all our
networks use until the main network has a number of its own registered there; the path is stored in every
keystore, so a later number changes nothing for keys that exist.
"""

import hmac
from typing import Final

from msgspec import Struct

from tangle.wallet.errors import InvalidDerivationPath

COIN_TYPE_TEST: Final = 1
"""Test networks of all coins (SLIP-0044)."""

PURPOSE: Final = 44
"""First level of the path (BIP-43, BIP-44)."""

HARDENED: Final = 2**31
"""Added to an index to make the step hardened."""

DEPTH_MAX: Final = 10
"""Deepest path followed; ours have 3 steps. Bounds the work that a path in a file can ask for."""

_SEED_SIZES: Final = range(16, 65)
_INDEX_DIGITS_MAX: Final = 10
_KEY_SIZE: Final = 32


class ExtendedKey(Struct, frozen=True):
    """A node of the tree of keys."""

    secret: bytes
    """Ed25519 seed, 32 bytes."""

    chain_code: bytes
    """32 bytes more that are needed to derive children."""

    def __repr__(self) -> str:
        return "ExtendedKey(...)"


def derive_master(seed: bytes) -> ExtendedKey:
    """The root of the tree (SLIP-0010, "Master key generation").

    :param seed: 16 to 64 bytes; BIP-39 gives 64.
    :raises ValueError: the seed has another length; that is this program's mistake.
    """
    if len(seed) not in _SEED_SIZES:
        raise ValueError(f"a seed has 16 to 64 bytes, not {len(seed)}")
    return _split(hmac.digest(b"ed25519 seed", seed, "sha512"))


def derive_child(parent: ExtendedKey, index: int) -> ExtendedKey:
    """The hardened child of ``parent`` (SLIP-0010, "Private parent key to private child key").

    :param index: 0 ... 2**31 - 1, without the hardening bit.
    :raises ValueError: the index is out of range; paths from people are checked by ``parse_path``.
    """
    if not 0 <= index < HARDENED:
        raise ValueError(f"a hardened index is 0 ... {HARDENED - 1}, not {index}")
    data = b"\x00" + parent.secret + (HARDENED + index).to_bytes(4, "big")
    return _split(hmac.digest(parent.chain_code, data, "sha512"))


def derive_path(seed: bytes, path: str) -> ExtendedKey:
    """Follow ``path`` from the root.

    :raises InvalidDerivationPath: as ``parse_path``.
    """
    node = derive_master(seed)
    for index in parse_path(path):
        node = derive_child(node, index)
    return node


def parse_path(path: str) -> tuple[int, ...]:
    """Read ``m/44'/1'/0'``; every step must be marked hardened.

    :returns: the indices without the hardening bit; empty for ``m``.
    :raises InvalidDerivationPath: not such a path, or a step is not hardened.
    """
    root, *steps = path.split("/", DEPTH_MAX + 1)
    if root != "m":
        raise InvalidDerivationPath(path, "it does not begin with m")
    if len(steps) > DEPTH_MAX:
        raise InvalidDerivationPath(path, f"it has more than {DEPTH_MAX} steps")
    indices = []
    for step in steps:
        digits = step.removesuffix("'")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _INDEX_DIGITS_MAX):
            raise InvalidDerivationPath(path, f"{step[:20]!r} is not a number followed by '")
        if digits == step:
            raise InvalidDerivationPath(path, f"step {step} is not hardened; write {step}'")
        if digits != str(int(digits)) or int(digits) >= HARDENED:
            raise InvalidDerivationPath(path, f"{step!r} is out of range or has leading zeros")
        indices.append(int(digits))
    return tuple(indices)


def format_account_path(account: int, coin_type: int = COIN_TYPE_TEST) -> str:
    """The path of account number ``account``, checked.

    :raises InvalidDerivationPath: a number is out of range.
    """
    path = f"m/{PURPOSE}'/{coin_type}'/{account}'"
    parse_path(path)
    return path


def _split(digest: bytes) -> ExtendedKey:
    return ExtendedKey(digest[:_KEY_SIZE], digest[_KEY_SIZE:])
