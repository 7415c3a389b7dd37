"""Who is kept out, by whom, why, and until when. Pure; time is handed in.

A ban is of an identity, or of a network of hosts (a single host is the smallest). Bans that the node made
itself end soon and stand in a bounded list of which the one that ends first gives way; the operator's are
kept until they end or are lifted. Times are wall time, so that bans outlive a restart.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.core.errors import TangleError
from tangle.core.types import Natural, PublicKey

AUTOMATIC_MAX: Final = 1_024
"""Most bans that the node made itself; beyond it the one that ends first is lifted."""

MANUAL_MAX: Final = 1_024
"""Most bans of the operator; each is looked at whenever somebody connects."""

REASON_SIZE_MAX: Final = 200
"""Longest reason in bytes: a line."""

IDENTITY_SIZE: Final = 32
"""Bytes of an identity."""

Network = IPv4Network | IPv6Network
"""Hosts that share their first bits."""

Subject = PublicKey | Network
"""Whom a ban is of."""


class Ban(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Somebody is kept out."""

    subject: Annotated[str, Meta(max_length=80)]
    """An identity in 64 hex digits, or a network like ``192.0.2.0/24``."""

    reason: Annotated[str, Meta(max_length=REASON_SIZE_MAX)]
    """The code of the last fault, or what the operator wrote."""

    since_ms: Natural
    """When it began, in Unix time."""

    until_ms: Natural
    """When it ends, in Unix time; 0 for never."""

    is_manual: bool
    """Whether the operator made it."""

    def is_over(self, now_ms: int) -> bool:
        """Whether it has ended."""
        return self.until_ms != 0 and now_ms >= self.until_ms


class InvalidSubject(TangleError):
    """What names nobody that can be banned."""

    code = "ban-subject-invalid"

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"{text[:100]!r} is neither a node key in 64 hex digits nor a host or network in numbers"
        )


class BansFull(TangleError):
    """A ban too many."""

    code = "bans-full"

    def __init__(self) -> None:
        super().__init__(f"there are {MANUAL_MAX} bans already; lift some, or ban a network")


class BanList:
    """All bans."""

    def __init__(self, bans: Iterable[Ban] = ()) -> None:
        """:param bans: as kept over a restart."""
        self._bans: dict[Subject, Ban] = {}
        self.version = 0
        """Grows with each change."""
        for ban in bans:
            try:
                self._bans[parse_subject(ban.subject)] = ban
            except InvalidSubject:
                continue  # written by another version; whom it kept out can be banned again

    def add(self, subject: Subject, reason: str, now_ms: int, until_ms: int, *, is_manual: bool) -> Ban:
        """Keep ``subject`` out; a ban of the operator is not replaced by one that the node makes itself.

        :param until_ms: 0 for never.
        :raises BansFull: there are too many of the operator's.
        """
        known = self._bans.get(subject)
        if known is not None and known.is_manual and not is_manual and not known.is_over(now_ms):
            return known
        self.expire(now_ms)
        self._bans.pop(subject, None)
        same = [(ban.until_ms, key) for key, ban in self._bans.items() if ban.is_manual == is_manual]
        if is_manual and len(same) >= MANUAL_MAX:
            raise BansFull
        if not is_manual and len(same) >= AUTOMATIC_MAX:
            del self._bans[min(same, key=lambda each: each[0])[1]]
        ban = Ban(format_subject(subject), reason[:REASON_SIZE_MAX], now_ms, until_ms, is_manual)
        self._bans[subject] = ban
        self.version += 1
        return ban

    def remove(self, subject: Subject) -> bool:
        """Lift a ban; answers whether there was one."""
        if self._bans.pop(subject, None) is None:
            return False
        self.version += 1
        return True

    def find_identity(self, identity: PublicKey, now_ms: int) -> Ban | None:
        """The ban of an identity, if there is one now."""
        ban = self._bans.get(identity)
        return None if ban is None or ban.is_over(now_ms) else ban

    def find_host(self, host: str, now_ms: int) -> Ban | None:
        """A ban of a network that ``host`` is in, if there is one now; names are in none."""
        try:
            address = _unmap(ip_address(host))
        except ValueError:
            return None
        return next(
            (ban for network, ban in self._get_networks() if address in network and not ban.is_over(now_ms)),
            None,
        )

    def list_bans(self, now_ms: int) -> tuple[Ban, ...]:
        """All that hold now, the oldest first."""
        return tuple(ban for ban in self._bans.values() if not ban.is_over(now_ms))

    def expire(self, now_ms: int) -> None:
        """Forget what has ended."""
        over = [subject for subject, ban in self._bans.items() if ban.is_over(now_ms)]
        for subject in over:
            self.remove(subject)

    def _get_networks(self) -> Iterable[tuple[Network, Ban]]:
        return (
            (subject, ban)
            for subject, ban in self._bans.items()
            if isinstance(subject, IPv4Network | IPv6Network)
        )


def parse_subject(text: str) -> Subject:
    """Whom a text names: an identity in hex, or a host or a network in numbers.

    :raises InvalidSubject: nobody.
    """
    try:
        if len(text) == 2 * IDENTITY_SIZE:
            return PublicKey(bytes.fromhex(text))
        network = ip_network(text, strict=False)
    except ValueError:
        raise InvalidSubject(text) from None
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:  # RFC 4291 section 2.5.5.2
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def format_subject(subject: Subject) -> str:
    """The text that ``parse_subject`` reads."""
    match subject:
        case bytes():
            return subject.hex()
        case IPv4Network() | IPv6Network():
            return str(subject)


def _unmap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 host inside an IPv6 one that stands for it."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
