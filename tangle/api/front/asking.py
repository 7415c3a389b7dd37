"""Asking several shards at once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import anyio

from tangle.api.front.errors import ShardDown
from tangle.api.front.shard_door import ShardDoor, ShardReply
from tangle.core.errors import TangleError

Ask = Callable[[ShardDoor], Awaitable[ShardReply]]
"""One request, put to any door."""


async def ask_all(doors: Sequence[ShardDoor], ask: Ask) -> dict[int, ShardReply | TangleError]:
    """What every shard says, in the order of ``doors``; a fault in place of an answer where there is none."""
    found: dict[int, ShardReply | TangleError] = {}

    async def ask_one(door: ShardDoor) -> None:
        try:
            found[door.shard] = await ask(door)
        except TangleError as error:
            found[door.shard] = error

    async with anyio.create_task_group() as tasks:
        for door in doors:
            tasks.start_soon(ask_one, door)
    return {door.shard: found[door.shard] for door in doors}


async def find_first(doors: Sequence[ShardDoor], ask: Ask) -> ShardReply:
    """The first success; the others are not waited for.

    :raises ShardDown: nobody has it, but a shard that might is not there.
    """
    found: list[ShardReply] = []
    refused: dict[int, ShardReply | TangleError] = {}

    async def ask_one(door: ShardDoor, scope: anyio.CancelScope) -> None:
        try:
            reply = await ask(door)
        except TangleError as error:
            refused[door.shard] = error
            return
        if reply.is_success:
            found.append(reply)
            scope.cancel()
        else:
            refused[door.shard] = reply

    async with anyio.create_task_group() as tasks:
        for door in doors:
            tasks.start_soon(ask_one, door, tasks.cancel_scope)
    if found:
        return found[0]
    return _choose_refusal(refused)


def _choose_refusal(refused: Mapping[int, ShardReply | TangleError]) -> ShardReply:
    """The most telling of several refusals: one that is not "no such thing", then a shard that is away."""
    replies = [reply for reply in refused.values() if isinstance(reply, ShardReply)]
    telling = [reply for reply in replies if reply.status != 404]
    if telling:
        return telling[0]
    faults = [fault for fault in refused.values() if isinstance(fault, ShardDown)]
    if faults:
        raise faults[0]
    others = [fault for fault in refused.values() if isinstance(fault, TangleError)]
    if others:
        raise others[0]
    return replies[0]
