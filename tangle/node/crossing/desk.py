"""Gives out what this shard's certified checkpoints bring to other shards.

Bundles are not kept: they are made of history whenever somebody asks.
"""

import anyio
from msgspec import Struct

from shards.blocks import BundleReference
from shards.bundles import encode_bundle
from shards.checkpoints import Checkpoint, compute_checkpoint_digest
from tangle.core.types import CheckpointIndex, Shard
from tangle.node.archive import Archive
from tangle.node.finality import Finality

LOOK_BACK_MAX = 8
"""The newest checkpoints that are looked at for an acknowledgement: the very newest may lack a certificate of
its own for a moment."""


class Delivery(Struct, frozen=True):
    """A receipt that was credited in this shard."""

    checkpoint: int
    """The certified checkpoint that credited it."""


class BundleDesk:
    """A ``Neighbour`` for the nodes of other shards."""

    def __init__(self, archive: Archive, finality: Finality) -> None:
        self._archive = archive
        self._finality = finality
        self._changed = anyio.Event()

    def on_final(self) -> None:
        """A checkpoint became final: it may be what somebody waits for."""
        self._changed.set()
        self._changed = anyio.Event()

    async def wait_next(
        self, target: Shard, sequence: int, acknowledged: int | None, timeout_s: float
    ) -> bytes | None:
        """See ``Neighbour.wait_next``."""
        with anyio.move_on_after(timeout_s):
            while True:
                changed = self._changed
                found = self._find_next(target, sequence, acknowledged)
                if found is not None:
                    return found
                await changed.wait()
        return None

    async def wait_epoch_end(self, target: Shard, epoch: int, timeout_s: float) -> bytes | None:
        """See ``Neighbour.wait_epoch_end``."""
        with anyio.move_on_after(timeout_s):
            while True:
                changed = self._changed
                end = self._archive.committees.find_end(epoch)
                checkpoint = None if end is None else self._archive.get_checkpoint(CheckpointIndex(end))
                if checkpoint is not None and checkpoint.index <= self._finality.certified:
                    return self._make(checkpoint, target)
                await changed.wait()
        return None

    async def find(self, target: Shard, reference: BundleReference) -> bytes | None:
        """See ``Neighbour.find``."""
        checkpoint = self._archive.get_checkpoint(reference.index)
        if checkpoint is None or compute_checkpoint_digest(checkpoint) != reference.digest:
            return None
        return self._make(checkpoint, target)

    async def wait_delivery(self, source: Shard, sequence: int, timeout_s: float) -> Delivery | None:
        """What became here of a receipt of another shard; none while no certified checkpoint credited it.

        :param timeout_s: how long to wait for one.
        """
        with anyio.move_on_after(timeout_s):
            while True:
                changed = self._changed
                found = self._archive.receipts.find_credited(source, sequence)
                if found is not None and found.checkpoint <= self._finality.certified:
                    return Delivery(found.checkpoint)
                await changed.wait()
        return None

    def _find_next(self, target: Shard, sequence: int, acknowledged: int | None) -> bytes | None:
        sent = self._archive.receipts.find_sent(target, sequence)
        if sent is not None and sent.checkpoint <= self._finality.certified:
            checkpoint = self._archive.get_checkpoint(sent.checkpoint)
            assert checkpoint is not None, "its receipts are written with it"
            return self._make(checkpoint, target)
        if acknowledged is None:
            return None
        return self._find_acknowledgement(target, acknowledged)

    def _find_acknowledgement(self, target: Shard, acknowledged: int) -> bytes | None:
        latest = self._finality.certified
        for index in range(latest, max(0, latest - LOOK_BACK_MAX), -1):
            checkpoint = self._archive.get_checkpoint(CheckpointIndex(index))
            if checkpoint is None or checkpoint.received[target] <= acknowledged:
                return None
            found = self._make(checkpoint, target)
            if found is not None:
                return found
        return None

    def _make(self, checkpoint: Checkpoint, target: Shard) -> bytes | None:
        """The bundle of a checkpoint; none where its own certificate is not here (another node has it)."""
        certificate = self._archive.get_certificate(checkpoint.index)
        if certificate is None:
            return None
        bundle = self._archive.receipts.make_bundle(checkpoint, certificate, target)
        return None if bundle is None else encode_bundle(bundle)
