"""``tangle tui``: the dashboard of running nodes, and of recorded sessions."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from tangle.cli.context import CommandContext, pass_context
from tangle.cli.errors import MissingInput
from tangle.cli.groups import TangleCommand

SPEED_MAX: Final = 100.0
"""Fastest replay: more snapshots a second than a terminal can draw are of no use."""

WEB_PORT: Final = 8_666
"""Where the dashboard is served unless told otherwise; nothing of a node listens there."""


@click.command(cls=TangleCommand)
@click.option(
    "--also", "others", metavar="URL", multiple=True, help="API of another node to watch; may be given again."
)
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what is seen of the first node into a new file.",
)
@click.option(
    "--replay",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show a recorded session instead of a node.",
)
@click.option(
    "--speed", type=click.FloatRange(0.1, SPEED_MAX), default=1.0, help="Recorded seconds a second (1)."
)
@click.option("--web", is_flag=True, help="Serve the dashboard to browsers on this machine.")
@click.option("--port", type=click.IntRange(1, 65_535), default=WEB_PORT, help=f"Port of --web ({WEB_PORT}).")
@pass_context
def tui(
    context: CommandContext,
    others: tuple[str, ...],
    record: Path | None,
    replay: Path | None,
    speed: float,
    web: bool,
    port: int,
) -> None:
    """Watch a node: its DAG, its model's learning curve, the committee, peers and log. q leaves."""
    if replay is not None and (record is not None or others):
        raise click.UsageError("--replay shows a file and nothing else; leave out --record and --also")
    if record is not None and record.exists():
        raise click.UsageError(f"{record} exists and is not written over; name a new file for --record")
    if replay is not None:
        _check(replay)
    if web:
        if record is not None:
            raise click.UsageError("each browser has its own dashboard; record in a terminal, without --web")
        _serve(context, port, _make_arguments(others, replay, speed))
        return
    # A browser's session has no terminal: Textual speaks to its server through pipes then.
    is_served = "TEXTUAL_DRIVER" in os.environ
    if not is_served and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise MissingInput("a terminal", "use tangle status, or tangle status --json, where there is none")
    _show([context.url, *others], record, replay, speed)


def _show(urls: Sequence[str], record: Path | None, replay: Path | None, speed: float) -> None:
    # Only now: a terminal's program is slow to load, and nothing else needs it.
    from tui.app import Dashboard
    from tui.live import LiveSource
    from tui.sources import RecordedSource, RecordingSource, SnapshotSource, read_recording

    sources: list[SnapshotSource] = [LiveSource(url) for url in urls]
    if record is not None:
        sources[0] = RecordingSource(sources[0], record)
    if replay is not None:
        sources = [RecordedSource(str(replay), lambda: read_recording(replay), 1.0 / speed)]
    Dashboard(*sources).run()


def _check(replay: Path) -> None:
    from tui.sources import check_recording

    try:
        check_recording(replay)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _make_arguments(others: Sequence[str], replay: Path | None, speed: float) -> list[str]:
    arguments = [part for url in others for part in ("--also", url)]
    if replay is not None:
        arguments += ["--replay", str(replay.absolute()), "--speed", str(speed)]
    return arguments


def _serve(context: CommandContext, port: int, arguments: Sequence[str]) -> None:
    from textual_serve.server import Server

    command = [sys.executable, "-m", "tangle.cli", "--url", context.url, "tui", *arguments]
    context.say(f"the dashboard is at http://127.0.0.1:{port}; ^C ends it")
    # It shows what the node tells anybody and changes nothing; even so it is for this machine alone.
    Server(shlex.join(command), host="127.0.0.1", port=port, title="tangle").serve()
