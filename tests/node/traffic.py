"""Load for the worlds of the tests."""

import anyio

from tangle.core.types import TransactionId
from tangle.node.service import Service
from tests.node.wallets import Wallet
from tests.node.world import WALLETS, World


async def send_many(
    service: Service, name: str, count: int, pause_s: float, sent: list[TransactionId]
) -> None:
    """One wallet at one node."""
    wallet = Wallet(name)
    for _ in range(count):
        sent.append((await wallet.send(service)).id)
        await anyio.sleep(pause_s)


async def send_everywhere(
    world: World, count: int, *, members: int = 4, pause_s: float = 0.03
) -> list[TransactionId]:
    """Each wallet sends ``count`` transactions through a node of its own."""
    sent: list[TransactionId] = []
    async with anyio.create_task_group() as tasks:
        for member, name in zip(world.members[:members], WALLETS, strict=False):
            tasks.start_soon(send_many, member.service, name, count, pause_s, sent)
    return sent
