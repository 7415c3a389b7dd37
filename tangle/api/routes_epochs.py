"""The route of epochs: who sat on which committee, and the last checkpoints that light clients follow."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.epochs import encode_epoch_chain
from tangle.api.registry import CBOR, Call, RawReply, Reply, RouteTable
from tangle.api.schemas.epochs import EpochAnswer
from tangle.api.schemas.ledger import CheckpointValidatorAnswer
from tangle.api.wire import HexDigest, Quantity
from tangle.node.explorer import EpochView

routes: Final = RouteTable("epochs")

EPOCHS_MAX: Final = 64
"""Most epochs of one answer: at most 4 MB in the largest committee, 100 kB in a usual one."""


class EpochsInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A run of epochs."""

    first: Quantity | None = None
    """Begin with this epoch, or the first after it; with epoch 0 for none."""

    limit: Annotated[int, Meta(ge=1, le=EPOCHS_MAX)] = 20
    """Most epochs to return."""

    shard: Annotated[int, Meta(ge=0, le=255)] = 0
    """The shard; the last checkpoints of shard 0 name committees."""


@routes.get("/v1/epochs", EpochsInputs, answer=tuple[EpochAnswer, ...], media_types=(CBOR,))
def list_epochs(call: Call[EpochsInputs, None]) -> Reply | RawReply:
    """Committees by epoch; with ``Accept: application/cbor`` their last checkpoints with certificates."""
    inputs = call.inputs
    views = call.context.service.explorer.get_epochs(inputs.shard, inputs.first or 0, inputs.limit)
    if call.is_accepted(CBOR):
        return RawReply(encode_epoch_chain(view.end for view in views if view.end is not None), CBOR)
    return Reply(tuple(map(make_epoch_answer, views)))


def make_epoch_answer(view: EpochView) -> EpochAnswer:
    """The answer's form of an epoch."""
    committee, end = view.committee, view.end
    return EpochAnswer(
        epoch=Quantity(committee.epoch),
        begun=Quantity(view.begun),
        ended=None if end is None else Quantity(end.checkpoint.index),
        quorum=committee.quorum,
        total_weight=committee.total_weight,
        validators=tuple(
            CheckpointValidatorAnswer(HexDigest(validator.public_key), validator.weight)
            for validator in committee.validators
        ),
    )
