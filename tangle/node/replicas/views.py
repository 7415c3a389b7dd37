"""What a customer gets, and from whom."""

from typing import Protocol

from msgspec import Struct

from aivm.program.types import TensorType
from tangle.core.types import Digest, PublicKey, TransactionId
from tangle.node.replicas.errors import NotOffered


class AnswerTimes(Struct, frozen=True):
    """Where the time of an answer went, in milliseconds from its arrival."""

    sealed_ms: float
    """Until the list of seals was closed."""

    shown_ms: float
    """Until enough equal results were shown."""

    total_ms: float
    """Until the transaction was durable here too."""


class FastAnswer(Struct, frozen=True, eq=False):
    """The replicated result of a job that the ledger is going to settle."""

    job: Digest
    """The job."""

    transaction: TransactionId
    """What opens it."""

    program: Digest
    """The program."""

    rows: int
    """Rows of the run."""

    types: tuple[TensorType, ...]
    """Types of the outputs, without rows."""

    outputs: tuple[bytes, ...]
    """The outputs: elements row-major, little-endian, rows first."""

    level: int
    """Level of the receipt."""

    agreeing: tuple[PublicKey, ...]
    """Validators that gave this result."""

    assigned: tuple[PublicKey, ...]
    """Validators that had sealed one."""

    receipt: bytes
    """The receipt (``poi.receipts``)."""

    times: AnswerTimes
    """Where the time went."""


class FastAnswers(Protocol):
    """Who has jobs run at once."""

    async def answer(self, encoded: bytes, inputs: tuple[bytes, ...]) -> FastAnswer:
        """Have the job run that a transaction opens, and the transaction taken in.

        :param inputs: elements of each input: row-major, little-endian, rows first.
        :raises TangleError: why there is no answer.
        """


class NoAnswers:
    """A node that takes no part in fast answers."""

    async def answer(self, encoded: bytes, inputs: tuple[bytes, ...]) -> FastAnswer:
        """:raises NotOffered: always."""
        raise NotOffered
