"""Requests and answers about peers, on the operator's door."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.api.wire import HexDigest, Quantity
from tangle.net.bans import REASON_SIZE_MAX

ADDRESS_LENGTH_MAX: Final = 300
"""Longest text of an address: a name of 253 characters and a port, with room to spare."""

SUBJECT_LENGTH_MAX: Final = 80
"""Longest text of who is banned: a node key has 64 digits."""

BAN_S_MAX: Final = 10 * 365 * 86_400
"""Longest ban with an end, ten years; leave the end out for a longer one."""

AddressText = Annotated[str, Meta(min_length=1, max_length=ADDRESS_LENGTH_MAX)]
SubjectText = Annotated[str, Meta(min_length=1, max_length=SUBJECT_LENGTH_MAX)]


class AddressBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A peer to keep connected."""

    address: AddressText
    """``host:port``, an IPv6 host in brackets."""


class BanBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to keep out."""

    subject: SubjectText
    """A node key in hex, a host in numbers, or a network like ``192.0.2.0/24``."""

    reason: Annotated[str, Meta(max_length=REASON_SIZE_MAX)] = ""
    """Why, for people."""

    duration_s: Annotated[int, Meta(ge=1, le=BAN_S_MAX)] | None = None
    """How long; for ever where it is left out."""


class DrainBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether to let sessions only end."""

    is_draining: bool
    """True: let nobody in and dial nobody; false: do both again."""


class KnownAddressAnswer(Struct, frozen=True):
    """An address of the node's book."""

    address: str
    """``host:port``."""

    is_settled: bool
    """Whether the node's settings name it."""

    is_added: bool
    """Whether the operator added it."""

    is_tried: bool
    """Whether there was a session with it."""

    failures: int
    """Dials in a row that came to nothing."""

    public_key: HexDigest | None
    """Node key of who was there last, as far as it is known."""

    is_connected: bool
    """Whether there is a session with that one now."""


class BanAnswer(Struct, frozen=True):
    """Somebody is kept out."""

    subject: str
    """A node key in hex, or a network."""

    reason: str
    """The code of the last fault, or what the operator wrote."""

    since_ms: Quantity
    """When it began, in Unix time."""

    until_ms: Quantity | None
    """When it ends, in Unix time; none for never."""

    is_manual: bool
    """Whether the operator made it."""


class DrainAnswer(Struct, frozen=True):
    """How the node stands with peers."""

    is_draining: bool
    """Whether sessions only end."""

    sessions: int
    """How many there are."""
