"""An own block that is not on disk yet, and in the guard, is seen by nobody, however long the disk takes."""

import anyio
import pytest
from msgspec.structs import replace

from shards.guard import decode_last_signed
from tangle.core.types import Shard
from tangle.net.ledger_messages import BlockItems, GetRounds
from tangle.store.guard_file import MemoryGuard
from tests.node.world import PARAMETERS, Member, network_of

pytestmark = pytest.mark.timeout(60)

SAVE_S = 2.0
"""Longer than a driver waits before it sends its latest blocks again."""


LONG_EPOCH = replace(PARAMETERS, epoch_ms=3_600_000)
"""Rounds begin anew with an epoch; here they only rise."""


class SlowGuard(MemoryGuard):
    """Takes its time, as the file on a busy disk does."""

    async def save(self, record: bytes) -> None:
        await anyio.sleep(SAVE_S)
        await super().save(record)


def get_seen_round(member: Member, author: int) -> int:
    return max(
        (
            each.reference.round
            for each in member.node.driver.core.get_latest_blocks()
            if each.reference.author == author
        ),
        default=0,
    )


async def test_no_block_leaves_before_the_guard_is_on_disk() -> None:
    async with network_of(2, is_started=False, parameters=LONG_EPOCH) as world:
        slow, other = world.members
        slow.guard = SlowGuard()
        for member in world.members:
            await member.start()
        is_held, guarded = False, 0
        for _ in range(400):
            await anyio.sleep(0.05)
            guarded = decode_last_signed(slow.guard.record).round
            made = get_seen_round(slow, 0)
            assert get_seen_round(other, 0) <= guarded <= made
            answer = slow.node.answer(GetRounds(0, Shard(0), 0, 1, made))
            assert isinstance(answer, BlockItems)
            blocks = [each for each in slow.node.driver.core.get_round(made) if each.reference.author == 0]
            if guarded < made:
                is_held = True
                assert not {each.encoded for each in blocks} & set(answer.items)
        assert is_held
        assert guarded >= 3
