"""Takes pictures of the web page from a live node: ``python -m tools.take_web_pictures http://127.0.0.1:14265``.

Each page is taken at two widths, a desk's in dark and a phone's in light. The node should have run for some
minutes, so that there is something to see; ``tangle devnet up`` gives one.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from msgspec import Struct

from tools.headless_browser import BrowserFault, Page, browse, find_browser

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "pictures"
"""Where the pictures of the documents lie."""


class Size(Struct, frozen=True):
    """A window."""

    name: str
    """Part of the file's name."""

    width: int
    """CSS pixels."""

    height: int
    """CSS pixels."""

    theme: str
    """``dark`` or ``light``."""


SIZES: Final = (Size("wide", 1400, 860, "dark"), Size("narrow", 390, 844, "light"))
"""A desk and a phone."""

CHOOSE: Final = (
    "(() => { const final = [...document.querySelectorAll('.dot[data-status=checkpointed]')];"
    " const shown = final.filter((dot) => { const x = dot.getBoundingClientRect().x;"
    " return x > innerWidth * 0.35 && x < innerWidth * 0.75 });"
    " shown.at(-1)?.dispatchEvent(new MouseEvent('click', {bubbles: true})); return shown.length > 0 })()"
)
"""Chooses a vertex in the middle of the graph."""

SHOTS: Final = {
    "graph": ("#/", "document.querySelectorAll('.dot[data-status=checkpointed]').length > 30", CHOOSE),
    "transaction": (None, "document.querySelector('.proof-verdict.good')", "true"),
    "committee": ("#/committee", "document.querySelectorAll('.block').length > 10", "true"),
    "jobs": ("#/jobs", "document.querySelector('main h1')", "true"),
    "shards": ("#/shards", "document.querySelector('main h1')", "true"),
    "console": ("#/console", "document.querySelector('main h1')", "true"),
    "learning": ("#/learning", "document.querySelectorAll('.weights canvas').length > 4", "true"),
}
"""By name: place of the page (none for the newest final transaction), when it is ready, what is done then."""


async def take(page: Page, url: str, folder: Path) -> list[Path]:
    """Take every picture; answers where they lie."""
    written = []
    newest = (
        "fetch('/v1/transactions?limit=80').then((answer) => answer.json()).then(({data}) =>"
        " data.filter((one) => one.is_final && one.status === 'checkpointed').at(-1).id)"
    )
    for size in SIZES:
        await page.set_size(size.width, size.height)
        await page.set_theme(size.theme)
        for name, (place, is_ready, prepare) in SHOTS.items():
            await page.open(f"{url}/")
            if place is None:
                await page.wait("document.body.dataset.state")
                place = f"#/transactions/{await page.run(newest)}"
            await page.open(f"{url}/{place}")
            await page.wait("document.body.dataset.state === 'live'")
            await page.wait(is_ready)
            await page.wait(prepare)
            await asyncio.sleep(1.0)  # what moves comes to rest
            if page.faults:
                raise BrowserFault(f"{name}: {page.faults}")
            path = folder / f"web-{name}-{size.name}.png"
            path.write_bytes(await page.take_picture())
            written.append(path)
    return written


async def take_all(url: str, folder: Path) -> list[Path]:
    """Start a browser and take every picture.

    :raises BrowserFault: there is none, or a page did not come to what it should show.
    """
    browser = find_browser()
    if browser is None:
        raise BrowserFault("there is no Chromium on this machine; on Debian: apt-get install chromium")
    async with browse(browser) as page:
        return await take(page, url, folder)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, take the pictures."""
    parser = argparse.ArgumentParser(description="Take pictures of a node's web page.")
    parser.add_argument("url", help="a node's API, such as http://127.0.0.1:14265")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to put them (docs/pictures)")
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    try:
        written = asyncio.run(take_all(chosen.url.rstrip("/"), chosen.folder))
    except BrowserFault as fault:
        sys.exit(f"tangle: {fault}")
    for path in written:
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
