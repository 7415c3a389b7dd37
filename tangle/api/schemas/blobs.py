"""Answers about blobs."""

from msgspec import Struct

from tangle.api.wire import Quantity


class BlobAnswer(Struct, frozen=True):
    """A blob and how far it is."""

    id: str
    """Its content id."""

    state: str
    """``whole``, ``fetching``, ``partial`` or ``failed``."""

    size: Quantity | None
    """Bytes of the whole; none before a peer told."""

    held_bytes: Quantity
    """Bytes that are here and checked."""

    is_pinned: bool
    """Whether it stays until it is unpinned."""

    used_ms: Quantity
    """When it was last used; 0 for never."""

    sources: int
    """Peers that give pieces now."""

    reason: str | None = None
    """Why fetching failed."""

    reason_code: str | None = None
    """The same for machines."""


class BlobRoomAnswer(Struct, frozen=True):
    """How much room blobs take."""

    quota_bytes: Quantity
    """What they may take."""

    kept_bytes: Quantity
    """What they take, with what is on its way."""

    pinned_bytes: Quantity
    """What stays of it."""

    blobs: int
    """Whole blobs."""


class CollectBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How much to leave."""

    keep_bytes: Quantity | None = None
    """Unpinned blobs go until at most this much is in use; all of them go for none."""


class CollectedAnswer(Struct, frozen=True):
    """What a collection removed."""

    blobs: int
    """How many."""

    size_bytes: Quantity
    """Their bytes of quota."""
