"""What somebody on the path can do to the bytes of a connection, and who must notice.

A stream of the operating system keeps its bytes in order, so an honest network shows as time only. Whoever
stands on the path can do more: send a piece twice, change the order, put in something that was sent earlier,
turn a bit, or play the beginning of an old connection again. Sessions are chains of authenticated frames, so
none of this may be taken for a message: the session ends, and another one is made. A session that lives on
for ``NOTICE_S`` after its stream was tampered with is a finding.
"""

from collections import Counter, deque
from enum import Enum
from typing import Final

import anyio
from msgspec import Struct

from simnet.chance import Chance
from simnet.streams import Pipe
from tangle.net.handshake import OPENING_SIZE, PROOF_SIZE

NOTICE_S: Final = 45.0
"""Longest life of a session whose bytes were tampered with: a length that was changed makes the reader wait
for more, until a ping is not answered (15 s to the next, and 20 s of patience)."""

MEMORY_PACKETS: Final = 16
"""Packets of each link that can be played again; beyond it the oldest is forgotten."""

BEGINNING_PACKETS: Final = 4
"""Packets with which a connection begins: opening, proof, and the first frames."""

WELCOME_BYTES: Final = OPENING_SIZE + PROOF_SIZE
"""What a stranger is answered; more goes only to whoever has proven an identity."""


class Tampering(Enum):
    """What happens to a piece of a stream."""

    DUPLICATED = "duplicated"
    """It comes twice."""

    REORDERED = "reordered"
    """It comes after the next one."""

    REPLAYED = "replayed"
    """An earlier one comes again behind it, of this connection or of one before."""

    CHANGED = "changed"
    """One of its bits is turned."""


OLD_HANDSHAKE: Final = "handshake-replayed"
"""The beginning of an earlier connection, played again on a new one."""

TRICKS: Final = (*(each.value for each in Tampering), OLD_HANDSHAKE)
"""Names of everything that somebody on a path does."""


class Breach(Struct, frozen=True):
    """A connection that somebody tampered with and that lives on, or a stranger who was let in."""

    source: str
    target: str
    detail: str


class Tamperer:
    """Everybody on the paths of one network: what they saw, what they did, and what came of it."""

    def __init__(self, chance: Chance) -> None:
        self.counts: Counter[str] = Counter()
        """How often each kind of tampering was done."""

        self._chance = chance
        self._seen: dict[tuple[str, str], deque[bytes]] = {}
        self._beginnings: dict[tuple[str, str], tuple[str, list[bytes]]] = {}
        self._tampered: dict[str, tuple[Pipe, float]] = {}

    def watch(self, pipe: Pipe, packet: bytes) -> None:
        """See a packet go by."""
        link = (pipe.source, pipe.target)
        self._seen.setdefault(link, deque(maxlen=MEMORY_PACKETS)).append(packet)
        name, beginning = self._beginnings.get(link, ("", []))
        if name != pipe.name and pipe.is_dialled:
            name, beginning = pipe.name, []
            self._beginnings[link] = (name, beginning)
        if name == pipe.name and len(beginning) < BEGINNING_PACKETS:
            beginning.append(packet)

    def get_beginning(self, source: str, target: str) -> tuple[bytes, ...]:
        """What ``source`` said first when it dialled ``target`` last."""
        return tuple(self._beginnings.get((source, target), ("", []))[1])

    def tamper(self, pipe: Pipe, packet: bytes, how: Tampering) -> tuple[bytes, ...]:
        """What travels instead of a packet; nothing where it is held until the next one."""
        self.counts[how.value] += 1
        self._tampered.setdefault(pipe.name, (pipe, anyio.current_time()))
        match how:
            case Tampering.DUPLICATED:
                pipe.count_extra(len(packet))
                return packet, packet
            case Tampering.REORDERED:
                pipe.held.append(packet)
                return ()
            case Tampering.REPLAYED:
                earlier = self._chance.choice(self._seen[pipe.source, pipe.target])
                pipe.count_extra(len(earlier))
                return packet, earlier
            case Tampering.CHANGED:
                place = self._chance.randrange(len(packet))
                bit = 1 << self._chance.randrange(8)
                return (packet[:place] + bytes([packet[place] ^ bit]) + packet[place + 1 :],)

    def find_breach(self) -> Breach | None:
        """A stream that was tampered with and is read after all this time; those that ended are forgotten."""
        now_s = anyio.current_time()
        self._tampered = {name: each for name, each in self._tampered.items() if not each[0].is_over}
        for pipe, since_s in self._tampered.values():
            if now_s - since_s > NOTICE_S:
                detail = f"{pipe.target} reads on {now_s - since_s:.1f} s after its stream was tampered with"
                return Breach(pipe.source, pipe.target, detail)
        return None
