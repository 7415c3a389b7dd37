"""Addresses: how a public key is written for people.

An address is the bech32m text (BIP-350) of a version byte and the 32 bytes of an ed25519 public key, under
a prefix that names the network, 63 or 64 characters in all. The prefix keeps a test address from being paid
on the main network; the checksum finds every error of up to four characters, and a single wrong one is
pointed at.

Bech32m works on *symbols*: numbers of 5 bits, each written as one of 32 characters. The codec for symbols
(``encode_bech32m``, ``decode_bech32m``) knows nothing of accounts and is checked by the vectors of BIP-350;
the two functions for addresses stand on top of it.
"""

from typing import Final

from msgspec import Struct

from tangle.core.errors import TangleError
from tangle.core.types import PublicKey

PREFIXES: Final = {"mst": "main", "tmst": "test", "dmst": "devnet"}
"""Human-readable part of an address, and the network that it names."""

ADDRESS_VERSION: Final = 0
"""Version byte of an address that holds an ed25519 public key."""

TEXT_LENGTH_MAX: Final = 90
"""Longest bech32m text (BIP-173): the checksum's promises hold up to this length only."""

_SYMBOLS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
"""The character of each symbol 0 ... 31 (BIP-173)."""

_SYMBOL_BY_CHARACTER: Final = {character: symbol for symbol, character in enumerate(_SYMBOLS)}

_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
"""Coefficients of the BCH code's generator polynomial, times 1, 2, 4, 8 and 16 (BIP-173)."""

_CHECKSUM_TARGET: Final = 0x2BC830A3
"""What the checksum of a whole text must come to; the one difference from plain bech32 (BIP-350)."""

_CHECKSUM_LENGTH: Final = 6
"""Symbols of the checksum: 30 bits."""

_PUBLIC_KEY_SIZE: Final = 32
"""Bytes of an ed25519 public key."""


class InvalidAddress(TangleError):
    """A text that is not an address; ``position`` is the index of the offending character, if known."""

    code = "address-invalid"

    def __init__(self, text: str, reason: str, position: int | None = None) -> None:
        self.text = text
        self.reason = reason
        self.position = position
        shown = text if len(text) <= TEXT_LENGTH_MAX else f"{text[:TEXT_LENGTH_MAX]}..."
        super().__init__(f"address {shown!r} is refused: {reason}")


class AddressOfOtherNetwork(InvalidAddress):
    """A sound address, but of another network than the one asked for."""

    code = "address-network"

    def __init__(self, text: str, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(
            text,
            f"it is for the network {PREFIXES.get(found, 'unknown')} ({found}1...), "
            f"this is the network {PREFIXES.get(expected, 'unknown')} ({expected}1...)",
        )


class Address(Struct, frozen=True):
    """A decoded address."""

    prefix: str
    """Human-readable part, lower case: which network."""

    public_key: PublicKey
    """The account."""


def encode_address(prefix: str, public_key: PublicKey) -> str:
    """Write ``public_key`` as an address under ``prefix``, in lower case.

    :raises ValueError: unknown prefix or wrong length of key; both come from this program, not from a person.
    """
    if prefix not in PREFIXES or len(public_key) != _PUBLIC_KEY_SIZE:
        raise ValueError(f"no address of prefix {prefix!r} holds {len(public_key)} bytes")
    return encode_bech32m(prefix, bytes_to_symbols(bytes([ADDRESS_VERSION]) + public_key))


def decode_address(text: str, prefix: str | None) -> Address:
    """Read an address, in lower or in upper case.

    :param prefix: the network that it must be for; None accepts every known network.
    :raises AddressOfOtherNetwork: it is a sound address for another network.
    :raises InvalidAddress: it is not an address, with the reason and, where known, the position.
    """
    found, symbols = decode_bech32m(text)
    if found not in PREFIXES:
        raise InvalidAddress(
            text, f"no network has the prefix {found!r}; expected {' or '.join(PREFIXES)}", 0
        )
    payload = symbols_to_bytes(text, symbols)
    if not payload or payload[0] != ADDRESS_VERSION:
        version = payload[0] if payload else "missing"
        raise InvalidAddress(text, f"its version is {version}, known is {ADDRESS_VERSION}", len(found) + 1)
    if len(payload) != 1 + _PUBLIC_KEY_SIZE:
        raise InvalidAddress(text, f"it holds {len(payload) - 1} bytes, a public key has {_PUBLIC_KEY_SIZE}")
    if prefix is not None and found != prefix:
        raise AddressOfOtherNetwork(text, found, prefix)
    return Address(found, PublicKey(payload[1:]))


def encode_bech32m(prefix: str, symbols: bytes) -> str:
    """Join prefix, separator, symbols and checksum (BIP-350).

    :param prefix: 1 to 83 lower-case ASCII characters.
    :param symbols: numbers 0 ... 31, one a byte.
    """
    state = _compute_checksum(_expand_prefix(prefix) + symbols + bytes(_CHECKSUM_LENGTH)) ^ _CHECKSUM_TARGET
    checksum = bytes(state >> 5 * place & 31 for place in reversed(range(_CHECKSUM_LENGTH)))
    return prefix + "1" + "".join(_SYMBOLS[symbol] for symbol in symbols + checksum)


def decode_bech32m(text: str) -> tuple[str, bytes]:
    """Split a bech32m text into its prefix (in lower case) and its symbols without the checksum (BIP-350).

    :raises InvalidAddress: it is not bech32m.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise InvalidAddress(text, f"it has {len(text)} characters, the most is {TEXT_LENGTH_MAX}")
    for position, character in enumerate(text):
        if not "!" <= character <= "~":
            raise InvalidAddress(
                text, f"character {position + 1} is not a printable ASCII character", position
            )
    _verify_case(text)
    lowered = text.lower()
    separator = lowered.rfind("1")
    if separator < 1:
        raise InvalidAddress(text, "it has no prefix followed by '1'")
    if len(text) - separator - 1 < _CHECKSUM_LENGTH:
        raise InvalidAddress(text, f"fewer than {_CHECKSUM_LENGTH} characters follow the '1'", separator)
    symbols = bytearray()
    for position in range(separator + 1, len(text)):
        symbol = _SYMBOL_BY_CHARACTER.get(lowered[position])
        if symbol is None:
            raise InvalidAddress(
                text, f"{text[position]!r}, character {position + 1}, is never used", position
            )
        symbols.append(symbol)
    prefix = lowered[:separator]
    residue = _compute_checksum(_expand_prefix(prefix) + symbols) ^ _CHECKSUM_TARGET
    if residue:
        raise _explain_checksum(text, residue, separator)
    return prefix, bytes(symbols[:-_CHECKSUM_LENGTH])


def bytes_to_symbols(data: bytes) -> bytes:
    """Regroup bytes into 5-bit symbols, most significant bit first, padded at the end with zero bits."""
    count = (8 * len(data) + 4) // 5
    number = int.from_bytes(data, "big") << 5 * count - 8 * len(data)
    return bytes(number >> 5 * place & 31 for place in reversed(range(count)))


def symbols_to_bytes(text: str, symbols: bytes) -> bytes:
    """Regroup 5-bit symbols into bytes.

    :param text: the text that the symbols were read from, for the error.
    :raises InvalidAddress: the padding is a whole symbol or more, or not zero: another text holds the same.
    """
    size, padding = divmod(5 * len(symbols), 8)
    number = 0
    for symbol in symbols:
        number = number << 5 | symbol
    if padding > 4 or number & (1 << padding) - 1:
        raise InvalidAddress(text, "the bits after its last byte are not the shortest zero padding")
    return (number >> padding).to_bytes(size, "big")


def _verify_case(text: str) -> None:
    cased = [position for position, character in enumerate(text) if character.isalpha()]
    for position in cased[1:]:
        if text[position].isupper() != text[cased[0]].isupper():
            raise InvalidAddress(text, f"it mixes upper and lower case at character {position + 1}", position)


def _expand_prefix(prefix: str) -> bytes:
    """The prefix as symbols for the checksum: all high bits, a zero, all low bits (BIP-173)."""
    return bytes(ord(c) >> 5 for c in prefix) + b"\x00" + bytes(ord(c) & 31 for c in prefix)


def _advance(state: int) -> int:
    """One step of the checksum: multiply the 30-bit remainder by x, modulo the generator polynomial."""
    top = state >> 25
    state = (state & 0x1FFFFFF) << 5
    for bit, coefficient in enumerate(_GENERATOR):
        if top >> bit & 1:
            state ^= coefficient
    return state


def _compute_checksum(symbols: bytes) -> int:
    state = 1
    for symbol in symbols:
        state = _advance(state) ^ symbol
    return state


def _explain_checksum(text: str, residue: int, separator: int) -> InvalidAddress:
    """Find the one changed character that would explain ``residue``; never offer a correction (BIP-173).

    The code is linear: a wrong symbol at ``distance`` from the end leaves its difference times x ** distance.
    """
    for difference in range(1, 32):
        state = difference
        for position in range(len(text) - 1, separator, -1):
            if state == residue:
                return InvalidAddress(
                    text, f"its checksum does not hold; look at character {position + 1}", position
                )
            state = _advance(state)
    return InvalidAddress(text, "its checksum does not hold: several characters are wrong, missing or added")
