"""Who gets in: connections by their host before the handshake, nodes by their identity after it.

Faults cost points, and without any left comes a ban, which ends by itself; the operator's bans are beside
them. Hosts that many nodes share (this machine's own, and streams that are no sockets and have none) name
nobody: no rule that the node makes about a single host holds for them, or the nodes of one development
machine would shut each other out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from tangle.core.errors import TangleError
from tangle.core.types import PublicKey
from tangle.net.addresses import Scope, get_scope
from tangle.net.bans import Ban, BanList, Subject, parse_subject
from tangle.net.errors import InvalidAddress, PeerFault
from tangle.net.peers import BAN_MS, Banned, PeerScores, Standing
from tangle.net.throttle import Rate, Throttle
from tangle.node.clock import Clock
from tangle.node.peer import get_now_ms

STRANGERS_MAX: Final = 64
"""Connections that are still shaking hands; more are closed at once."""

HOST_CONNECTIONS_MAX: Final = 8
"""Connections that one host may have, sessions included: a few nodes behind one router, but no crowd."""

TURNED_AWAY_MAX: Final = 16
"""Connections that a full node shakes hands with at a time, only to tell them where else to ask."""

CONNECTION_RATE: Final = Rate(per_second=1, burst=16)
"""Connections that one host may begin: handshakes cost a signature each, and nobody needs many."""


class NotAdmitted(PeerFault):
    """A connection that was closed before the handshake."""

    code = "not-admitted"

    def __init__(self, host: str, reason: str) -> None:
        self.host = host
        super().__init__(f"a connection from {host} was refused: {reason}")


class PeerBanned(TangleError):
    """The end of a session with somebody whom the operator does not want."""

    code = "peer-banned"

    def __init__(self, subject: str) -> None:
        self.subject = subject
        super().__init__(f"{subject} is banned")


class Admission:
    """Counts connections, remembers faults and keeps the bans."""

    def __init__(self, peers_max: int, clock: Clock, bans: Iterable[Ban] = ()) -> None:
        """:param peers_max: most sessions at a time.
        :param clock: tells the wall time in which bans last.
        :param bans: as kept over a restart.
        """
        self.peers_max = peers_max
        self.is_draining = False
        """Whether nobody else is let in."""

        self.bans = BanList(bans)
        self._clock = clock
        self._scores = PeerScores()
        self._throttle: Throttle[str] = Throttle(CONNECTION_RATE)
        self._connections: Counter[str] = Counter()
        self._strangers = 0

    @contextmanager
    def admit(self, host: str, sessions: int) -> Iterator[None]:
        """Hold a place for a connection from ``host`` until the block ends, its session included.

        :param sessions: how many there are; a full node still shakes hands with a few, to tell of others.
        :raises NotAdmitted: there is no place.
        :raises Throttled: the host began too many connections lately.
        """
        if self.is_draining:
            raise NotAdmitted(host, "this node is draining")
        if self._strangers >= (TURNED_AWAY_MAX if sessions >= self.peers_max else STRANGERS_MAX):
            raise NotAdmitted(host, "this node is full")
        if self.is_host_banned(host):
            raise NotAdmitted(host, "it is banned")
        if not _is_shared(host):
            now_ms = get_now_ms()
            if self._connections[host] >= HOST_CONNECTIONS_MAX:
                raise NotAdmitted(host, "it has too many connections")
            self._throttle.take(host, 1, now_ms)
        self._connections[host] += 1
        try:
            yield
        finally:
            self._connections[host] -= 1
            if not self._connections[host]:
                del self._connections[host]

    @contextmanager
    def shake_hands(self, host: str) -> Iterator[None]:
        """Count a stranger while its handshake lasts; what it does wrong is its host's fault.

        :raises TangleError: as the block does.
        """
        self._strangers += 1
        try:
            yield
        except TangleError as error:
            if not _is_shared(host):
                self._blame(parse_subject(host.partition("%")[0]), host, error)
            raise
        finally:
            self._strangers -= 1

    def is_banned(self, identity: PublicKey) -> bool:
        """Whether this node has nothing to do with ``identity`` now."""
        return self.bans.find_identity(identity, self._clock.now_ms()) is not None

    def is_host_banned(self, host: str) -> bool:
        """Whether this node has nothing to do with ``host`` now; never of a name."""
        return self.bans.find_host(host, self._clock.now_ms()) is not None

    def on_fault(self, identity: PublicKey, error: TangleError) -> Standing:
        """A peer did something wrong; answers how it stands now."""
        return self._blame(identity, identity, error)

    def ban(self, subject: Subject, reason: str, duration_ms: int | None) -> Ban:
        """The operator's ban, from now on.

        :param duration_ms: none for ever.
        :raises BansFull: there are too many.
        """
        now_ms = self._clock.now_ms()
        until_ms = 0 if duration_ms is None else now_ms + duration_ms
        return self.bans.add(subject, reason, now_ms, until_ms, is_manual=True)

    def lift(self, subject: Subject) -> bool:
        """End a ban, whoever made it; answers whether there was one."""
        match subject:
            case bytes():
                self._scores.forgive(subject)
            case IPv4Network() | IPv6Network():
                self._scores.forgive(str(subject.network_address))
        return self.bans.remove(subject)

    def list_bans(self) -> tuple[Ban, ...]:
        """The bans that hold now."""
        return self.bans.list_bans(self._clock.now_ms())

    def get_points(self, identity: PublicKey) -> int:
        """Points that a peer has left."""
        return 0 if self.is_banned(identity) else self._scores.get_points(identity, get_now_ms())

    def _blame(self, subject: Subject, name: bytes | str, error: TangleError) -> Standing:
        standing = self._scores.on_fault(name, error.code, get_now_ms())
        if isinstance(standing, Banned):
            now_ms = self._clock.now_ms()
            self.bans.add(subject, error.code, now_ms, now_ms + BAN_MS, is_manual=False)
        return standing


def _is_shared(host: str) -> bool:
    try:
        return get_scope(host) is Scope.MACHINE
    except InvalidAddress:
        return True
