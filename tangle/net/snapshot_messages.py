"""Messages about snapshots: what a node holds of history, and with which states others may begin."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.core.blob_id import BlobId
from tangle.core.chunk_tree import BLOB_SIZE_MAX
from tangle.core.types import CheckpointIndex, Digest, Natural, Shard
from tangle.net.replica_messages import RequestId

OFFERS_MAX: Final = 8
"""Most snapshots of one answer: a node keeps a few."""


class SnapshotOffer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A snapshot that the sender has as a blob. Nobody has to believe what is said here of it."""

    checkpoint: CheckpointIndex
    """The checkpoint of its state."""

    digest: Digest
    """That checkpoint's digest."""

    blob: BlobId
    """The blob."""

    size: Annotated[int, Meta(ge=0, le=BLOB_SIZE_MAX)]
    """Its bytes."""


class GetSnapshots(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=31):
    """Ask which history a node holds, and which snapshots; answered by ``SnapshotOffers``."""

    request: RequestId
    """Filled in by the session."""

    shard: Shard
    """Of which shard."""


class SnapshotOffers(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=32):
    """What the sender holds."""

    request: RequestId
    """The request that is answered."""

    first: CheckpointIndex
    """First checkpoint of its history; 0 where nothing was pruned."""

    latest: Natural
    """Its newest final checkpoint."""

    offers: Annotated[tuple[SnapshotOffer, ...], Meta(max_length=OFFERS_MAX)]
    """Its snapshots, the oldest first."""
