"""What can go wrong with kept blobs."""

from tangle.core.errors import TangleError


class BlobUnknown(TangleError):
    """A blob that is not kept here."""

    code = "blob-unknown"

    def __init__(self, blob: str) -> None:
        self.blob = blob
        super().__init__(f"blob {blob} is not kept by this node; fetch it from its peers first")


class BlobQuotaReached(TangleError):
    """No room within the quota, even if everything that is not pinned went."""

    code = "blob-quota-reached"

    def __init__(self, needed_bytes: int, kept_bytes: int, quota_bytes: int) -> None:
        self.needed_bytes = needed_bytes
        self.kept_bytes = kept_bytes
        self.quota_bytes = quota_bytes
        super().__init__(
            f"{needed_bytes} more bytes do not fit: {kept_bytes} of {quota_bytes} bytes for blobs are taken "
            "by what is pinned or on its way; unpin something, or raise blob_quota_bytes"
        )


class BlobDamaged(TangleError):
    """Bytes on disk that are not what was stored."""

    code = "blob-damaged"

    def __init__(self, blob: str, index: int) -> None:
        self.blob = blob
        self.index = index
        super().__init__(
            f"piece {index} of blob {blob} has changed on disk; the rest is kept: "
            "fetch the blob again to mend it"
        )


class BlobStorageFailed(TangleError):
    """The disk does not read or write a blob's file."""

    code = "blob-storage-failed"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"the file {name} of a blob cannot be used: {reason}; nothing half is kept")


class UploadOver(TangleError):
    """An upload that goes on after it was finished or given up."""

    code = "blob-upload-over"

    def __init__(self) -> None:
        super().__init__("the upload is over; begin another one")
