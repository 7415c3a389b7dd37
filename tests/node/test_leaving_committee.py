"""A validator that its operator has leave: it signs nothing more, says so, and the others go on."""

from tangle.node.operator import NodeOperator
from tests.node.traffic import send_everywhere
from tests.node.world import network_of, wait_all_final, wait_until


async def test_a_validator_leaves_and_comes_back_with_the_next_start() -> None:
    async with network_of(4) as world:
        await world.wait_ready()
        leaver = world.members[3]
        assert await NodeOperator(leaver.node).leave()
        signed = leaver.node.driver.core.highest_round
        assert not await NodeOperator(leaver.node).leave()
        check = next(check for check in leaver.service.get_readiness() if check.name == "committee")
        assert not check.is_met
        assert check.detail.startswith("left, as the operator wished")
        sent = await send_everywhere(world, 4, members=3)
        await wait_all_final(world.members, sent)
        core = world.members[0].node.driver.core
        later = range(signed + 1, core.highest_round + 1)
        assert len(later) > 3
        assert 3 not in {block.reference.author for number in later for block in core.get_round(number)}
        await leaver.stop()
        await leaver.start()
        await wait_until(lambda: leaver.node.driver.is_proposing)
        assert leaver.failure is None


async def test_an_observer_has_nothing_to_leave() -> None:
    async with network_of(4, observers=1) as world:
        assert not await NodeOperator(world.members[4].node).leave()
