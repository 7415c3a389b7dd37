"""Where a node's committee and executor get bundles of other shards from, and the source of a network of one.

A block is accepted once every bundle that it names is present, and executed with them. How bundles come here
is the affair of whoever stands behind this seam.
"""

from collections.abc import Sequence
from typing import Protocol

from shards.blocks import Block, BundleReference, compute_bundle_id
from shards.bundles import Bundle
from tangle.core.errors import TangleError
from tangle.core.types import BundleId, Shard
from tangle.ledger.machine import CheckpointOutcome
from tangle.node.peer import Peer
from tangle.node.receipt_archive import ReceiptArchive


class BundleMissing(TangleError):
    """A commit needs a bundle that is not there any more."""

    code = "bundle-missing"

    def __init__(self, source: int, index: int) -> None:
        self.source = source
        self.index = index
        super().__init__(f"what checkpoint {index} of shard {source} brought is missing here")


class BundleSource(Protocol):
    """Verified bundles for one shard."""

    def is_present(self, identity: BundleId) -> bool:
        """Whether the bundle of this id is here and verified; blocks that name it may be accepted."""
        ...

    def on_missing(self, bundles: Sequence[BundleReference], sender: Peer | None) -> None:
        """Suspended blocks need these. Whoever has got one tells the driver (``on_attached`` with its id).

        :param sender: who sent the block, if it is known: it has what its block names.
        """
        ...

    def take(self, limit: int) -> tuple[BundleReference, ...]:
        """Bundles that are present and worth naming in the next own block, at most so many."""
        ...

    def on_block(self, block: Block) -> None:
        """A block was accepted: what it names need not be named again at once."""
        ...

    async def get(self, references: Sequence[BundleReference]) -> tuple[Bundle, ...]:
        """The bundles that a commit ordered, in the same order; waits for what is not here any more."""
        ...

    def on_executed(self, outcome: CheckpointOutcome) -> None:
        """A checkpoint is on disk: what it credited needs no naming any more."""
        ...


class StoredBundles:
    """Bundles that a shard's own history holds: for executing it again."""

    def __init__(self, archive: ReceiptArchive, shard: Shard) -> None:
        self._archive = archive
        self._shard = shard

    def is_present(self, identity: BundleId) -> bool:
        """Whether history holds it."""
        return self._archive.get_bundle(identity) is not None

    def on_missing(self, bundles: Sequence[BundleReference], sender: Peer | None) -> None:
        """There is nobody to ask."""

    def take(self, limit: int) -> tuple[BundleReference, ...]:
        """None: nothing new is ordered."""
        del limit
        return ()

    def on_block(self, block: Block) -> None:
        """No block is accepted."""

    async def get(self, references: Sequence[BundleReference]) -> tuple[Bundle, ...]:
        """Those of a commit.

        :raises BundleMissing: history does not hold one.
        """
        found = [self._archive.get_bundle(compute_bundle_id(name, self._shard)) for name in references]
        for name, bundle in zip(references, found, strict=True):
            if bundle is None:
                raise BundleMissing(name.source, name.index)
        return tuple(bundle for bundle in found if bundle is not None)

    def on_executed(self, outcome: CheckpointOutcome) -> None:
        """Nothing was waited for."""


class NoBundles:
    """The source of a network of one shard: nobody can name a bundle there."""

    def is_present(self, identity: BundleId) -> bool:
        """Never."""
        del identity
        return False

    def on_missing(self, bundles: Sequence[BundleReference], sender: Peer | None) -> None:
        """There is nobody to ask."""

    def take(self, limit: int) -> tuple[BundleReference, ...]:
        """None."""
        del limit
        return ()

    def on_block(self, block: Block) -> None:
        """It names nothing."""

    async def get(self, references: Sequence[BundleReference]) -> tuple[Bundle, ...]:
        """None, which is all that one shard names."""
        assert not references, "a block of the only shard names no bundle"
        return ()

    def on_executed(self, outcome: CheckpointOutcome) -> None:
        """Nothing was waited for."""
