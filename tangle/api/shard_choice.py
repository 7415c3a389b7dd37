"""The parameter ``shard`` of routes that tell about one shard, where a node may serve several."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from tangle.api.registry import Call
from tangle.node.views import NotFound

ShardIndex = Annotated[int, Meta(ge=0, le=255)]


class ShardChoice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which shard is meant."""

    shard: ShardIndex | None = None
    """The shard; of nodes that serve several all of them for none, or the first where only one is told of."""


def check_shard(call: Call[Any, Any]) -> None:
    """See that the shard that a request names is the one behind this door.

    :raises NotFound: it is another one.
    """
    wanted = call.inputs.shard
    if wanted is not None and wanted != call.context.service.shard:
        raise NotFound("shard", str(wanted))
