"""Whom to dial, and what is told of addresses: the configured peers always, others while there are too few.

Addresses come from the operator, from what was kept, from peers' lists and from peers that dialled and told
where they listen. A peer learns only of addresses that it may be able to reach, a random few at a time, and
its word counts only for such.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from hashlib import blake2b
from typing import Final, Protocol

import anyio
import structlog
from anyio.abc import TaskGroup
from msgspec import Struct

from tangle.core.errors import TangleError
from tangle.core.types import PublicKey
from tangle.net.address_book import BOOK_MAX, CONFIGURED_MAX, AddressBook, compute_source_group
from tangle.net.addresses import Address, Scope, get_scope
from tangle.net.errors import HandshakeSelf, InvalidAddress
from tangle.net.messages import Hello, PeerList, prepare_message
from tangle.node.peer import Peer, get_now_ms
from tangle.node.peer_memory import PeerMemory
from tangle.node.randomness import Randomness

DIALS_MAX: Final = 4
"""Addresses heard of that are tried at a time: none of them is urgent."""

LOOK_INTERVAL_S: Final = 0.1
"""Least time between two looks for somebody to dial."""

SHARE_MAX: Final = 16
"""Addresses told to a peer at a time: enough to go on from, and no map of the network."""

SHARE_INTERVAL_S: Final = 120.0
"""How often peers are told of addresses after the first time."""

OUTBOUND_SHARE: Final = 4
"""Of the wanted peers one in so many is dialled by this node, however many have come by themselves: whoever
surrounds it has not chosen these."""

log = structlog.get_logger("peers")


class Company(Protocol):
    """Who there is: the sessions, as the dialler asks of them."""

    def get_peers(self) -> Sequence[Peer]:
        """Connected peers."""

    def is_connected(self, identity: PublicKey) -> bool:
        """Whether there is a session with ``identity``."""

    def is_banned(self, identity: PublicKey) -> bool:
        """Whether nobody should dial ``identity`` now."""

    def is_host_banned(self, host: str) -> bool:
        """Whether nobody should dial ``host`` now."""

    def is_draining(self) -> bool:
        """Whether nobody should be dialled at all."""


class DiallingConfig(Struct, frozen=True):
    """Whom the operator wants."""

    configured: tuple[Address, ...]
    """Kept connected, whatever happens."""

    target: int
    """Peers below which addresses heard of are dialled."""


class Dialler:
    """Decides; the sessions themselves are the caller's."""

    def __init__(
        self,
        config: DiallingConfig,
        company: Company,
        connect: Callable[[Address], Awaitable[None]],
        randomness: Randomness,
        memory: PeerMemory,
    ) -> None:
        """:param connect: dials and holds the session to its end; raises ``TangleError`` when none began.
        :param memory: what was known before a restart.
        """
        self._target = config.target
        self._company = company
        self._connect = connect
        self._randomness = randomness
        self._settled = frozenset(config.configured)
        self.book = AddressBook((*config.configured, *memory.added)[:CONFIGURED_MAX], memory.salt)
        self.book.restore(memory.heard)
        self._identities: dict[Address, PublicKey] = {}
        self._listening: dict[PublicKey, Address] = {}
        self._held: set[Address] = set()
        self._attempts: set[Address] = set()
        self._stirred = anyio.Event()

    def __len__(self) -> int:
        return len(self.book)

    def list_added(self) -> tuple[Address, ...]:
        """What is kept connected beside the peers of the settings."""
        return tuple(address for address in self.book.list_configured() if address not in self._settled)

    def is_settled(self, address: Address) -> bool:
        """Whether the node's settings name ``address``."""
        return address in self._settled

    def find_identity(self, address: Address) -> PublicKey | None:
        """Who was at ``address`` last, as far as it is known."""
        return self._identities.get(address)

    def wake(self) -> None:
        """Something changed: look again for somebody to dial."""
        self._stirred.set()

    async def run(self) -> None:
        """Dial and share until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._share_forever)
            while True:
                self._stirred = anyio.Event()
                pause_s = self._dial_due(tasks)
                with anyio.move_on_after(pause_s):
                    await self._stirred.wait()
                await anyio.sleep(LOOK_INTERVAL_S)

    def on_established(self, address: Address, identity: PublicKey) -> None:
        """The node at ``address`` has proven to be ``identity``."""
        self._attempts.discard(address)
        self._identities[address] = identity

    def on_hello(self, peer: Peer, hello: Hello) -> None:
        """The first word of a session: the peer is willing, and tells where it listens."""
        for address in self._held:
            if self._identities.get(address) == peer.public_key:
                self.book.on_connected(address)
        if not peer.is_outbound and hello.listen_port and _is_told(peer.host):
            address = Address(peer.host.encode(), hello.listen_port)
            self._listening[peer.public_key] = address
            self._hear([address], peer)
            # What a dial has proven counts more than what a peer says of itself.
            self._identities.setdefault(address, peer.public_key)
        self.share(peer)

    def on_list(self, message: PeerList, peer: Peer) -> None:
        """A peer told of addresses.

        :raises InvalidAddress: one of them is none; nothing of the list is taken.
        """
        own = _get_peer_scope(peer)
        heard = [address for address in message.addresses if _get_scope(address) >= own]
        if self._hear(heard, peer):
            self._stirred.set()

    def on_left(self, peer: Peer) -> None:
        """A session ended."""
        self._listening.pop(peer.public_key, None)
        self._stirred.set()

    def _hear(self, addresses: Iterable[Address], peer: Peer) -> int:
        identity = peer.public_key
        return self.book.on_heard(addresses, identity, compute_source_group(peer.host, identity))

    def _dial_due(self, tasks: TaskGroup) -> float | None:
        """Start what is due; answers how long until something else will be, none when nothing is known."""
        if self._company.is_draining():
            return None
        now_ms = get_now_ms()
        busy = self._list_busy()
        due = self.book.choose(now_ms, busy, BOOK_MAX, only_configured=True)
        room = self._compute_room() - len(self._attempts) - len(due)
        if room > 0:
            limit = min(room, DIALS_MAX - len(self._attempts))
            due += self.book.choose(now_ms, busy | set(due), max(0, limit))
        for address in due:
            if self._company.is_host_banned(address.host.decode("ascii", "replace")):
                self.book.on_failed(address, now_ms)
                continue
            self._held.add(address)
            self._attempts.add(address)
            tasks.start_soon(self._dial, address)
        next_ms = self.book.compute_next_dial_ms(busy | set(due), only_configured=room <= 0)
        return None if next_ms is None else max(0, next_ms - now_ms) / 1_000

    def _compute_room(self) -> int:
        """How many more peers are wanted."""
        return max(self._target - len(self._company.get_peers()), self.compute_places())

    def compute_places(self) -> int:
        """Places for peers that are kept for those that this node dials, and are not taken."""
        outbound = sum(peer.is_outbound for peer in self._company.get_peers())
        return max(0, self._target // OUTBOUND_SHARE - outbound)

    def _list_busy(self) -> set[Address]:
        """Being dialled, in session with us whichever side began it, or banned."""
        company = self._company
        for address in [address for address in self._identities if address not in self.book]:
            del self._identities[address]
        known = {
            address
            for address, identity in self._identities.items()
            if company.is_connected(identity) or company.is_banned(identity)
        }
        return known | self._held

    async def _dial(self, address: Address) -> None:
        try:
            await self._connect(address)
        except HandshakeSelf:
            self.book.on_self(address)
        except TangleError as error:
            log.debug("dial-failed", address=str(address), code=error.code)
        finally:
            self._attempts.discard(address)
            self._held.discard(address)
            self.book.on_failed(address, get_now_ms())
            self._stirred.set()

    async def _share_forever(self) -> None:
        while True:
            await anyio.sleep(SHARE_INTERVAL_S)
            for peer in self._company.get_peers():
                self.share(peer)

    def share(self, peer: Peer) -> None:
        """Tell a peer of some others."""
        own = _get_peer_scope(peer)
        known = {*self.book.get_shareable(BOOK_MAX), *self._listening.values()}
        useful = [
            address
            for address in known
            if _is_told(address.host.decode())
            and _get_scope(address) >= own
            and self._identities.get(address) != peer.public_key
        ]
        shared = _draw(useful, SHARE_MAX, self._randomness.get_bytes(16))
        if shared:
            peer.send(prepare_message(PeerList(tuple(shared))))


def _draw(addresses: Collection[Address], count: int, key: bytes) -> list[Address]:
    """A random ``count`` of them."""

    def compute_order(address: Address) -> bytes:
        return blake2b(str(address).encode(), digest_size=8, key=key).digest()

    return sorted(addresses, key=compute_order)[:count]


def _get_scope(address: Address) -> Scope:
    return get_scope(address.host.decode("ascii", "replace"))


def _is_told(host: str) -> bool:
    """Whether peers may be told of this host: not of names, which only the operator may have looked up."""
    try:
        get_scope(host)
    except InvalidAddress:
        return False
    return True


def _get_peer_scope(peer: Peer) -> Scope:
    """How near a peer is; one whose stream is no socket is in this process."""
    return get_scope(peer.host) if peer.host else Scope.MACHINE
