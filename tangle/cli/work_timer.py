"""A transaction's AI work, done on the wallet's machine, and how long it took."""

import time

import anyio.to_thread

from tangle.api.schemas.transactions import PreparedAnswer
from tangle.client.client import TangleClient
from tangle.core.transactions import Work


class WorkTimer:
    """Does a transaction's AI work on this machine, and says how long it took."""

    def __init__(self) -> None:
        self.elapsed_ms = 0.0

    async def prove(self, client: TangleClient, prepared: PreparedAnswer) -> Work:
        """Evaluate what the prepared transaction was assigned, with weights from the node."""
        from tangle.cli.local_work import compute_work, fetch_job

        genesis = await client.get_genesis()
        opened = await fetch_job(client, genesis, prepared.job)
        weights = await client.get_weights(prepared.job, int(prepared.generation))
        begun_s = time.perf_counter()
        work = await anyio.to_thread.run_sync(compute_work, opened, prepared, weights)
        self.elapsed_ms = (time.perf_counter() - begun_s) * 1000
        return work
