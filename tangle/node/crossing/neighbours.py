"""Nodes of other shards on the same machine, which give bundles at any time.

A validator serves every shard, so what a checkpoint of one shard brings to another one is on its machine
already: in the same process, or behind the private door of another one.
"""

from collections.abc import Callable
from typing import Protocol

from shards.blocks import BundleReference
from tangle.core.types import Shard


class Neighbour(Protocol):
    """The node of another shard."""

    async def wait_next(
        self, target: Shard, sequence: int, acknowledged: int | None, timeout_s: float
    ) -> bytes | None:
        """The encoded bundle for ``target`` that brings receipt ``sequence``; waits for one to be certified.

        :param acknowledged: take also one whose checkpoint has received more of ``target`` than this.
        :return: none where the time was up, or the neighbour is away.
        """

    async def wait_epoch_end(self, target: Shard, epoch: int, timeout_s: float) -> bytes | None:
        """The encoded bundle for ``target`` of the last checkpoint that the committee of ``epoch`` signs;
        waits for its certificate.

        :return: none where the time was up, or the neighbour is away.
        """

    async def find(self, target: Shard, reference: BundleReference) -> bytes | None:
        """The encoded bundle of that name, made anew from history; none where it is not there."""


FindNeighbour = Callable[[Shard], Neighbour | None]
"""The neighbour of a shard; none where this machine does not serve it."""


def find_nobody(shard: Shard) -> Neighbour | None:
    """Of a machine that serves one shard only."""
    del shard
    return None


class LocalNeighbour:
    """A node in the same process, while there is one."""

    def __init__(self, get_desk: Callable[[], Neighbour | None]) -> None:
        """:param get_desk: of the node as it is now; none while it is not running."""
        self._get_desk = get_desk

    async def wait_next(
        self, target: Shard, sequence: int, acknowledged: int | None, timeout_s: float
    ) -> bytes | None:
        """See ``Neighbour.wait_next``."""
        desk = self._get_desk()
        return None if desk is None else await desk.wait_next(target, sequence, acknowledged, timeout_s)

    async def wait_epoch_end(self, target: Shard, epoch: int, timeout_s: float) -> bytes | None:
        """See ``Neighbour.wait_epoch_end``."""
        desk = self._get_desk()
        return None if desk is None else await desk.wait_epoch_end(target, epoch, timeout_s)

    async def find(self, target: Shard, reference: BundleReference) -> bytes | None:
        """See ``Neighbour.find``."""
        desk = self._get_desk()
        return None if desk is None else await desk.find(target, reference)
