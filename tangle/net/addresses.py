"""Where a peer can be reached: a host and a port, the same record in memory and on the wire."""

from enum import IntEnum
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.net.errors import InvalidAddress

HOST_SIZE_MAX: Final = 253
"""Longest host name that the domain name system allows (RFC 1035 section 2.3.4, written out)."""

GROUP_SIZE_MAX: Final = 64
"""Longest name of a group in bytes; a longer host name counts by its beginning."""

_HOST_CHARACTERS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:%")


class Address(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, order=True):
    """A host and a TCP port."""

    host: Annotated[bytes, Meta(min_length=1, max_length=HOST_SIZE_MAX)]
    """ASCII: an IPv4 or IPv6 literal (without brackets), or a name."""

    port: Annotated[int, Meta(ge=1, le=65_535)]
    """TCP port."""

    def __str__(self) -> str:
        host = self.host.decode("ascii", "replace")
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class Scope(IntEnum):
    """From how far away an address can be reached."""

    MACHINE = 0
    NETWORK = 1
    WORLD = 2


def get_scope(host: str) -> Scope:
    """Scope of a host in numbers. What lies outside a peer's own scope is of no use to it, nor its word on
    that to others.

    :raises InvalidAddress: a name, or numbers that no single machine has (multicast, unspecified, reserved).
    """
    try:
        address = ip_address(host)
    except ValueError:
        raise InvalidAddress(host, "peers tell hosts in numbers") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return Scope.MACHINE
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        raise InvalidAddress(host, "no machine has such a host")
    return Scope.NETWORK if address.is_private or address.is_link_local else Scope.WORLD


def compute_group(address: Address) -> bytes:
    """The network that an address is in, as far as one owner may have many of its hosts: 16 bits of an IPv4
    and 32 of an IPv6 host. What is private is the operator's own: each host there counts by itself, and on
    this machine each port; a name does too.
    """
    host = address.host.decode("ascii", "replace")
    try:
        scope = get_scope(host)
    except InvalidAddress:
        return address.host[:GROUP_SIZE_MAX]
    match scope:
        case Scope.MACHINE:
            return b"port %d" % address.port
        case Scope.NETWORK:
            return address.host[:GROUP_SIZE_MAX]
        case Scope.WORLD:
            numbers = ip_address(host)
            if isinstance(numbers, IPv6Address) and numbers.ipv4_mapped is not None:
                numbers = numbers.ipv4_mapped
            return numbers.packed[: 4 if isinstance(numbers, IPv6Address) else 2]


def parse_address(text: str) -> Address:
    """Read ``host:port`` or ``[ipv6]:port``.

    :raises InvalidAddress: it is neither.
    """
    host, separator, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise InvalidAddress(text, "an IPv6 host stands in brackets")
    if not separator:
        raise InvalidAddress(text, "the port is missing")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise InvalidAddress(text, "a port is a number from 1 to 65535")
    if not 1 <= len(host) <= HOST_SIZE_MAX:
        raise InvalidAddress(text, f"a host has 1 to {HOST_SIZE_MAX} characters")
    return check_address(Address(host.encode("utf-8"), int(port)))


def check_address(address: Address) -> Address:
    """The address, if its host holds only characters that a host can have. A peer may send anything.

    :raises InvalidAddress: it does not.
    """
    if not address.host or not _HOST_CHARACTERS.issuperset(address.host):
        raise InvalidAddress(str(address), "a host is letters, digits, dots, dashes and colons")
    return address
