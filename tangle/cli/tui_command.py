"""``tangle tui``: the dashboard of a running node."""

import sys

import click

from tangle.cli.context import CommandContext, pass_context
from tangle.cli.errors import MissingInput
from tangle.cli.groups import TangleCommand


@click.command(cls=TangleCommand)
@pass_context
def tui(context: CommandContext) -> None:
    """Watch a node: its DAG, its model's learning curve, the committee, peers and log. q leaves."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise MissingInput("a terminal", "use tangle status, or tangle status --json, where there is none")
    # Only now: a terminal's program is slow to load, and nothing else needs it.
    from tui.app import Dashboard
    from tui.live import LiveSource

    Dashboard(LiveSource(context.url)).run()
