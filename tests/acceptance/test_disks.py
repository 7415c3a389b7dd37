"""Disks that fill up: the node stops with one clear line, and with space again it has lost nothing final."""

import os
import shutil
from pathlib import Path

import anyio
import pytest

from tangle.store.home import Home
from tests.acceptance.load import RecordedLoad, find_changed
from tests.acceptance.support import NetworkUnderTest, NodeUnderTest, check_books, found_devnet, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MEBIBYTE = 1024 * 1024


async def load_until_it_stops(network: NetworkUnderTest, load: RecordedLoad) -> int:
    """Send to the node until it ends by itself; its exit status."""
    (node,) = network.nodes
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load.run)
        status = await node.wait_exit(120)
        tasks.cancel_scope.cancel()
    return status


def read_last_words(node: NodeUnderTest) -> str:
    """The one sentence of a node that had to stop."""
    log = node.read_log()
    assert "Traceback" not in log
    (sentence,) = [line for line in log.splitlines() if line.startswith("tangle: ")]
    return sentence


async def check_nothing_is_lost(network: NetworkUnderTest, load: RecordedLoad) -> None:
    """Start again; what was final is final with the same effect, and the node goes on."""
    (node,) = network.nodes
    check_books(node, network.genesis)
    node.start()
    await node.wait_ready()
    assert len(load.final) > 20
    assert await find_changed(node.url, load.final) == {}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load.run)
        await load.wait_final(20)
        tasks.cancel_scope.cancel()
    assert await node.stop() == 0
    check_books(node, network.genesis)


async def test_a_file_that_cannot_grow_stops_the_node(tmp_path: Path) -> None:
    """The system refuses a write in the middle of a commit, as a full disk or a dying one does."""
    network = found_devnet(tmp_path / "net", 1)
    (node,) = network.nodes
    load = RecordedLoad(network.urls, 40, 8)
    with running(network):
        await node.wait_ready()
        await load.fund()
        assert await node.stop() == 0
        largest = max(path.stat().st_size for path in Home(node.home).database.rglob("data.mdb"))
        node.file_size_max = largest + MEBIBYTE // 2
        node.start()
        await node.wait_ready()
        assert await load_until_it_stops(network, load) == 2
        sentence = read_last_words(node)
        assert "cannot write to" in sentence
        assert "nothing that was confirmed is lost" in sentence
        node.file_size_max = None
        await check_nothing_is_lost(network, load)


async def test_a_disk_that_runs_low_stops_the_node_in_time(tmp_path: Path) -> None:
    network = found_devnet(tmp_path / "net", 1)
    (node,) = network.nodes
    load = RecordedLoad(network.urls, 40, 8)
    with running(network):
        await node.wait_ready()
        await load.fund()
        assert await node.stop() == 0
        floor = shutil.disk_usage(tmp_path).free - 512 * MEBIBYTE
        node.environment["TANGLE_FREE_DISK_MIN_BYTES"] = str(floor)
        node.start()
        await node.wait_ready()
        ballast = tmp_path / "ballast"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(load.run)
            await load.wait_final(30)
            tasks.cancel_scope.cancel()
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 1024 * MEBIBYTE)
        try:
            assert await load_until_it_stops(network, load) == 2
            assert "MiB are free on its disk" in read_last_words(node)
            node.start()  # it does not even begin
            assert await node.wait_exit() == 2
        finally:
            ballast.unlink()
        await check_nothing_is_lost(network, load)
