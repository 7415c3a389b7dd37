"""A validator that loses its disk between signing a block and sending it has the block in the guard."""

import anyio
from msgspec.structs import replace

from shards.blocks import Block
from tests.node.world import assert_no_slot_signed_twice, network_of, wait_until


async def test_a_block_that_was_never_sent_outlives_the_disk() -> None:
    """Found by the simulator: with a silent validator the others waited for its slot for ever."""
    async with network_of(4) as world:
        *others, lost, silent = world.members
        await silent.stop()
        signed = lost.node.keeper.advance_guard

        async def sign_and_die(block: Block) -> None:
            await signed(block)
            lost.node.driver._hooks = replace(lost.node.driver._hooks, broadcast=lambda _: None)
            world.tasks.start_soon(lost.stop)
            await anyio.sleep_forever()

        lost.node.driver._hooks = replace(lost.node.driver._hooks, advance_guard=sign_and_die)
        await lost.ended.wait()
        lost.lose_disk()
        await lost.start()
        before = others[0].node.finality.certified
        await wait_until(lambda: others[0].node.finality.certified > before + 3)
        assert_no_slot_signed_twice([*others, lost])
