"""Why the front has no answer of a shard."""

from tangle.core.errors import TangleError
from tangle.core.types import Shard

RETRY_AFTER_S = 1.0
"""What a client is told while a shard's process starts: it takes about a second."""


class ShardNotServed(TangleError):
    """The request is for a shard that other nodes serve."""

    code = "shard-not-served"

    def __init__(self, shard: int) -> None:
        self.shard = shard
        super().__init__(f"this node does not serve shard {shard}; ask one that does")


class ShardDown(TangleError):
    """The process of a shard is starting, or was lost and comes back."""

    code = "shard-down"

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.retry_after_s = RETRY_AFTER_S
        super().__init__(f"shard {shard} of this node is starting; ask again in a moment")


class ShardLost(TangleError):
    """The process of a shard went away while it had a request that must not be sent twice."""

    code = "shard-lost"

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        super().__init__(f"shard {shard} of this node went away; it may or may not have done what was asked")
