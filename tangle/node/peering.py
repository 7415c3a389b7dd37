"""Peering: keeps sessions with other nodes, and hands what they say to the rooms that answer.

``Admission`` decides who gets in and remembers faults, ``Dialler`` whom to dial. A peer that breaks a rule
loses points; without any left its session ends and, for a while, its welcome. One that sends too much is
read more slowly.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import anyio
import structlog
from anyio.abc import ByteStream, Listener, SocketAttribute, TaskGroup, TaskStatus
from msgspec import Struct
from msgspec.structs import replace

from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, PublicKey, Shard
from tangle.net.addresses import Address
from tangle.net.errors import SessionClosed
from tangle.net.handshake import Role
from tangle.net.messages import (
    Announce,
    BlobRequest,
    Blocks,
    GetBlobHoldings,
    GetBlobRange,
    GetBlocks,
    GetOrdered,
    GetOwnLatest,
    GetRounds,
    GetTransactions,
    Hello,
    LedgerRequest,
    News,
    PeerList,
    Prepared,
    Refused,
    Request,
    Response,
    Transactions,
    prepare_message,
)
from tangle.net.network import Network, get_remote_host
from tangle.net.peers import Banned
from tangle.net.replica_messages import AskReplica, ReplicaRequest, ShowReplica
from tangle.net.session import DEFAULT_TIMING, Session, SessionTiming, establish
from tangle.node.admission import Admission
from tangle.node.dialling import AddressStore, Dialler, DiallingConfig
from tangle.node.peer import Peer, get_now_ms
from tangle.node.randomness import Randomness

HELLO_INTERVAL_S: Final = 0.5
"""How often peers are told how far this node is: lag is noticed within a second."""

RACE_S: Final = 10.0
"""Age up to which two sessions with one peer come from both having dialled at once: a dial and a handshake
take at most five seconds each."""

OVERLOAD_INTERVAL_MS: Final = 1_000
"""How often a peer that sends too much loses points for it: a moment's excess costs it once."""

PEERS_TARGET: Final = 16
"""Peers below which addresses heard of are dialled, where nobody says otherwise."""

log = structlog.get_logger("peers")


class PeerHooks(Protocol):
    """What the node does with what peers say."""

    def make_hello(self) -> Hello:
        """How far this node is."""

    def on_transactions(self, items: Sequence[bytes], peer: "Peer") -> None:
        """New transactions."""

    def on_announce(self, message: Announce, peer: "Peer") -> None:
        """Ids of transactions that the peer has."""

    def on_blocks(self, items: Sequence[bytes], peer: "Peer") -> None:
        """Committee blocks."""

    def answer(self, request: LedgerRequest) -> Response:
        """The response to a request."""

    def on_connected(self, peer: "Peer") -> None:
        """A session began."""


class BlobHooks(Protocol):
    """Who answers for the blobs."""

    def on_request(self, request: BlobRequest, peer: "Peer") -> None:
        """Answer later, from a task: the disk may take its time."""


class ReplicaHooks(Protocol):
    """Who runs programs for others."""

    def on_request(self, request: ReplicaRequest, peer: "Peer") -> None:
        """Answer later, from a task."""


class PeeringConfig(Struct, frozen=True):
    """How this node meets others."""

    listen: Address | None
    peers: tuple[Address, ...]
    """Kept connected, whatever happens."""

    peers_max: int
    """Sessions beyond which nobody is let in."""

    peers_target: int = PEERS_TARGET
    timing: SessionTiming = DEFAULT_TIMING


class Peering:
    """All sessions of this node."""

    def __init__(
        self,
        *,
        network: Network,
        config: PeeringConfig,
        chain: ChainId,
        shard: Shard,
        key: SigningKey,
        randomness: Randomness,
        hooks: PeerHooks,
        addresses: AddressStore | None = None,
    ) -> None:
        """:param addresses: keeps what is known of other nodes over a restart, where that is wanted."""
        self._network = network
        self._config = config
        self._chain = chain
        self._shard = shard
        self._key = key
        self._randomness = randomness
        self._hooks = hooks
        self.blobs: BlobHooks | None = None
        """Answers for the blobs; nobody does while it is none."""
        self.replicas: ReplicaHooks | None = None
        """Runs programs for others; nobody does while it is none."""
        self._peers: dict[PublicKey, Peer] = {}
        self._ordered: list[Peer] = []
        self._admission = Admission(config.peers_max)
        dialling = DiallingConfig(config.peers, config.peers_target)
        self._dialler = Dialler(dialling, self, self._connect, randomness, addresses)

    def get_peers(self) -> list[Peer]:
        """Connected peers, validators first; the same list until the next change."""
        return self._ordered

    def broadcast(self, message: Prepared) -> None:
        """Send to everybody."""
        for peer in self._ordered:
            peer.send(message)

    def is_connected(self, identity: PublicKey) -> bool:
        """Whether there is a session with ``identity``."""
        return identity in self._peers

    def is_banned(self, identity: PublicKey) -> bool:
        """Whether this node has nothing to do with ``identity`` now."""
        return self._admission.is_banned(identity)

    def get_score(self, peer: Peer) -> int:
        """Points that ``peer`` has left until it is banned."""
        return self._admission.get_points(peer.public_key)

    def blame(self, peer: Peer, error: TangleError) -> None:
        """``peer`` sent something that is wrong."""
        log.info("peer-blamed", peer=peer.name, code=error.code)
        if isinstance(self._admission.on_fault(peer.public_key, error), Banned):
            log.warning("peer-banned", peer=peer.name, code=error.code)
            peer.cut(error)

    async def run(self, *, task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen, dial and tell of progress until cancelled. Starts with the port that it listens on."""
        async with anyio.create_task_group() as tasks:
            port = 0
            if self._config.listen is not None:
                listener = await self._network.listen(self._config.listen)
                port = listener.extra(SocketAttribute.local_port, 0)
                tasks.start_soon(self._listen, listener, tasks)
            task_status.started(port)
            tasks.start_soon(self._dialler.run)
            tasks.start_soon(self._say_hello)

    async def _listen(self, listener: Listener[ByteStream], tasks: TaskGroup) -> None:
        async with listener:
            await listener.serve(self._welcome, tasks)

    async def _welcome(self, stream: ByteStream) -> None:
        host = get_remote_host(stream)
        try:
            with self._admission.admit(host, len(self._peers)):
                with self._admission.shake_hands(host):
                    session = await self._establish(stream, Role.RESPONDER)
                await self._hold(session, host, host, is_outbound=False)
        except TangleError as error:
            log.info("connection-refused", host=host, code=error.code)
            await anyio.aclose_forcefully(stream)

    async def _connect(self, address: Address) -> None:
        """Dial and hold a session to its end.

        :raises DialFailed, HandshakeFailed: there was none.
        """
        stream = await self._network.dial(address)
        session = await self._establish(stream, Role.INITIATOR)
        self._dialler.on_established(address, session.peer)
        await self._hold(session, str(address), get_remote_host(stream), is_outbound=True)

    async def _establish(self, stream: ByteStream, role: Role) -> Session:
        secret = self._randomness.get_bytes(32)
        return await establish(stream, role, self._key, self._chain, secret, timing=self._config.timing)

    async def _hold(self, session: Session, address: str, host: str, *, is_outbound: bool) -> None:
        """Run a session to its end, unless the peer is banned or there is a session with it already."""
        peer = Peer(session, address, is_outbound=is_outbound, shard=self._shard, host=host)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run)
            if not self._is_welcome(peer):
                await session.close(b"not-now")
                return
            self._add(peer)
            try:
                peer.send(prepare_message(self._hooks.make_hello()))
                self._hooks.on_connected(peer)
                with peer.scope:
                    await self._listen_to(peer)
            finally:
                self._remove(peer)
            await session.close(b"" if peer.ending is None else peer.ending.code.encode())
        if peer.ending is None and session.ending is not None:
            self._admission.on_fault(peer.public_key, session.ending)
        ending = peer.ending or session.ending
        log.info("peer-left", peer=peer.name, code=None if ending is None else ending.code)

    def _is_welcome(self, peer: Peer) -> bool:
        if self.is_banned(peer.public_key):
            return False
        known = self._peers.get(peer.public_key)
        if known is None:
            return True
        # Nobody dials whom it has a session with: a newcomer that is proven says that the old one is dead,
        # of which this side may hear nothing until a ping is not answered.
        if anyio.current_time() - known.session.statistics().opened_at_s > RACE_S:
            known.cut(SessionClosed(b"replaced"))
            return True
        # Both dialled at once: both keep the session that the one with the smaller key dialled.
        is_preferred = peer.is_outbound == (self._key.public_key < peer.public_key)
        if is_preferred and known.is_outbound != peer.is_outbound:
            known.cut(SessionClosed(b"replaced"))
            return True
        return False

    def _add(self, peer: Peer) -> None:
        log.info("peer-connected", peer=peer.name, address=peer.address)
        self._peers[peer.public_key] = peer
        self._sort()

    def _remove(self, peer: Peer) -> None:
        if self._peers.get(peer.public_key) is peer:
            del self._peers[peer.public_key]
            self._sort()
            self._dialler.on_left(peer)

    def _sort(self) -> None:
        self._ordered = sorted(
            self._peers.values(),
            key=lambda peer: (peer.hello is None or not peer.hello.is_validator, peer.public_key),
        )

    async def _listen_to(self, peer: Peer) -> None:
        blamed_ms = get_now_ms() - OVERLOAD_INTERVAL_MS
        async for message in peer.session:
            overload = await peer.wait_allowance(message)
            if overload is not None and get_now_ms() - blamed_ms >= OVERLOAD_INTERVAL_MS:
                blamed_ms = get_now_ms()
                self.blame(peer, overload)
            try:
                self._process(message, peer)
            except TangleError as error:
                self.blame(peer, error)

    def _process(self, message: News | Request, peer: Peer) -> None:
        match message:
            case Transactions(items):
                self._hooks.on_transactions(items, peer)
            case Announce():
                self._hooks.on_announce(message, peer)
            case Blocks(items):
                self._hooks.on_blocks(items, peer)
            case Hello():
                is_first = peer.hello is None
                peer.on_hello(message)
                if is_first:
                    self._sort()
                    self._dialler.on_hello(peer, message)
            case PeerList():
                self._dialler.on_list(message, peer)
            case GetTransactions() | GetBlocks() | GetRounds() | GetOrdered() | GetOwnLatest():
                self._answer(message, peer)
            case GetBlobHoldings() | GetBlobRange():
                if self.blobs is not None:
                    self.blobs.on_request(message, peer)
                else:
                    peer.send(prepare_message(Refused(message.request, b"blob-unknown")))
            case AskReplica() | ShowReplica():
                if self.replicas is not None:
                    self.replicas.on_request(message, peer)
                else:
                    peer.send(prepare_message(Refused(message.request, b"replica-not-offered")))

    def _answer(self, request: LedgerRequest, peer: Peer) -> None:
        try:
            response = self._hooks.answer(request)
        except TangleError as error:
            response = Refused(request.request, error.code.encode())
        peer.send(prepare_message(replace(response, request=request.request)))

    async def _say_hello(self) -> None:
        while True:
            await anyio.sleep(HELLO_INTERVAL_S)
            if self._ordered:
                self.broadcast(prepare_message(self._hooks.make_hello()))
