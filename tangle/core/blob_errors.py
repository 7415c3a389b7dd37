"""What can be wrong with a blob, its id, or what a peer says of it."""

from tangle.core.errors import TangleError


class MalformedBlobId(TangleError):
    """Bytes or text that are no content id."""

    code = "blob-id-malformed"

    def __init__(self, found: str, reason: str) -> None:
        self.found = found
        self.reason = reason
        super().__init__(f"{found[:80]!r} is no content id: {reason}")


class UnsupportedBlobId(TangleError):
    """A content id of a kind that this version does not verify."""

    code = "blob-id-unsupported"

    def __init__(self, codec: int, hash_code: int) -> None:
        self.codec = codec
        self.hash_code = hash_code
        super().__init__(
            f"content ids of codec {codec:#x} and hash {hash_code:#x} are not verified by this version; "
            "store the content here to learn its id"
        )


class OversizeBlob(TangleError):
    """A blob longer than any blob may be."""

    code = "blob-oversize"

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(f"a blob has at most {limit} bytes, this one has {size} or more; split it")


class BlobMismatch(TangleError):
    """Content that is not what its id names."""

    code = "blob-mismatch"

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(f"the content is {found}, not {expected}; nothing was kept")


class FalseHoldings(TangleError):
    """A peer that says of a blob what cannot be true of its id."""

    code = "blob-holdings-false"

    def __init__(self, blob: str, reason: str) -> None:
        self.blob = blob
        self.reason = reason
        super().__init__(f"what was said of blob {blob} is false: {reason}")


class FalseRange(TangleError):
    """Content that is not the asked range of its blob."""

    code = "blob-range-false"

    def __init__(self, blob: str, index: int, reason: str) -> None:
        self.blob = blob
        self.index = index
        self.reason = reason
        super().__init__(f"range {index} of blob {blob} is false: {reason}")
