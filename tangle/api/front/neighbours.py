"""Neighbours in other processes of the same node, behind their private doors."""

from typing import Final

from shards.blocks import BundleReference
from tangle.api.front.shard_door import ShardDoor
from tangle.api.routes_private import PRIVATE_PREFIX
from tangle.core.errors import TangleError
from tangle.core.types import Shard

FOUND: Final = 200
"""Status of an answer that holds a bundle."""


class HttpNeighbour:
    """A ``Neighbour`` in another process."""

    def __init__(self, door: ShardDoor) -> None:
        self._door = door

    async def wait_next(
        self, target: Shard, sequence: int, acknowledged: int | None, timeout_s: float
    ) -> bytes | None:
        """See ``Neighbour.wait_next``."""
        asked = f"sequence={sequence}&timeout_s={timeout_s:.3f}"
        if acknowledged is not None:
            asked += f"&acknowledged={acknowledged}"
        return await self._ask(f"bundles/next/{target}?{asked}")

    async def wait_epoch_end(self, target: Shard, epoch: int, timeout_s: float) -> bytes | None:
        """See ``Neighbour.wait_epoch_end``."""
        return await self._ask(f"bundles/epoch-end/{target}?epoch={epoch}&timeout_s={timeout_s:.3f}")

    async def find(self, target: Shard, reference: BundleReference) -> bytes | None:
        """See ``Neighbour.find``."""
        asked = f"index={reference.index}&digest={reference.digest.hex()}"
        return await self._ask(f"bundles/named/{target}?{asked}")

    async def _ask(self, target: str) -> bytes | None:
        try:
            reply = await self._door.ask("GET", PRIVATE_PREFIX + target, {})
        except TangleError:  # the process is away, and is asked again later
            return None
        return reply.content if reply.status == FOUND else None
