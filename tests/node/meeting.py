"""One node's peering in a network in memory, and strangers that are only as honest as a test makes them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.abc import TaskGroup

from tangle.core.types import Shard
from tangle.net.addresses import Address
from tangle.net.handshake import Role
from tangle.net.ledger_messages import GetOwnLatest, ShardStatus, TransactionItems
from tangle.net.messages import Announce, Hello, PeerList, Request, Response
from tangle.net.session import Session, establish
from tangle.node.peer import Peer
from tangle.node.peer_memory import PeerStore
from tangle.node.peering import Caps, Peering, PeeringConfig
from tests.net.builders import CHAIN
from tests.node.twins import LoopClock, MemoryNetwork, SeededRandomness, make_key, make_secret

PORT: Final = 15_600
UNCAPPED: Final = Caps()
HERE: Final = "10.0.0.1"
"""Host of the node under test."""


def make_address(host: str) -> Address:
    return Address(host.encode(), PORT)


def make_hello(listen_port: int = 0) -> Hello:
    return Hello(1, (ShardStatus(Shard(0), 0, 0, 0),), listen_port, b"test/0", False)


class Listening:
    """What the node would do with what peers say: write it down."""

    def __init__(self, listen_port: int = 0) -> None:
        self.listen_port = listen_port
        self.items = 0
        self.requests = 0

    def make_hello(self) -> Hello:
        return make_hello(self.listen_port)

    def on_transactions(self, items: Sequence[bytes], _: Peer) -> None:
        self.items += len(items)

    def on_announce(self, message: Announce, _: Peer) -> None:
        self.items += len(message.ids)

    def on_blocks(self, items: Sequence[bytes], _: Peer) -> None:
        self.items += len(items)

    def answer(self, request: Request) -> Response:
        assert not isinstance(request, GetOwnLatest)
        self.requests += 1
        return TransactionItems(0, ())

    def on_connected(self, peer: Peer) -> None:
        pass

    def on_behind(self, peer: Peer) -> None:
        pass


class Meeting:
    """The node, and whoever comes."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.tasks = tasks
        self.network = MemoryNetwork()
        self.clock = LoopClock(anyio.current_time())
        self.heard = Listening()

    async def open(
        self,
        name: str = "node",
        host: str = HERE,
        *,
        peers: Sequence[str] = (),
        target: int = 16,
        store: PeerStore | None = None,
        peers_max: int = 64,
        caps: Caps = UNCAPPED,
    ) -> Peering:
        """A node's peering that runs until the test ends."""
        config = PeeringConfig(
            make_address(host), tuple(map(make_address, peers)), peers_max, target, caps=caps
        )
        peering = Peering(
            network=self.network.at(host),
            config=config,
            chain=CHAIN,
            shard=Shard(0),
            key=make_key(name),
            randomness=SeededRandomness(name),
            hooks=self.heard if host == HERE else Listening(PORT),
            clock=self.clock,
            store=store,
        )
        await self.tasks.start(peering.run)
        return peering

    async def visit(self, name: str, host: str, *, listen_port: int = 0) -> Session:
        """A stranger with a session; it says hello and then what the test wants.

        :raises HandshakeFailed: the node does not even shake hands.
        """
        stream = await self.network.at(host).dial(make_address(HERE))
        session = await establish(stream, Role.INITIATOR, make_key(name), CHAIN, make_secret(name))
        self.tasks.start_soon(session.run)
        await session.send(make_hello(listen_port))
        await anyio.sleep(0.1)
        return session


async def read_lists(session: Session, seconds: float) -> list[PeerList]:
    """The lists of addresses that the node sends meanwhile."""
    messages: list[object] = []
    with anyio.move_on_after(seconds):
        async for message in session:
            messages.append(message)  # noqa: PERF401 - what came before the time was up counts
    return [message for message in messages if isinstance(message, PeerList)]


@asynccontextmanager
async def meet() -> AsyncIterator[Meeting]:
    async with anyio.create_task_group() as tasks:
        yield Meeting(tasks)
        tasks.cancel_scope.cancel()
