"""Accounts: what the ledger knows of each public key.

An account that nobody has written to is all zero and takes no room. The store keeps 24 bytes per account; the
state digest covers ``key || value`` of every account that is not all zero.
"""

from collections.abc import Callable
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from tangle.core.errors import MalformedEncoding
from tangle.core.types import INTEGER_MAX, Grains, PublicKey, Sequence

_LAYOUT: Final = Layout(">QQQ")

ACCOUNT_SIZE: Final = _LAYOUT.size
"""Bytes of a stored account: balance, sequence and stake, each 64 bits, big-endian."""


class Account(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The state of one account."""

    balance: Grains = Grains(0)
    """Grains that it can spend."""

    sequence: Sequence = Sequence(0)
    """Number that its next transaction must carry."""

    stake: Grains = Grains(0)
    """Grains bound as stake."""


EMPTY_ACCOUNT: Final = Account()
"""What every account is before its first grain."""

AccountReader = Callable[[PublicKey], Account]
"""Looks an account up as of the last checkpoint; ``EMPTY_ACCOUNT`` when it does not exist."""


def encode_account(account: Account) -> bytes:
    """The 24 stored bytes."""
    return _LAYOUT.pack(account.balance, account.sequence, account.stake)


def decode_account(data: bytes) -> Account:
    """Read the 24 stored bytes.

    :raises MalformedEncoding: another length, or a number over 63 bits.
    """
    if len(data) != ACCOUNT_SIZE:
        raise MalformedEncoding("account", f"{len(data)} bytes instead of {ACCOUNT_SIZE}")
    balance, sequence, stake = _LAYOUT.unpack(data)
    if max(balance, sequence, stake) > INTEGER_MAX:
        raise MalformedEncoding("account", "a number over 63 bits")
    return Account(Grains(balance), Sequence(sequence), Grains(stake))


def encode_account_entry(key: PublicKey, account: Account) -> bytes:
    """The 56 bytes that stand for a live account in the state digest: ``key || value``."""
    return key + encode_account(account)
