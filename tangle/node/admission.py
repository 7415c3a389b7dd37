"""Who gets in: connections by their host before the handshake, nodes by their identity after it.

Hosts that many nodes share (this machine's own, and streams that are no sockets and have none) name nobody:
no rule about a single host holds for them, or the nodes of one development machine would shut each other out.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tangle.core.errors import TangleError
from tangle.core.types import PublicKey
from tangle.net.addresses import Scope, get_scope
from tangle.net.errors import InvalidAddress, PeerFault
from tangle.net.peers import Banned, PeerScores, Standing
from tangle.net.throttle import Rate, Throttle
from tangle.node.peer import get_now_ms

STRANGERS_MAX: Final = 64
"""Connections that are still shaking hands; more are closed at once."""

HOST_CONNECTIONS_MAX: Final = 8
"""Connections that one host may have, sessions included: a few nodes behind one router, but no crowd."""

CONNECTION_RATE: Final = Rate(per_second=1, burst=16)
"""Connections that one host may begin: handshakes cost a signature each, and nobody needs many."""


class NotAdmitted(PeerFault):
    """A connection that was closed before the handshake."""

    code = "not-admitted"

    def __init__(self, host: str, reason: str) -> None:
        self.host = host
        super().__init__(f"a connection from {host} was refused: {reason}")


class Admission:
    """Counts connections and remembers faults."""

    def __init__(self, peers_max: int) -> None:
        """:param peers_max: most sessions at a time."""
        self._peers_max = peers_max
        self._scores = PeerScores()
        self._throttle: Throttle[str] = Throttle(CONNECTION_RATE)
        self._connections: Counter[str] = Counter()
        self._strangers = 0

    @contextmanager
    def admit(self, host: str, sessions: int) -> Iterator[None]:
        """Hold a place for a connection from ``host`` until the block ends, its session included.

        :param sessions: how many there are.
        :raises NotAdmitted: there is no place.
        :raises Throttled: the host began too many connections lately.
        """
        if self._strangers >= STRANGERS_MAX or sessions >= self._peers_max:
            raise NotAdmitted(host, "this node is full")
        if not _is_shared(host):
            now_ms = get_now_ms()
            if isinstance(self._scores.get_standing(host, now_ms), Banned):
                raise NotAdmitted(host, "it is banned")
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
                self._scores.on_fault(host, error.code, get_now_ms())
            raise
        finally:
            self._strangers -= 1

    def is_banned(self, identity: PublicKey) -> bool:
        """Whether this node has nothing to do with ``identity`` now."""
        return isinstance(self._scores.get_standing(identity, get_now_ms()), Banned)

    def on_fault(self, identity: PublicKey, error: TangleError) -> Standing:
        """A peer did something wrong; answers how it stands now."""
        return self._scores.on_fault(identity, error.code, get_now_ms())

    def get_points(self, identity: PublicKey) -> int:
        """Points that a peer has left."""
        return self._scores.get_points(identity, get_now_ms())


def _is_shared(host: str) -> bool:
    try:
        return get_scope(host) is Scope.MACHINE
    except InvalidAddress:
        return True
