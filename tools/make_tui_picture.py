"""Takes a picture of the dashboard: ``python -m tools.make_tui_picture http://127.0.0.1:14265 tui.svg``.

The first argument is a running node's API or a recording; the second the SVG to write. ``--seconds`` lets a
live node be watched for a while first, so that the histories are full; ``--record`` keeps what was seen.
"""

import argparse
import asyncio
from pathlib import Path

from tui.app import Dashboard
from tui.live import LiveSource
from tui.picture import export_picture
from tui.snapshot import Snapshot
from tui.sources import RecordedSource, SnapshotSource, read_recording, write_recording

RECORDED_MAX = 600
"""Snapshots kept for a recording: ten minutes."""


async def make_picture(
    source: SnapshotSource, size: tuple[int, int], seconds: float, keys: tuple[str, ...]
) -> tuple[str, list[Snapshot]]:
    """Watch ``source`` for ``seconds``, press ``keys``; answers the picture and what was seen."""
    app = Dashboard(source)
    seen: list[Snapshot] = []
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + seconds
        while not seen or clock() < deadline_s:
            await pilot.pause(0.2)
            if app.snapshot is not None and (not seen or seen[-1] is not app.snapshot):
                seen = [*seen, app.snapshot][-RECORDED_MAX:]
        await pilot.press(*keys)
        await pilot.pause()
        return export_picture(app), seen


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, take the picture, write it."""
    parser = argparse.ArgumentParser(description="Take a picture of the dashboard.")
    parser.add_argument("source", help="URL of a node's API, or a recording")
    parser.add_argument("picture", type=Path, help="SVG to write")
    parser.add_argument("--size", default="120x40", help="columns x rows (120x40)")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long to watch first")
    parser.add_argument("--press", action="append", default=[], help="key to press first; may be given again")
    parser.add_argument("--record", type=Path, help="write what was seen as a recording")
    chosen = parser.parse_args(arguments)
    width, height = map(int, chosen.size.split("x"))
    source: SnapshotSource
    if "://" in chosen.source:
        source = LiveSource(chosen.source)
    else:
        *_, last = read_recording(Path(chosen.source))
        source = RecordedSource(chosen.source, lambda: (last,), 1.0)
    picture, seen = asyncio.run(make_picture(source, (width, height), chosen.seconds, tuple(chosen.press)))
    chosen.picture.parent.mkdir(parents=True, exist_ok=True)
    chosen.picture.write_text(picture, encoding="utf-8")
    if chosen.record is not None:
        write_recording(chosen.record, seen)


if __name__ == "__main__":
    main()
