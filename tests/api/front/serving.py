"""Two shards in memory behind a real front, all on real ports; a shard's door can close and open again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
from aiohttp import web
from anyio.abc import TaskGroup
from msgspec.structs import replace

from tangle.api.config import ApiConfig
from tangle.api.connections import ConnectionServer
from tangle.api.front.addresses import DoorAddresses
from tangle.api.front.front import Front
from tangle.api.front.shard_door import ShardDoor
from tangle.api.server import ApiServer
from tangle.core.types import Shard
from tests.api.ledger_double import LedgerDouble, make_genesis
from tests.api.serving import QUIET

BEHIND: ApiConfig = replace(QUIET, is_behind_front=True)


class FrontUnderTest:
    """The shards, and where each one's door is now."""

    def __init__(self, tasks: TaskGroup) -> None:
        genesis = make_genesis(shard_bits=1)
        self.ledgers = [LedgerDouble(genesis, shard=Shard(shard)) for shard in range(2)]
        self.addresses: list[DoorAddresses | None] = [None, None]
        self.url = ""
        self._tasks = tasks
        self._scopes = [anyio.CancelScope(), anyio.CancelScope()]
        self._ended = [anyio.Event(), anyio.Event()]

    async def open(self, shard: int, config: ApiConfig = BEHIND) -> None:
        """Open a shard's door, on a port of its own."""
        self._scopes[shard], self._ended[shard] = anyio.CancelScope(), anyio.Event()
        await self._tasks.start(self._serve, shard, config)

    async def close(self, shard: int) -> None:
        """Close a shard's door; the file that told of it stays."""
        self._scopes[shard].cancel()
        await self._ended[shard].wait()

    async def _serve(self, shard: int, config: ApiConfig, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        self.ledgers[shard].metrics = type(self.ledgers[shard].metrics)()
        server = ApiServer(self.ledgers[shard], config, version="0.0.0")
        with self._scopes[shard]:
            async with anyio.create_task_group() as tasks:
                found = await tasks.start(server.serve)
                self.addresses[shard] = DoorAddresses(found.api, found.metrics or "", "", shard)
                task_status.started()
        self._ended[shard].set()

    def find(self, shard: int) -> DoorAddresses | None:
        """Where a shard's door was opened last."""
        return self.addresses[shard]


@asynccontextmanager
async def serve_shards(config: ApiConfig = QUIET) -> AsyncIterator[FrontUnderTest]:
    """Two shards behind one front until the block ends."""
    async with anyio.create_task_group() as tasks:
        world = FrontUnderTest(tasks)
        for shard in range(2):
            await world.open(shard)
        doors = [ShardDoor(Shard(shard), partial(world.find, shard)) for shard in range(2)]
        front = Front(world.ledgers[0].genesis, doors, config)
        runner = web.ServerRunner(ConnectionServer(front.handle, config), shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield world
        finally:
            with anyio.CancelScope(shield=True):
                await runner.cleanup()
                for door in doors:
                    await door.close()
            tasks.cancel_scope.cancel()
