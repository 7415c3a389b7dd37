"""Takes all pictures of the documents: ``make pictures``, or ``python -m tools.take_pictures``.

Four nodes with a modest load run in a home of their own until there is something to see; then the dashboard
is taken at three sizes and the web page at two widths. ``--url`` takes them from a node that runs already.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tangle.client.errors import NodeUnreachable, UnexpectedAnswer
from tangle.client.reading import NodeReader
from tangle.client.transport import ClientConfig
from tools.headless_browser import BrowserFault
from tools.make_tui_picture import make_picture
from tools.take_web_pictures import FOLDER, take_all
from tui.live import LiveSource

PORT_BASE: Final = 24_265
"""API port of the first node: not the usual one, where somebody's own devnet may be."""

START_S: Final = 120.0
"""Longest start of the nodes; on a busy machine each takes some ten seconds."""

GROW_S: Final = 150.0
"""How long the network runs before the first picture: some generations of the model."""

WATCH_S: Final = 65.0
"""How long the dashboard watches before its picture: its histories hold a minute."""

DASHBOARDS: Final = (
    ("tui.svg", (120, 40), ()),
    ("tui-80x24.svg", (80, 24), ()),
    ("tui-200x60.svg", (200, 60), ()),
    ("tui-resources.svg", (120, 40), ("7",)),
)
"""File, columns and rows, and the keys that are pressed first."""


@asynccontextmanager
async def run_devnet(seconds: float) -> AsyncIterator[str]:
    """Four nodes that have run for ``seconds``; gives the first one's API.

    :raises TimeoutError: they did not start.
    """
    url = f"http://127.0.0.1:{PORT_BASE}"
    with tempfile.TemporaryDirectory(prefix="tangle-pictures-") as home:
        options = ("--nodes", "4", "--load", "20", "--home", home, "--port-base", str(PORT_BASE))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tangle.cli", "devnet", "up", *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(START_S):
                await _wait_ready(url)
            await asyncio.sleep(seconds)
            yield url
        finally:
            process.terminate()
            await process.wait()


async def _wait_ready(url: str) -> None:
    async with NodeReader(url, ClientConfig(attempts_max=1)) as reader:
        while True:
            try:
                if (await reader.get_status()).is_ready:
                    return
            except (NodeUnreachable, UnexpectedAnswer):
                pass  # not yet
            await asyncio.sleep(0.5)


async def take_dashboards(url: str, folder: Path, seconds: float) -> list[Path]:
    """The dashboard in every size, one after the other."""

    async def take(name: str, size: tuple[int, int], keys: tuple[str, ...]) -> Path:
        picture, _ = await make_picture(LiveSource(url), size, seconds, keys)
        (folder / name).write_text(picture, encoding="utf-8")
        return folder / name

    return [await take(*dashboard) for dashboard in DASHBOARDS]


async def _take(url: str, folder: Path, watch_s: float) -> list[Path]:
    return [*await take_all(url, folder), *await take_dashboards(url, folder, watch_s)]


async def _run(url: str | None, folder: Path, grow_s: float, watch_s: float) -> list[Path]:
    if url is not None:
        return await _take(url, folder, watch_s)
    async with run_devnet(grow_s) as own:
        return await _take(own, folder, watch_s)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, take the pictures."""
    parser = argparse.ArgumentParser(description="Take all pictures of the documents.")
    parser.add_argument("--url", help="a running node's API; four nodes of its own when left out")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to put them (docs/pictures)")
    parser.add_argument("--grow", type=float, default=GROW_S, help="seconds that its own nodes run first")
    parser.add_argument("--watch", type=float, default=WATCH_S, help="seconds that each dashboard watches")
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    try:
        written = asyncio.run(_run(chosen.url, chosen.folder, chosen.grow, chosen.watch))
    except BrowserFault as fault:
        sys.exit(f"tangle: {fault}")
    except TimeoutError:
        sys.exit(f"tangle: the nodes did not start within {START_S:g} s")
    for path in written:
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
