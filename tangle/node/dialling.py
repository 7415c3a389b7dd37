"""Whom to dial, and what is told of addresses: the configured peers always, others while there are too few.

Addresses come from the operator, from the store, from peers' lists and from peers that dialled and told
where they listen. A peer learns only of addresses that it may be able to reach, a random few at a time, and
its word counts only for such.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from hashlib import blake2b
from typing import Final, Protocol

import anyio
import structlog
from anyio.abc import TaskGroup
from msgspec import Struct

from tangle.core.errors import TangleError
from tangle.core.types import PublicKey
from tangle.net.address_book import BOOK_MAX, PER_SOURCE_MAX, AddressBook
from tangle.net.addresses import Address, Scope, get_scope
from tangle.net.errors import HandshakeSelf, InvalidAddress
from tangle.net.messages import Hello, PeerList, prepare_message
from tangle.node.peer import Peer, get_now_ms
from tangle.node.randomness import Randomness

DIALS_MAX: Final = 4
"""Addresses heard of that are tried at a time: none of them is urgent."""

LOOK_INTERVAL_S: Final = 0.1
"""Least time between two looks for somebody to dial."""

SHARE_MAX: Final = 16
"""Addresses told to a peer at a time: enough to go on from, and no map of the network."""

SHARE_INTERVAL_S: Final = 120.0
"""How often peers are told of addresses after the first time."""

SAVE_INTERVAL_S: Final = 10.0
"""Least time between two writes of the addresses, which are a few kilobytes."""

SAVED_MAX: Final = PER_SOURCE_MAX
"""Addresses kept over a restart: what the book takes from one source."""

SAVED: Final = b"saved"
"""Source of addresses that the store knew."""

log = structlog.get_logger("peers")


class AddressStore(Protocol):
    """Keeps addresses over a restart."""

    def get_addresses(self) -> Sequence[Address]:
        """What was saved last."""

    async def save_addresses(self, addresses: Sequence[Address]) -> None:
        """Keep these from now on."""


class Company(Protocol):
    """Who there is: the sessions, as the dialler asks of them."""

    def get_peers(self) -> Sequence[Peer]:
        """Connected peers."""

    def is_connected(self, identity: PublicKey) -> bool:
        """Whether there is a session with ``identity``."""

    def is_banned(self, identity: PublicKey) -> bool:
        """Whether nobody should dial ``identity`` now."""


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
        store: AddressStore | None,
    ) -> None:
        """:param connect: dials and holds the session to its end; raises ``TangleError`` when none began."""
        self._target = config.target
        self._company = company
        self._connect = connect
        self._randomness = randomness
        self._store = store
        self._book = AddressBook(config.configured, randomness.get_bytes(16))
        self._identities: dict[Address, PublicKey] = {}
        self._listening: dict[PublicKey, Address] = {}
        self._held: set[Address] = set()
        self._attempts: set[Address] = set()
        self._stirred = anyio.Event()
        if store is not None:
            self._book.on_heard(store.get_addresses(), SAVED)

    def __len__(self) -> int:
        return len(self._book)

    async def run(self) -> None:
        """Dial, share and save until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._share_forever)
            tasks.start_soon(self._save_forever)
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
                self._book.on_connected(address)
        if not peer.is_outbound and hello.listen_port and _is_told(peer.host):
            address = Address(peer.host.encode(), hello.listen_port)
            self._listening[peer.public_key] = address
            self._book.on_heard([address], peer.public_key)
            # What a dial has proven counts more than what a peer says of itself.
            self._identities.setdefault(address, peer.public_key)
        self._share(peer)

    def on_list(self, message: PeerList, peer: Peer) -> None:
        """A peer told of addresses.

        :raises InvalidAddress: one of them is none; nothing of the list is taken.
        """
        own = _get_peer_scope(peer)
        heard = [address for address in message.addresses if _get_scope(address) >= own]
        if self._book.on_heard(heard, peer.public_key):
            self._stirred.set()

    def on_left(self, peer: Peer) -> None:
        """A session ended."""
        self._listening.pop(peer.public_key, None)
        self._stirred.set()

    def _dial_due(self, tasks: TaskGroup) -> float | None:
        """Start what is due; answers how long until something else will be, none when nothing is known."""
        now_ms = get_now_ms()
        busy = self._list_busy()
        due = self._book.choose(now_ms, busy, BOOK_MAX, only_configured=True)
        room = self._target - len(self._company.get_peers()) - len(self._attempts) - len(due)
        if room > 0:
            limit = min(room, DIALS_MAX - len(self._attempts))
            due += self._book.choose(now_ms, busy | set(due), max(0, limit))
        for address in due:
            self._held.add(address)
            self._attempts.add(address)
            tasks.start_soon(self._dial, address)
        next_ms = self._book.compute_next_dial_ms(busy | set(due), only_configured=room <= 0)
        return None if next_ms is None else max(0, next_ms - now_ms) / 1_000

    def _list_busy(self) -> set[Address]:
        """Being dialled, in session with us whichever side began it, or banned."""
        company = self._company
        for address in [address for address in self._identities if address not in self._book]:
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
            self._book.on_self(address)
        except TangleError as error:
            log.debug("dial-failed", address=str(address), code=error.code)
        finally:
            self._attempts.discard(address)
            self._held.discard(address)
            self._book.on_failed(address, get_now_ms())
            self._stirred.set()

    async def _share_forever(self) -> None:
        while True:
            await anyio.sleep(SHARE_INTERVAL_S)
            for peer in self._company.get_peers():
                self._share(peer)

    def _share(self, peer: Peer) -> None:
        own = _get_peer_scope(peer)
        known = {*self._book.get_shareable(BOOK_MAX), *self._listening.values()}
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

    async def _save_forever(self) -> None:
        if self._store is None:
            return
        saved = tuple(self._store.get_addresses())
        while True:
            await anyio.sleep(SAVE_INTERVAL_S)
            known = self._book.get_shareable(SAVED_MAX)
            if known != saved:
                saved = known
                await self._store.save_addresses(known)


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
