"""Answers about epochs of the committee."""

from msgspec import Struct

from tangle.api.schemas.ledger import CheckpointValidatorAnswer
from tangle.api.wire import Quantity


class EpochAnswer(Struct, frozen=True):
    """A committee and its epoch."""

    epoch: Quantity
    """Number of the epoch, by commit time, in which it began."""

    begun: Quantity
    """Checkpoint that it began on: the last one of the epoch before."""

    ended: Quantity | None
    """Its last checkpoint, once that is certified; none while it is at work."""

    quorum: int
    """Weight that certifies."""

    total_weight: int
    """Weight of all validators."""

    validators: tuple[CheckpointValidatorAnswer, ...]
    """Its members in index order."""
