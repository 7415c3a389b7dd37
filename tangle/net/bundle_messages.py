"""Messages about bundles of other shards: whoever names one in a block gives it to those who ask."""

from typing import Annotated

from msgspec import Meta, Struct

from shards.blocks import BundleReference
from shards.bundles import BUNDLE_SIZE_MAX
from tangle.core.types import Shard
from tangle.net.replica_messages import RequestId


class GetBundle(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=29):
    """Ask for a bundle by its name; answered by ``BundleItem``, refused by who cannot get it either."""

    request: RequestId
    """Filled in by the session."""

    target: Shard
    """Shard that it is for."""

    reference: BundleReference
    """Which."""


class BundleItem(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=30):
    """A bundle."""

    request: RequestId
    """The request that is answered."""

    content: Annotated[bytes, Meta(min_length=1, max_length=BUNDLE_SIZE_MAX)]
    """Its encoding."""
