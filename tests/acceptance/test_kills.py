"""``kill -9`` under load: of one node of four, and ten times of all four at once."""

import anyio
import pytest

from tangle.client.client import TangleClient
from tests.acceptance.load import RecordedLoad, find_changed
from tests.acceptance.support import (
    NetworkUnderTest,
    check_books,
    find_double_blocks,
    get_group_members,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RATE = 20.0
"""Transactions a second."""

KILLS = 10
"""Times that all nodes are killed at once."""


async def check_same_history(network: NetworkUnderTest) -> int:
    """Wait until all nodes have certified the same checkpoint; its digest and models are the same everywhere.

    Returns its index. Five checkpoints spread over the history are compared too.
    """
    clients = [TangleClient(url) for url in network.urls]
    try:
        latest = max([int((await client.get_status()).checkpoint_certified) for client in clients])

        async def is_level() -> bool:
            return all(
                [int((await client.get_status()).checkpoint_certified) >= latest for client in clients]
            )

        await wait_until(is_level, f"all nodes to certify checkpoint {latest}")
        for index in sorted({latest * part // 5 for part in range(1, 6)}):
            found = [await client.get_checkpoint(index=index) for client in clients]
            assert len({answer.digest for answer in found}) == 1, index
            assert len({answer.models for answer in found}) == 1, index
            assert all(answer.certificate for answer in found)
    finally:
        for client in clients:
            await client.close()
    return latest


async def test_a_killed_node_comes_back_into_the_same_history(four_nodes: NetworkUnderTest) -> None:
    await four_nodes.wait_ready()
    load = RecordedLoad(four_nodes.urls, RATE, 8)
    victim, *others = four_nodes.nodes
    await load.fund()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load.run)
        await load.wait_final(50)
        group = victim.pid
        victim.kill()
        await load.wait_final(100)  # the other three go on, and their wallets with them

        async def has_no_workers() -> bool:
            return not get_group_members(group)

        await wait_until(has_no_workers, "the workers of the killed node to end")
        victim.start()
        await victim.wait_ready()
        await load.wait_final(100)
        tasks.cancel_scope.cancel()
    await check_same_history(four_nodes)
    assert all(node.is_running for node in others)
    for url in four_nodes.urls:
        assert await find_changed(url, load.final) == {}
    assert await four_nodes.stop() == [0] * 4
    for node in four_nodes.nodes:
        check_books(node, four_nodes.genesis)
        assert find_double_blocks(node, four_nodes.genesis) == []


async def test_all_nodes_killed_ten_times_lose_nothing_final(four_nodes: NetworkUnderTest) -> None:
    await four_nodes.wait_ready()
    load = RecordedLoad(four_nodes.urls, RATE, 8)
    await load.fund()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load.run)
        for life in range(KILLS):
            # Not after a round number of anything, so that the ten kills hit different moments.
            await load.wait_final(20 + life)
            for node in four_nodes.nodes:
                assert node.process is not None
                node.process.kill()
            for node in four_nodes.nodes:
                node.kill()
                node.start()
            await four_nodes.wait_ready()
        await load.wait_final(20)
        tasks.cancel_scope.cancel()
    assert len(load.final) > 20 * KILLS
    await check_same_history(four_nodes)
    for url in four_nodes.urls:
        assert await find_changed(url, load.final) == {}
    assert await four_nodes.stop() == [0] * 4
    for node in four_nodes.nodes:
        assert "Traceback" not in node.read_log()
        check_books(node, four_nodes.genesis)
        assert find_double_blocks(node, four_nodes.genesis) == []
