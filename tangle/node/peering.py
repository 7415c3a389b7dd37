"""Peering: keeps sessions with other nodes, and hands what they say to the rooms that answer.

``Admission`` decides who gets in and remembers faults, ``Dialler`` whom to dial; what both know outlives a
restart. A peer that breaks a rule loses points, and its session with the last; one that sends too much is
read more slowly. One without a place is told of others, so that a network grows from one address.
"""

from collections import Counter
from functools import partial
from typing import Final

import anyio
import structlog
from anyio.abc import ByteStream, Listener, SocketAttribute, TaskGroup, TaskStatus
from msgspec import Struct
from msgspec.structs import replace

from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, PublicKey, Shard
from tangle.net.address_book import SALT_SIZE
from tangle.net.addresses import Address
from tangle.net.bundle_messages import GetBundle
from tangle.net.errors import SessionClosed, Throttled
from tangle.net.handshake import Role
from tangle.net.ledger_messages import (
    GetBlocks,
    GetEpochEnd,
    GetOrdered,
    GetOwnLatest,
    GetRounds,
    GetTransactions,
    LedgerRequest,
)
from tangle.net.line import LineCaps
from tangle.net.messages import (
    Announce,
    Blocks,
    GetBlobHoldings,
    GetBlobRange,
    Hello,
    News,
    PeerList,
    Prepared,
    Refused,
    Request,
    Transactions,
    prepare_message,
)
from tangle.net.network import Network, get_remote_host
from tangle.net.peers import Banned
from tangle.net.replica_messages import AskReplica, ShowReplica
from tangle.net.session import Session, establish
from tangle.net.session_timing import DEFAULT_TIMING, SessionTiming
from tangle.net.snapshot_messages import GetSnapshots
from tangle.node.admission import Admission, PeerBanned
from tangle.node.clock import Clock
from tangle.node.dialling import Dialler, DiallingConfig
from tangle.node.peer import Peer, PeerKind, get_now_ms
from tangle.node.peer_hooks import (
    NO_ROOM,
    BlobHooks,
    BundleHooks,
    PeerHooks,
    ReplicaHooks,
    RoomRequest,
    SnapshotHooks,
)
from tangle.node.peer_memory import PeerMemory, PeerStore
from tangle.node.randomness import Randomness

HELLO_INTERVAL_S: Final = 0.5
"""How often peers are told how far this node is: lag is noticed within a second."""

SHOWN_LAG_ROUNDS: Final = 8
"""Rounds by which a peer is behind when it is shown the newest blocks: authors tell only their own peers of a
block, and a node that no validator is connected to would not know that it is behind."""

RACE_S: Final = 10.0
"""Age up to which two sessions with one peer come from both having dialled at once: a dial and a handshake
take at most five seconds each."""

OVERLOAD_INTERVAL_MS: Final = 1_000
"""How often a peer that sends too much loses points for it: a moment's excess costs it once."""

PEERS_TARGET: Final = 16
"""Peers below which addresses heard of are dialled, where nobody says otherwise."""

SAVE_INTERVAL_S: Final = 10.0
"""Least time between two writes of what is known of others; what the operator says is written at once."""

log = structlog.get_logger("peers")


class Caps(Struct, frozen=True):
    """Bandwidth in bytes a second; 0 for no cap. See ``tangle.net.line``."""

    upload: int = 0
    """To all peers together."""

    download: int = 0
    """From all peers together."""

    upload_peer: int = 0
    """To each."""

    download_peer: int = 0
    """From each."""


class Traffic(Struct, frozen=True):
    """Bytes since the node started."""

    bytes_in: int
    bytes_out: int


class PeeringConfig(Struct, frozen=True):
    """How this node meets others."""

    listen: Address | None
    peers: tuple[Address, ...]
    """Kept connected, whatever happens."""

    peers_max: int
    """Sessions beyond which nobody is let in."""

    peers_target: int = PEERS_TARGET
    caps: Caps = Caps()
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
        clock: Clock,
        store: PeerStore | None = None,
    ) -> None:
        """:param store: keeps what is known of other nodes over a restart, where that is wanted."""
        self._network = network
        self._config = config
        self._chain = chain
        self._shard = shard
        self._key = key
        self._randomness = randomness
        self._hooks = hooks
        self.snapshots: SnapshotHooks | None = None
        """Knows which snapshots there are; nobody does while it is none."""
        self.blobs: BlobHooks | None = None
        """Answers for the blobs; nobody does while it is none."""
        self.bundles: BundleHooks | None = None
        self.replicas: ReplicaHooks | None = None
        """Runs programs for others; nobody does while it is none."""
        self._peers: dict[PublicKey, Peer] = {}
        self._ordered: list[Peer] = []
        self._store = store
        memory = None if store is None else store.load()
        if memory is None:
            memory = PeerMemory(randomness.get_bytes(SALT_SIZE))
        self._salt = memory.salt
        self.admission = Admission(config.peers_max, clock, memory.bans)
        """Who gets in."""
        dialling = DiallingConfig(config.peers, config.peers_target)
        self.dialler = Dialler(dialling, self, self._connect, randomness, memory)
        """Whom to dial."""
        caps = config.caps
        self._caps = LineCaps(
            upload=caps.upload,
            download=caps.download,
            upload_peer=caps.upload_peer,
            download_peer=caps.download_peer,
        )
        self._gone_in: Counter[PeerKind] = Counter()
        self._gone_out: Counter[PeerKind] = Counter()

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
        return self.admission.is_banned(identity)

    def is_host_banned(self, host: str) -> bool:
        """Whether this node has nothing to do with ``host`` now."""
        return self.admission.is_host_banned(host)

    def is_draining(self) -> bool:
        """Whether sessions only end, and none begins."""
        return self.admission.is_draining

    def drain(self, is_draining: bool) -> None:
        """Let nobody else in and dial nobody from now on; or go back to doing both."""
        self.admission.is_draining = is_draining
        self.dialler.wake()

    def part(self) -> None:
        """End the sessions with all who are banned now."""
        for peer in list(self._ordered):
            if self._is_unwanted(peer):
                peer.cut(PeerBanned(peer.name))

    def get_traffic(self) -> dict[PeerKind, Traffic]:
        """Bytes of all sessions since the start, by how they came about."""
        coming, going = self._gone_in.copy(), self._gone_out.copy()
        for peer in self._ordered:
            figures = peer.session.statistics()
            coming[peer.kind] += figures.bytes_received
            going[peer.kind] += figures.bytes_sent
        return {kind: Traffic(coming[kind], going[kind]) for kind in PeerKind}

    async def save(self) -> None:
        """Write what is known of others; it is on disk when this returns."""
        if self._store is not None:
            await self._store.save(self._make_memory())

    def get_score(self, peer: Peer) -> int:
        """Points that ``peer`` has left until it is banned."""
        return self.admission.get_points(peer.public_key)

    def blame(self, peer: Peer, error: TangleError) -> None:
        """``peer`` sent something that is wrong."""
        log.info("peer-blamed", peer=peer.name, code=error.code)
        if isinstance(self.admission.on_fault(peer.public_key, error), Banned):
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
            tasks.start_soon(self.dialler.run)
            tasks.start_soon(self._say_hello)
            tasks.start_soon(self._save_forever)

    async def _listen(self, listener: Listener[ByteStream], tasks: TaskGroup) -> None:
        async with listener:
            await listener.serve(self._welcome, tasks)

    async def _welcome(self, stream: ByteStream) -> None:
        host = get_remote_host(stream)
        try:
            with self.admission.admit(host, len(self._peers)):
                with self.admission.shake_hands(host):
                    session = await self._establish(stream, Role.RESPONDER)
                await self._hold(session, host, host, PeerKind.INBOUND)
        except TangleError as error:
            log.info("connection-refused", host=host, code=error.code)
            await anyio.aclose_forcefully(stream)

    async def _connect(self, address: Address) -> None:
        """Dial and hold a session to its end.

        :raises DialFailed, HandshakeFailed: there was none.
        """
        stream = await self._network.dial(address)
        session = await self._establish(stream, Role.INITIATOR)
        self.dialler.on_established(address, session.peer)
        is_configured = address in self.dialler.book.list_configured()
        kind = PeerKind.CONFIGURED if is_configured else PeerKind.OUTBOUND
        await self._hold(session, str(address), get_remote_host(stream), kind)

    async def _establish(self, stream: ByteStream, role: Role) -> Session:
        secret = self._randomness.get_bytes(32)
        line, timing = self._caps.make_line(get_now_ms()), self._config.timing
        return await establish(stream, role, self._key, self._chain, secret, timing=timing, line=line)

    async def _hold(self, session: Session, address: str, host: str, kind: PeerKind) -> None:
        """Run a session to its end, unless the peer is banned, there is a session with it already, or no
        place.
        """
        peer = Peer(session, address, kind=kind, shard=self._shard, host=host)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run)
            refusal = self._find_refusal(peer)
            if refusal is not None:
                log.info("peer-refused", peer=peer.name, code=refusal)
                await session.close(refusal.encode())
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
            self.admission.on_fault(peer.public_key, session.ending)
        ending = peer.ending or session.ending
        log.info("peer-left", peer=peer.name, code=None if ending is None else ending.code)

    def _find_refusal(self, peer: Peer) -> str | None:
        """Why there will be no session with a proven peer, in a code; none if there will be one."""
        if self._is_unwanted(peer):
            return PeerBanned.code
        if peer.public_key not in self._peers and self._is_full(peer):
            self.dialler.share(peer)
            return "peers-full"
        return None if self._is_next(peer) else "not-now"

    def _is_unwanted(self, peer: Peer) -> bool:
        return self.is_banned(peer.public_key) or self.is_host_banned(peer.host)

    def _is_full(self, peer: Peer) -> bool:
        """Whether there is no place for a peer: some are kept for those that this node dials, and whom the
        operator wants always has one.
        """
        peers_max = self.admission.peers_max
        match peer.kind:
            case PeerKind.CONFIGURED:
                return False
            case PeerKind.OUTBOUND:
                return len(self._peers) >= peers_max
            case PeerKind.INBOUND:
                return len(self._peers) + min(self.dialler.compute_places(), peers_max - 1) >= peers_max

    def _is_next(self, peer: Peer) -> bool:
        """Whether this session is the one to keep, where there is another with the same peer."""
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
            self.dialler.on_left(peer)
        figures = peer.session.statistics()
        self._gone_in[peer.kind] += figures.bytes_received
        self._gone_out[peer.kind] += figures.bytes_sent

    def _sort(self) -> None:
        self._ordered = sorted(
            self._peers.values(),
            key=lambda peer: (not peer.is_validator, peer.public_key),
        )

    async def _listen_to(self, peer: Peer) -> None:
        blamed_ms = get_now_ms() - OVERLOAD_INTERVAL_MS
        peer.session.take_nowait = partial(self._take_nowait, peer)
        async for message in peer.session:
            overload = await peer.wait_allowance(message)
            if overload is not None and get_now_ms() - blamed_ms >= OVERLOAD_INTERVAL_MS:
                blamed_ms = get_now_ms()
                self.blame(peer, overload)
            self._process_or_blame(message, peer)

    def _take_nowait(self, peer: Peer, message: News | Request) -> bool:
        """Process a message at once; one that has to wait for the peer's allowance is left to the loop."""
        if peer.ending is not None:
            return False
        try:
            peer.spend(message)
        except Throttled:
            return False
        self._process_or_blame(message, peer)
        return True

    def _process_or_blame(self, message: News | Request, peer: Peer) -> None:
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
                self._on_hello(message, peer)
            case PeerList():
                self.dialler.on_list(message, peer)
            case (
                GetTransactions() | GetBlocks() | GetRounds() | GetOrdered() | GetOwnLatest() | GetEpochEnd()
            ):
                self._answer(message, peer)
            case GetBlobHoldings() | GetBlobRange() | GetBundle() | AskReplica() | ShowReplica():
                self._pass_on(message, peer)
            case GetSnapshots():
                self._pass_on(message, peer)

    def _pass_on(self, message: RoomRequest, peer: Peer) -> None:
        """Let another room answer; a node without it refuses."""
        match message:
            case GetBlobHoldings() | GetBlobRange() if self.blobs is not None:
                self.blobs.on_request(message, peer)
            case GetSnapshots() if self.snapshots is not None:
                self.snapshots.on_request(message, peer)
            case GetBundle() if self.bundles is not None:
                self.bundles.on_request(message, peer)
            case AskReplica() | ShowReplica() if self.replicas is not None:
                self.replicas.on_request(message, peer)
            case _:
                peer.send(prepare_message(Refused(message.request, NO_ROOM[type(message)])))

    def _on_hello(self, hello: Hello, peer: Peer) -> None:
        is_first, was_validator = peer.hello is None, peer.is_validator
        peer.on_hello(hello)
        if is_first or peer.is_validator != was_validator:  # committees change, and with them who is on them
            self._sort()
        if is_first:
            self.dialler.on_hello(peer, hello)

    def _answer(self, request: LedgerRequest, peer: Peer) -> None:
        try:
            response = self._hooks.answer(request)
        except TangleError as error:
            response = Refused(request.request, error.code.encode())
        peer.send(prepare_message(replace(response, request=request.request)))

    async def _save_forever(self) -> None:
        saved = self._get_versions()
        while True:
            await anyio.sleep(SAVE_INTERVAL_S)
            if self._get_versions() != saved:
                saved = self._get_versions()
                await self.save()

    def _get_versions(self) -> tuple[int, int]:
        return self.dialler.book.version, self.admission.bans.version

    def _make_memory(self) -> PeerMemory:
        heard = self.dialler.book.list_heard()
        return PeerMemory(self._salt, self.dialler.list_added(), heard, self.admission.list_bans())

    async def _say_hello(self) -> None:
        while True:
            await anyio.sleep(HELLO_INTERVAL_S)
            if self._ordered:
                hello = self._hooks.make_hello()
                self.broadcast(prepare_message(hello))
                epoch, own_round = max((status.epoch, status.round) for status in hello.shards)
                for peer in self._ordered:
                    if peer.hello and peer.epoch == epoch and peer.round + SHOWN_LAG_ROUNDS < own_round:
                        self._hooks.on_behind(peer)
