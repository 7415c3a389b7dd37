"""How well a peer behaves: points for faults, forgetting, bans. Pure; time is handed in.

Every fault has a code, and every code a price. Points flow off with time, so that rare accidents are
forgiven; whoever collects ``POINTS_MAX`` is banned for a while. A peer is scored by its identity once it has
proven one, and by its host before that.
"""

from collections import OrderedDict
from typing import Final

from msgspec import Struct

POINTS_MAX: Final = 100
"""Points that lead to a ban."""

POINTS_PER_MINUTE: Final = 10
"""Points that flow off; whoever is banned once has a clean slate ten minutes later."""

BAN_MS: Final = 600_000
"""How long a ban lasts: long enough to make probing slow, short enough for an operator who fixed
something."""

PEERS_MAX: Final = 4_096
"""Most peers remembered; the one that sinned longest ago is forgotten first."""

DEFAULT_POINTS: Final = 20
"""Price of a fault that the table does not name: five of a kind are a ban."""

FAULT_POINTS: Final = {
    # Accidents of networks and operators: they cost nothing.
    "peer-goodbye": 0,
    "session-closed": 0,
    "stream-truncated": 0,
    "handshake-self": 0,
    "handshake-version": 0,
    "handshake-chain": 0,
    # Possible for an honest peer that is overloaded.
    "request-timeout": 2,
    "request-refused": 1,
    "throttled": 5,
    "peer-stalled": 10,
    "peer-silent": 10,
    "handshake-timeout": 10,
    "handshake-truncated": 5,
    # Whoever stands on the path can cause these without the peer's key: the session ends, and another one is
    # made. Were they charged to the identity, one changed byte would part two honest nodes for a ban's time.
    "frame-unauthentic": 0,
    "frame-oversize": 0,
    "frame-undersize": 0,
    "stream-continued": 0,
    # The same for a host, which has proven nothing yet; it pays a little, as a handshake costs a signature.
    "handshake-low-order": 10,
    "handshake-reflected": 10,
    "handshake-unauthentic": 10,
    # Possible for an honest peer that has another view of the ledger for a moment.
    "parent-ancient": 5,
    "parent-newer": 5,
    "parent-refused": 5,
    "work-stale": 5,
    # No honest peer does this: it verifies before it sends, and nobody else can put it into its session.
    "message-unknown": 100,
    "response-unsolicited": 50,
    "encoding-malformed": 100,
    "encoding-oversize": 100,
    "handshake-signature": 100,
    "signature-invalid": 50,
    "work-forged": 50,
    "blob-holdings-false": 50,
    "blob-range-false": 50,
    "chain-wrong": 100,
}
"""Price of each fault; see ``tangle.net.errors`` and the errors of the floors below."""

PeerName = bytes | str
"""An identity (32 bytes), or the host of a stranger."""

_MINUTE_MS: Final = 60_000


class Tolerated(Struct, frozen=True):
    """The peer may go on."""

    points: int
    """What it has collected, in whole points."""


class Banned(Struct, frozen=True):
    """The peer is to be disconnected, and not let in before then."""

    until_ms: int
    """When the ban ends."""


Standing = Tolerated | Banned
"""What to do with a peer."""


class _Record:
    """One peer. Points are kept times a minute's milliseconds, so that their flow is exact."""

    __slots__ = ("banned_until_ms", "points", "updated_ms")

    def __init__(self, now_ms: int) -> None:
        self.points = 0
        self.updated_ms = now_ms
        self.banned_until_ms = 0

    def flow(self, now_ms: int) -> None:
        elapsed_ms = max(0, now_ms - self.updated_ms)
        self.points = max(0, self.points - elapsed_ms * POINTS_PER_MINUTE)
        self.updated_ms = max(now_ms, self.updated_ms)


class PeerScores:
    """The book of faults."""

    def __init__(self, *, peers_max: int = PEERS_MAX) -> None:
        """:param peers_max: how many peers to remember."""
        self._peers_max = peers_max
        self._records: OrderedDict[PeerName, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def on_fault(self, peer: PeerName, code: str, now_ms: int) -> Standing:
        """Count a fault against a peer."""
        price = FAULT_POINTS.get(code, DEFAULT_POINTS)
        if price == 0:
            return self.get_standing(peer, now_ms)
        record = self._records.get(peer)
        if record is None:
            record = self._records[peer] = _Record(now_ms)
            if len(self._records) > self._peers_max:
                self._records.popitem(last=False)
        self._records.move_to_end(peer)
        record.flow(now_ms)
        record.points += price * _MINUTE_MS
        if record.points >= POINTS_MAX * _MINUTE_MS:
            record.banned_until_ms = now_ms + BAN_MS
            record.points = 0
        return self.get_standing(peer, now_ms)

    def forgive(self, peer: PeerName) -> None:
        """Begin anew with a peer: the operator says so."""
        self._records.pop(peer, None)

    def get_points(self, peer: PeerName, now_ms: int) -> int:
        """Points left until a ban, from ``POINTS_MAX`` down to 0."""
        match self.get_standing(peer, now_ms):
            case Tolerated(points):
                return POINTS_MAX - points
            case Banned():
                return 0

    def get_standing(self, peer: PeerName, now_ms: int) -> Standing:
        """How a peer stands. Ask before letting it in, by host and again by identity."""
        record = self._records.get(peer)
        if record is None:
            return Tolerated(0)
        if now_ms < record.banned_until_ms:
            return Banned(record.banned_until_ms)
        record.flow(now_ms)
        return Tolerated(record.points // _MINUTE_MS)
