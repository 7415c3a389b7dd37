"""Answers and requests about inference while somebody waits."""

from typing import Annotated

from msgspec import Meta, Struct

from tangle.api.wire import HexBytes, HexDigest
from tangle.net.replica_messages import INLINE_TENSORS_MAX


class InferenceRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A job to be run at once."""

    transaction: HexBytes
    """The signed transaction that opens an inference job, in hex."""

    inputs: Annotated[tuple[HexBytes, ...], Meta(min_length=1, max_length=INLINE_TENSORS_MAX)]
    """Elements of each input, in hex: row-major, little-endian, rows first; 65,536 bytes together."""


class TensorAnswer(Struct, frozen=True):
    """One output."""

    dtype: str
    """``int8``, ``uint8`` or ``int32``."""

    shape: tuple[int, ...]
    """Its shape, rows first."""

    data: HexBytes
    """Its elements: row-major, little-endian."""


class InferenceTimes(Struct, frozen=True):
    """Where the time of an answer went, in milliseconds from its arrival at the node."""

    sealed_ms: float
    """Until enough validators had sealed a result."""

    shown_ms: float
    """Until enough equal results were shown."""

    total_ms: float
    """Until the transaction was durable at this node too."""


class InferenceAnswer(Struct, frozen=True):
    """The replicated result of a job that the ledger settles afterwards."""

    job: HexDigest
    """The job; ``/v1/jobs`` tells how it is settled."""

    transaction: HexDigest
    """The transaction that opens it."""

    program: HexDigest
    """The program."""

    rows: int
    """Rows of the run."""

    outputs: tuple[TensorAnswer, ...]
    """The result."""

    level: int
    """Level of verification: 4, replicated."""

    agreeing: tuple[str, ...]
    """Validators that gave this result."""

    assigned: tuple[str, ...]
    """Validators that had sealed one before any was shown."""

    receipt: HexBytes
    """The receipt, which anybody can verify offline with the genesis."""

    times: InferenceTimes
    """Where the time went."""
