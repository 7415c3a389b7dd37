"""What a node shows of its blobs, and how getting one may fail."""

from enum import StrEnum

from msgspec import Struct

from tangle.core.blob_id import BlobId
from tangle.core.errors import TangleError


class BlobState(StrEnum):
    """How far a blob is."""

    WHOLE = "whole"
    """All of it is here."""

    FETCHING = "fetching"
    """Pieces are asked of peers."""

    PARTIAL = "partial"
    """Some of it is here, and nobody fetches the rest now."""

    FAILED = "failed"
    """The last try to fetch it ended without it; ``reason_code`` says why. What came is kept."""


class BlobView(Struct, frozen=True):
    """A blob and how far it is."""

    id: BlobId
    """Its content id."""

    state: BlobState
    """How far it is."""

    size: int | None
    """Bytes of the whole; none before a peer told."""

    held_bytes: int
    """Bytes that are here and checked."""

    is_pinned: bool
    """Whether it stays until it is unpinned."""

    used_ms: int
    """When it was last used, 0 when never."""

    sources: int
    """Peers that give pieces now."""

    reason: str | None
    """Why fetching failed, for people."""

    reason_code: str | None
    """The same for machines."""


class BlobRoomView(Struct, frozen=True):
    """How much room blobs take."""

    quota_bytes: int
    """What they may take."""

    kept_bytes: int
    """What they take, with what is on its way."""

    pinned_bytes: int
    """What stays of it."""

    blobs: int
    """Whole blobs."""


class BlobUnavailable(TangleError):
    """Nobody who is connected gave (the rest of) a blob."""

    code = "blob-unavailable"

    def __init__(self, blob: str, patience_s: float) -> None:
        self.blob = blob
        self.patience_s = patience_s
        super().__init__(
            f"no connected peer gave a piece of blob {blob} for {patience_s:g} s; what came is kept, "
            "fetch it again when a node that has it is connected"
        )


class TooManyFetches(TangleError):
    """More blobs are being fetched than a node does at a time."""

    code = "overloaded"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.retry_after_s = 5.0
        super().__init__(f"{limit} blobs are being fetched already; wait for one of them")


class FetchStopped(TangleError):
    """Somebody gave up a fetch while it ran."""

    code = "blob-fetch-stopped"

    def __init__(self, blob: str) -> None:
        self.blob = blob
        super().__init__(f"fetching blob {blob} was stopped")
