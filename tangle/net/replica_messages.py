"""Messages of fast answers: a node asks others to run a paid job at once, and to seal and show what it gave.

``AskReplica`` carries the transaction that pays and the inputs; the worker runs the program and answers with
a seal. Once the asker has enough seals it hands all of them to each worker with ``ShowReplica``, and gets
results with signatures (``poi.countersigning``).
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from aivm.verification.trace import Commitment, TensorOpening
from poi.countersigning import Seals
from tangle.core.transactions import TRANSACTION_SIZE_MAX
from tangle.core.types import Digest, PublicKey, Signature

RequestId = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
"""Number that pairs a response with its request, chosen by the asker; the session fills it in."""

TransactionBytes = Annotated[bytes, Meta(min_length=1, max_length=TRANSACTION_SIZE_MAX)]
"""An encoded transaction."""

INLINE_MAX: Final = 65_536
"""Most bytes of inputs, and of outputs, of a fast answer: what a light model takes for some rows, and little
enough that nobody's session is held up by it. What is longer goes as blobs, and as an ordinary job."""

INLINE_TENSORS_MAX: Final = 16
"""Most inputs, and outputs, of a fast answer: as many inputs as a job may name."""

InlineTensors = Annotated[
    tuple[Annotated[bytes, Meta(max_length=INLINE_MAX)], ...],
    Meta(min_length=1, max_length=INLINE_TENSORS_MAX),
]
"""Elements of tensors, row-major, little-endian, rows first."""


class AskReplica(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=23):
    """Ask a worker to run a job now; answered by ``ReplicaSealed`` when it is done."""

    request: RequestId
    """Filled in by the session."""

    transaction: TransactionBytes
    """The transaction that opens the job and pays for it."""

    inputs: InlineTensors
    """What the program reads."""


class ShowReplica(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=24):
    """Ask a worker to show what it sealed; answered by ``ReplicaShown``."""

    request: RequestId
    """Filled in by the session."""

    job: Digest
    """The job."""

    seals: Seals
    """Everybody's seals, the worker's own among them."""


class ReplicaSealed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=25):
    """The worker has a result, and says which by its seal only."""

    request: RequestId
    """The request that is answered."""

    worker: PublicKey
    """The validator that ran it."""

    seal: Digest
    """Its seal."""

    signature: Signature
    """The worker's, purpose ``tangle/answer``."""


class ReplicaShown(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=26):
    """What a worker had sealed."""

    request: RequestId
    """The request that is answered."""

    commitment: Commitment
    """Its claim."""

    salt: Digest
    """With which it was sealed."""

    signature: Signature
    """The worker's, over all seals, commitment and salt, purpose ``tangle/answer``."""

    openings: Annotated[tuple[TensorOpening, ...], Meta(max_length=INLINE_TENSORS_MAX)]
    """Shows that the outputs are those of the trace."""

    outputs: InlineTensors
    """The outputs themselves."""


ReplicaRequest = AskReplica | ShowReplica
"""What is answered by running a program."""
