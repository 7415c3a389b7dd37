"""A batch of transactions of several shards: split by shard, answered at each item's place. Pure."""

from collections.abc import Mapping, Sequence

import cbor2
import msgspec

from tangle.api.front.routing import read_shard
from tangle.api.front.shard_door import ShardReply
from tangle.api.schemas.common import Envelope, Problem
from tangle.api.schemas.transactions import BatchItemAnswer, BatchOutcome
from tangle.api.wire import decode_json
from tangle.core.errors import TangleError

Compact = list[object]
"""``[id, is_new, code]``: the answer to one item in CBOR."""


class ItemsLost(TangleError):
    """A shard answered part of a batch with something else than an answer for each item."""

    code = "shard-answer"

    def __init__(self, shard: int, reason: str) -> None:
        self.shard = shard
        super().__init__(f"shard {shard} of this node answered a batch with {reason}")


def group_by_shard(items: Sequence[bytes], served: Sequence[int]) -> dict[int, list[int]]:
    """Places of the items by the shard that is to answer them.

    :param served: the node's shards; what names no shard of them goes to the first, which refuses it.
    """
    places: dict[int, list[int]] = {}
    for place, item in enumerate(items):
        shard = read_shard(item)
        if shard is None or shard not in served:
            shard = served[0]
        places.setdefault(shard, []).append(place)
    return places


def read_compact(shard: int, reply: ShardReply | TangleError, count: int) -> list[Compact]:
    """What a shard said of its items, in CBOR; a refusal of the whole part is one of each item."""
    code = _find_code(reply)
    if code is not None:
        return [[b"", 0, code.encode()] for _ in range(count)]
    assert isinstance(reply, ShardReply), "a fault has a code"
    answers = cbor2.loads(reply.content)
    if not (isinstance(answers, list) and len(answers) == count):
        raise ItemsLost(shard, f"{len(reply.content)} bytes")
    return answers


def read_answers(shard: int, reply: ShardReply | TangleError, count: int) -> Sequence[BatchItemAnswer]:
    """What a shard said of its items; a refusal of the whole part is one of each item."""
    code = _find_code(reply)
    if code is not None:
        detail = str(reply) if isinstance(reply, TangleError) else f"shard {shard} refused its part"
        return [BatchItemAnswer(BatchOutcome.REFUSED, None, None, code, detail)] * count
    assert isinstance(reply, ShardReply), "a fault has a code"
    answers = decode_json(Envelope[tuple[BatchItemAnswer, ...]], reply.content).data
    if len(answers) != count:
        raise ItemsLost(shard, f"{len(answers)} answers")
    return answers


def put_in_order(
    places: Mapping[int, Sequence[int]], parts: Mapping[int, Sequence[object]], count: int
) -> list[object]:
    """The answers of all parts, each at its item's place."""
    ordered: list[object] = [None] * count
    for shard, answers in parts.items():
        for place, answer in zip(places[shard], answers, strict=True):
            ordered[place] = answer
    return ordered


def _find_code(reply: ShardReply | TangleError) -> str | None:
    if isinstance(reply, TangleError):
        return reply.code
    if reply.is_success:
        return None
    try:
        return decode_json(Problem, reply.content).code
    except msgspec.MsgspecError:
        return "internal"
