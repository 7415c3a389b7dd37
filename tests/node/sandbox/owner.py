"""A process with a pool, for the test that kills it: writes down its worker's id, whose task never ends."""

import sys
from pathlib import Path

import anyio

from tests.node.sandbox.building import do, open_pool
from tests.node.sandbox.hostile import Trick


async def main() -> None:
    cache = Path(sys.argv[1])
    async with open_pool(cache) as pool:
        await pool.warm()
        (cache / "worker").write_text(str(pool.process_ids[0]))
        await do(pool, Trick.WAIT)


if __name__ == "__main__":
    anyio.run(main)
