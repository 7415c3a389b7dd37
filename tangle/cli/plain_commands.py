"""``tangle version`` and ``tangle completion``."""

import platform

import click
from click.shell_completion import get_completion_class

from tangle.cli.context import CommandContext, pass_context
from tangle.cli.groups import TangleCommand
from tangle.core.genesis import GENESIS_VERSION
from tangle.node.version import get_version

INSTALL_LINES = {
    "bash": 'eval "$(tangle completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(tangle completion zsh)"   # in ~/.zshrc',
    "fish": "tangle completion fish | source   # in ~/.config/fish/config.fish",
}
"""How each shell is told, shown in the help."""


@click.command(cls=TangleCommand)
@pass_context
def version(context: CommandContext) -> None:
    """Print the versions of program, protocol and Python."""
    program = get_version()
    record = {"version": program, "protocol": GENESIS_VERSION, "python": platform.python_version()}
    context.emit_fields(record, {"tangle": program, "protocol": GENESIS_VERSION, "python": record["python"]})


@click.command(
    cls=TangleCommand, help="Print a shell's completion script.\n\n\b\n" + "\n".join(INSTALL_LINES.values())
)
@click.argument("shell", type=click.Choice(list(INSTALL_LINES)))
def completion(shell: str) -> None:
    """Print a shell's completion script."""
    from tangle.cli.main import main

    completion_class = get_completion_class(shell)
    assert completion_class is not None, "click completes every shell that is offered"
    click.echo(completion_class(main, {}, "tangle", "_TANGLE_COMPLETE").source())
