"""The scraper's and the operator's doors of a node with several shards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from msgspec.structs import replace

from tangle.api.connections import ConnectionServer
from tangle.api.front.addresses import DoorAddresses, forget_addresses, read_addresses, write_addresses
from tangle.api.front.metrics_page import FrontMetricsPage
from tangle.api.front.operator_desk import OperatorDesk
from tangle.api.front.shard_door import ShardDoor
from tangle.core.types import Shard
from tangle.store.home import Home
from tests.api.front.serving import BEHIND, FrontUnderTest, serve_shards
from tests.api.serving import QUIET, Http, connect

TOKEN = "secret"


@asynccontextmanager
async def serve_page(page: FrontMetricsPage | OperatorDesk) -> AsyncIterator[Http]:
    runner = web.ServerRunner(ConnectionServer(page.handle, QUIET), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with connect(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
            yield http
    finally:
        await runner.cleanup()


def make_doors(world: FrontUnderTest) -> list[ShardDoor]:
    return [ShardDoor(Shard(shard), partial(world.find, shard)) for shard in range(2)]


async def test_figures_of_a_lost_shard_are_missing_and_it_says_so() -> None:
    async with serve_shards() as world:
        for shard in range(2):
            await world.close(shard)
            await world.open(shard, replace(BEHIND, metrics_port=0))
        async with serve_page(FrontMetricsPage(make_doors(world))) as http:
            _, both, _ = await http.ask("GET", "/metrics")
            assert b'tangle_shard_up{shard="0"} 1.0' in both
            assert b'tangle_shard_up{shard="1"} 1.0' in both
            assert both.count(b"# TYPE tangle_api_") == len(set(both.split(b"# TYPE tangle_api_"))) - 1
            await world.close(1)
            _, one, _ = await http.ask("GET", "/metrics")
            assert b'tangle_shard_up{shard="1"} 0.0' in one
            assert (await http.ask("GET", "/elsewhere"))[0] == 404


@pytest.mark.parametrize("fields", [{}, {"Authorization": "Bearer wrong"}])
async def test_the_operators_door_wants_the_token(fields: dict[str, str]) -> None:
    async with serve_shards() as world:
        desk = OperatorDesk(make_doors(world), world.ledgers[0].chain, TOKEN, QUIET)
        async with serve_page(desk) as http:
            assert await http.refuse("POST", "/v1/admin/stop", headers=fields) == (401, "token-required")


def test_the_file_of_the_doors_is_read_as_it_was_written_or_not_at_all(tmp_path: Path) -> None:
    part = Home(tmp_path).get_part(Shard(1))
    assert read_addresses(part) is None
    part.data.mkdir(parents=True)
    addresses = DoorAddresses("http://127.0.0.1:1", "", "", 7)
    write_addresses(part, addresses)
    assert read_addresses(part) == addresses
    part.doors.write_bytes(b"{")
    assert read_addresses(part) is None
    forget_addresses(part)
    forget_addresses(part)
    assert not part.doors.exists()
