"""How accounts are written in requests and answers of one network."""

import re
from functools import lru_cache
from typing import Final

from tangle.core.address import decode_address, encode_address
from tangle.core.genesis import Genesis
from tangle.core.types import PublicKey

_PUBLIC_KEY_HEX: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


ADDRESSES_MAX: Final = 16_384
"""Addresses remembered, some 200 bytes each: writing one takes 0.1 ms, and the same few are asked for over
and over."""


class AccountCodec:
    """Addresses under one network's prefix."""

    def __init__(self, genesis: Genesis) -> None:
        """:param genesis: names the network's prefix."""
        self._prefix = genesis.parameters.address_prefix.decode("ascii")

    def encode(self, account: PublicKey) -> str:
        """The address of an account on this network."""
        return _encode(self._prefix, account)

    def decode(self, text: str) -> PublicKey:
        """Read an account, written as an address of this network or as a public key in hex.

        :raises InvalidAddress, AddressOfOtherNetwork: it is neither.
        """
        return _decode(self._prefix, text)


@lru_cache(ADDRESSES_MAX)
def _decode(prefix: str, text: str) -> PublicKey:
    if _PUBLIC_KEY_HEX.fullmatch(text):
        return PublicKey(bytes.fromhex(text))
    return decode_address(text, prefix).public_key


@lru_cache(ADDRESSES_MAX)
def _encode(prefix: str, account: PublicKey) -> str:
    return encode_address(prefix, account)
