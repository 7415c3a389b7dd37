"""Peering: keeps sessions with other nodes, and hands what they say to the rooms that answer.

Configured peers are dialled again and again with growing pauses; others are learnt from peers' lists as far
as there is room. A peer that breaks a rule loses score, and below zero its session and, for a while, its
welcome.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import anyio
import anyio.lowlevel
import structlog
from anyio.abc import ByteStream, Listener, SocketAttribute, TaskGroup, TaskStatus
from msgspec import Struct
from msgspec.structs import replace

from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, PublicKey, Shard
from tangle.net.addresses import Address
from tangle.net.errors import LaneFull, SessionClosed
from tangle.net.handshake import Role
from tangle.net.messages import (
    Announce,
    Blocks,
    GetBlocks,
    GetOrdered,
    GetOwnLatest,
    GetRounds,
    GetTransactions,
    Hello,
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
from tangle.net.session import DEFAULT_TIMING, Session, SessionTiming, establish
from tangle.node.randomness import Randomness

HELLO_INTERVAL_S: Final = 0.5
"""How often peers are told how far this node is: lag is noticed within a second."""

DIAL_PAUSE_S: Final = 0.5
"""Pause before the second attempt to reach a peer; it doubles up to the maximum."""

DIAL_PAUSE_MAX_S: Final = 15.0
"""Longest pause between attempts: a peer that comes back is found in a few seconds."""

STRANGERS_MAX: Final = 64
"""Connections that are still shaking hands; more are closed at once."""

SCORE_START: Final = 100.0
"""Score of a new peer."""

SCORE_REGAIN_PER_S: Final = 0.2
"""Score that an honest peer gains back; one mistake is forgiven in minutes."""

BAN_S: Final = 60.0
"""How long a peer that lost all its score is not talked to."""

BANS_MAX: Final = 4_096
"""Bans remembered; the oldest go first."""

PENALTY: Final = {
    "signature-invalid": 20.0,
    "work-forged": 20.0,
    "encoding-malformed": 20.0,
    "encoding-oversize": 20.0,
    "chain-wrong": 50.0,
    "message-unknown": 50.0,
}
"""Points lost by the code of a fault; any other fault costs ``PENALTY_DEFAULT``."""

PENALTY_DEFAULT: Final = 5.0
"""Points lost for a fault that may be a matter of timing."""

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

    def answer(self, request: Request) -> Response:
        """The response to a request."""

    def on_connected(self, peer: "Peer") -> None:
        """A session began."""


class Peer:
    """A connected peer and what it told of itself."""

    def __init__(self, session: Session, address: str, *, is_outbound: bool, shard: Shard) -> None:
        self.session = session
        self.public_key: PublicKey = session.peer
        self.address = address
        self.is_outbound = is_outbound
        self.score = SCORE_START
        self.hello: Hello | None = None
        self.round = 0
        self.checkpoint = 0
        self.outstanding = 0
        self.ending: TangleError | None = None
        """Why this node ended the session; none while it did not."""

        self.scope = anyio.CancelScope()
        self._shard = shard
        self._scored_at_s = anyio.current_time()

    @property
    def name(self) -> str:
        """Short name for logs."""
        return self.public_key.hex()[:8]

    def send(self, message: Prepared) -> None:
        """Send news if there is room; a peer that reads too slowly misses it and asks for it later."""
        with suppress(LaneFull, SessionClosed):
            self.session.send_nowait(message)

    async def request(self, message: Request) -> Response:
        """Ask and wait for the answer.

        :raises RequestTimeout, RequestRefused, SessionClosed: there is none.
        """
        self.outstanding += 1
        try:
            return await self.session.request(message)
        finally:
            self.outstanding -= 1

    def cut(self, reason: TangleError) -> None:
        """End the session from this side."""
        self.ending = reason
        self.scope.cancel()

    def on_hello(self, hello: Hello) -> None:
        """The peer told how far it is."""
        self.hello = hello
        for status in hello.shards:
            if status.shard == self._shard:
                self.round, self.checkpoint = status.round, status.checkpoint

    def lose_score(self, points: float) -> bool:
        """Take points; answers whether the peer has lost its welcome."""
        now_s = anyio.current_time()
        regained = (now_s - self._scored_at_s) * SCORE_REGAIN_PER_S
        self._scored_at_s = now_s
        self.score = min(SCORE_START, self.score + regained) - points
        return self.score < 0


class PeeringConfig(Struct, frozen=True):
    """How this node meets others."""

    listen: Address | None
    peers: tuple[Address, ...]
    peers_max: int
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
    ) -> None:
        self._network = network
        self._config = config
        self._chain = chain
        self._shard = shard
        self._key = key
        self._randomness = randomness
        self._hooks = hooks
        self._peers: dict[PublicKey, Peer] = {}
        self._banned: dict[PublicKey, float] = {}
        self._strangers = 0
        self._identities: dict[Address, PublicKey] = {}
        self._changed = anyio.Event()
        self._ordered: list[Peer] = []

    def get_peers(self) -> list[Peer]:
        """Connected peers, validators first; the same list until the next change."""
        return self._ordered

    def broadcast(self, message: Prepared) -> None:
        """Send to everybody."""
        for peer in self._ordered:
            peer.send(message)

    def blame(self, peer: Peer, error: TangleError) -> None:
        """``peer`` sent something that is wrong."""
        log.info("peer-blamed", peer=peer.name, code=error.code)
        if peer.lose_score(PENALTY.get(error.code, PENALTY_DEFAULT)):
            log.warning("peer-banned", peer=peer.name, code=error.code)
            while len(self._banned) >= BANS_MAX:
                del self._banned[next(iter(self._banned))]
            self._banned[peer.public_key] = anyio.current_time() + BAN_S
            peer.cut(error)

    async def run(self, *, task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen, dial and tell of progress until cancelled. Starts with the port that it listens on."""
        async with anyio.create_task_group() as tasks:
            port = 0
            if self._config.listen is not None:
                listener = await self._network.listen(self._config.listen)
                port = listener.extra(SocketAttribute.local_port, 0)  # noqa: S610  # anyio's, not Django's
                tasks.start_soon(self._listen, listener, tasks)
            task_status.started(port)
            for address in self._config.peers:
                tasks.start_soon(self._keep_dialling, address)
            tasks.start_soon(self._say_hello)

    async def _listen(self, listener: Listener[ByteStream], tasks: TaskGroup) -> None:
        async with listener:
            await listener.serve(self._welcome, tasks)

    async def _welcome(self, stream: ByteStream) -> None:
        if self._strangers >= STRANGERS_MAX or len(self._peers) >= self._config.peers_max:
            await anyio.aclose_forcefully(stream)
            return
        self._strangers += 1
        try:
            session = await self._establish(stream, Role.RESPONDER)
        except TangleError as error:
            log.info("handshake-failed", host=get_remote_host(stream), code=error.code)
            return
        finally:
            self._strangers -= 1
        await self._hold(session, get_remote_host(stream), is_outbound=False)

    async def _keep_dialling(self, address: Address) -> None:
        pause_s = DIAL_PAUSE_S
        while True:
            try:
                stream = await self._network.dial(address)
                session = await self._establish(stream, Role.INITIATOR)
            except TangleError as error:
                log.debug("dial-failed", address=str(address), code=error.code)
            else:
                self._identities[address] = session.peer
                began_s = anyio.current_time()
                await self._hold(session, str(address), is_outbound=True)
                if anyio.current_time() - began_s > DIAL_PAUSE_MAX_S:
                    pause_s = DIAL_PAUSE_S
            await anyio.sleep(pause_s)
            # Nobody is dialled who has a session with us anyway, whichever side began it.
            while self._identities.get(address) in self._peers:
                await self._changed.wait()
            pause_s = min(2 * pause_s, DIAL_PAUSE_MAX_S)

    async def _establish(self, stream: ByteStream, role: Role) -> Session:
        secret = self._randomness.get_bytes(32)
        return await establish(stream, role, self._key, self._chain, secret, timing=self._config.timing)

    async def _hold(self, session: Session, address: str, *, is_outbound: bool) -> None:
        """Run a session to its end, unless there is one with this peer already."""
        peer = Peer(session, address, is_outbound=is_outbound, shard=self._shard)
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
        ending = peer.ending or session.ending
        log.info("peer-left", peer=peer.name, code=None if ending is None else ending.code)

    def _is_welcome(self, peer: Peer) -> bool:
        if self._banned.get(peer.public_key, 0.0) > anyio.current_time():
            return False
        known = self._peers.get(peer.public_key)
        if known is None:
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

    def _sort(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
        self._ordered = sorted(
            self._peers.values(),
            key=lambda peer: (peer.hello is None or not peer.hello.is_validator, peer.public_key),
        )

    async def _listen_to(self, peer: Peer) -> None:
        async for message in peer.session:
            try:
                self._process(message, peer)
            except TangleError as error:
                self.blame(peer, error)
            await anyio.lowlevel.checkpoint()

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
            case PeerList():
                pass
            case GetTransactions() | GetBlocks() | GetRounds() | GetOrdered() | GetOwnLatest():
                self._answer(message, peer)

    def _answer(self, request: Request, peer: Peer) -> None:
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
