"""Routes between the processes of one node, on private doors only: what a shard gives to the others.

They are in no document: nobody else is to use them, and the front passes nothing on to them.
"""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from shards.blocks import BundleReference
from tangle.api.registry import OCTETS, Call, RawReply, Reply, RouteTable
from tangle.api.schemas.transactions import ReceiptAnswer
from tangle.api.shard_choice import ShardIndex
from tangle.api.wire import HexDigest, Quantity
from tangle.core.types import CheckpointIndex, Digest, Shard
from tangle.node.crossing.desk import BundleDesk

PRIVATE_PREFIX: Final = "/v1/private/"
"""What the paths of these routes begin with."""

NOTHING: Final = 204
"""Status of an answer that there is no such bundle."""

routes: Final = RouteTable("private")


class NextInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """Which bundle comes next."""

    target: ShardIndex
    """Shard that it is for."""

    sequence: Quantity
    """Receipt that it brings."""

    acknowledged: Quantity | None = None
    """Take also one that acknowledges more than this."""

    timeout_s: Annotated[float, Meta(ge=0, le=60)] = 2.0
    """Longest wait in seconds."""


class EpochEndInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a committee's epoch."""

    target: ShardIndex
    """Shard that the bundle is for."""

    epoch: Quantity
    """Epoch of the committee that ends."""

    timeout_s: Annotated[float, Meta(ge=0, le=60)] = 2.0
    """Longest wait in seconds."""


class DeliveryInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A receipt of another shard."""

    source: ShardIndex
    """Shard that sent it."""

    sequence: Quantity
    """Its number."""

    timeout_s: Annotated[float, Meta(ge=0, le=60)] = 0.001
    """How long to wait until it is credited."""


class NamedInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle by its name."""

    target: ShardIndex
    """Shard that it is for."""

    index: Quantity
    """The checkpoint."""

    digest: HexDigest
    """Its digest."""


@routes.get("/v1/private/bundles/next/{target}", NextInputs, media_types=(OCTETS,), is_long=True)
async def wait_next_bundle(call: Call[NextInputs, None]) -> RawReply:
    """The bundle for another shard that brings a receipt, once it is certified."""
    inputs = call.inputs
    acknowledged = None if inputs.acknowledged is None else int(inputs.acknowledged)
    found = await _get_desk(call).wait_next(
        Shard(inputs.target), int(inputs.sequence), acknowledged, inputs.timeout_s
    )
    return RawReply(found or b"", OCTETS, NOTHING if found is None else 200)


@routes.get("/v1/private/bundles/epoch-end/{target}", EpochEndInputs, media_types=(OCTETS,), is_long=True)
async def wait_epoch_end(call: Call[EpochEndInputs, None]) -> RawReply:
    """The bundle of the last checkpoint of a committee, once it is certified."""
    inputs, desk = call.inputs, _get_desk(call)
    found = await desk.wait_epoch_end(Shard(inputs.target), int(inputs.epoch), inputs.timeout_s)
    return RawReply(found or b"", OCTETS, NOTHING if found is None else 200)


@routes.get("/v1/private/bundles/named/{target}", NamedInputs, media_types=(OCTETS,))
async def find_bundle(call: Call[NamedInputs, None]) -> RawReply:
    """A bundle for another shard, made anew from history."""
    inputs, desk = call.inputs, _get_desk(call)
    reference = BundleReference(
        call.context.service.shard, CheckpointIndex(int(inputs.index)), Digest(bytes(inputs.digest))
    )
    found = await desk.find(Shard(inputs.target), reference)
    return RawReply(found or b"", OCTETS, NOTHING if found is None else 200)


@routes.get("/v1/private/deliveries/{source}", DeliveryInputs, answer=ReceiptAnswer, is_long=True)
async def wait_delivery(call: Call[DeliveryInputs, None]) -> Reply:
    """What became here of a receipt of another shard."""
    inputs, target = call.inputs, call.context.service.shard
    found = await _get_desk(call).wait_delivery(Shard(inputs.source), int(inputs.sequence), inputs.timeout_s)
    checkpoint = None if found is None else Quantity(found.checkpoint)
    return Reply(ReceiptAnswer(target, inputs.sequence, found is not None, checkpoint))


def _get_desk(call: Call[Any, Any]) -> BundleDesk:
    desk = call.context.desk
    assert desk is not None, "these routes are served with a desk only"
    return desk
