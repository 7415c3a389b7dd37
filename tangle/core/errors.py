"""The one tree of errors.

Every fault that is expected in normal operation (a peer's, a user's, a disk's) is a ``TangleError``: a narrow
subclass with a stable ``code``, the offending values as attributes, and a message that says what failed and
what to do. Programming errors are not in this tree: they stay ordinary exceptions and stop the process.

The code is what machines read: it is the ``code`` of the API's problem documents, the reason in a peer's
score, and the label of a metric. Codes never change their meaning.
"""

from typing import ClassVar


class TangleError(Exception):
    """Root of all faults that a running node expects."""

    code: ClassVar[str] = "internal"
    """Stable, lower-case, hyphenated name of this fault."""


class MalformedEncoding(TangleError):
    """Bytes that are not the one canonical encoding of the expected record."""

    code = "encoding-malformed"

    def __init__(self, record: str, reason: str) -> None:
        self.record = record
        self.reason = reason
        super().__init__(f"not a canonical {record}: {reason}")


class OversizeEncoding(TangleError):
    """A record longer than its limit; refused before it is decoded."""

    code = "encoding-oversize"

    def __init__(self, record: str, size: int, limit: int) -> None:
        self.record = record
        self.size = size
        self.limit = limit
        super().__init__(f"{record} of {size} bytes is over the limit of {limit} bytes")


class InvalidSignature(TangleError):
    """An ed25519 signature that does not verify under the stated key, purpose and chain."""

    code = "signature-invalid"

    def __init__(self, purpose: bytes, public_key: bytes) -> None:
        self.purpose = purpose
        self.public_key = public_key
        super().__init__(f"signature for {purpose.decode()} does not verify under key {public_key.hex()}")


class WrongChain(TangleError):
    """A record made for another chain."""

    code = "chain-wrong"

    def __init__(self, found: bytes, expected: bytes) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"made for chain {found.hex()}, this node serves chain {expected.hex()}")


class WrongShard(TangleError):
    """A transaction sent to a shard that is not the issuer's home."""

    code = "shard-wrong"

    def __init__(self, found: int, expected: int) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"names shard {found}, the issuer's home is shard {expected}")


class UnsupportedVersion(TangleError):
    """A record of a protocol version that this node does not speak."""

    code = "version-unsupported"

    def __init__(self, record: str, found: int, expected: int) -> None:
        self.record = record
        self.found = found
        self.expected = expected
        super().__init__(f"{record} version {found} is not supported; this node speaks version {expected}")


class InvalidProof(TangleError):
    """A Merkle inclusion proof that does not lead to the stated root."""

    code = "proof-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the proof does not hold: {reason}")


class InvalidParameters(TangleError):
    """Protocol parameters that contradict each other."""

    code = "parameters-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"protocol parameters are inconsistent: {reason}")
