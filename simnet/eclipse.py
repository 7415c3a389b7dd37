"""An eclipse: one faulty operator with many names tries to be everybody that a node knows.

From hosts of its own it takes every place that the victim has for peers, says that it is far ahead, so that
the victim asks it and nobody else, answers nothing, and fills the victim's address book with places where
nobody is. The victim has peers that its operator named, and those are dialled whatever comes in.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from simnet.chance import Chance
from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.net.addresses import Address
from tangle.net.handshake import Role
from tangle.net.messages import Hello, PeerList
from tangle.net.network import Network
from tangle.net.session import establish
from tangle.node.node import Node

SYBILS_MAX: Final = 16
"""Names that one operator goes by: more than a simulated node has places for peers."""

AGAIN_S: Final = 1.0
"""How long a name waits that lost its place."""

FALSE_ADDRESSES: Final = 60
"""Places told by each name where nobody is: nearly what a book takes from one source."""

BOAST: Final = 1_000
"""How many rounds and checkpoints ahead each name says it is."""


class Eclipse:
    """All names of one operator around one victim."""

    def __init__(
        self, victim: Address, hosts: Sequence[Network], chance: Chance, on_action: Callable[[], None]
    ) -> None:
        """:param hosts: of the names, one each.
        :param on_action: told whenever a name has got a place.
        """
        self._victim = victim
        self._hosts = hosts
        self._chance = chance
        self._on_action = on_action
        self._numbers = count()

    async def run(self, node: Node) -> None:
        """Surround the victim while ``node``, the operator's own, runs."""
        async with anyio.create_task_group() as tasks:
            for host in self._hosts:
                tasks.start_soon(self._surround, node, host)

    async def _surround(self, node: Node, host: Network) -> None:
        key = SigningKey(self._chance.randbytes(32))
        while True:
            try:
                async with anyio.create_task_group() as tasks:
                    await self._take_place(node, host, key, tasks)
                    tasks.cancel_scope.cancel()
            except* TangleError:
                pass  # no place, or no longer
            await anyio.sleep(AGAIN_S)

    async def _take_place(self, node: Node, host: Network, key: SigningKey, tasks: TaskGroup) -> None:
        stream = await host.dial(self._victim)
        secret = self._chance.randbytes(32)
        session = await establish(stream, Role.INITIATOR, key, node.chain, secret)
        tasks.start_soon(session.run)
        await session.send(_boast(node.make_hello()))
        await session.send(PeerList(tuple(self._invent_address() for _ in range(FALSE_ADDRESSES))))
        self._on_action()
        async for _ in session:
            pass  # whatever it asks, nobody answers

    def _invent_address(self) -> Address:
        number = next(self._numbers)
        return Address(f"10.{200 + number // 65_536 % 50}.{number // 256 % 256}.{number % 256}".encode(), 1)


def _boast(hello: Hello) -> Hello:
    shards = tuple(
        replace(status, round=status.round + BOAST, checkpoint=status.checkpoint + BOAST)
        for status in hello.shards
    )
    return replace(hello, shards=shards, is_validator=True)
