"""``tangle node``: what an operator has a running node do, beside its peers."""

from typing import Final, get_args

import click

from tangle.cli.context import CommandContext, pass_context
from tangle.cli.groups import TangleGroup
from tangle.cli.operator_door import ask_operator
from tangle.client.operator import OperatorClient
from tangle.node.operator import LogLevel

LEVELS: Final = get_args(LogLevel)
"""Least urgent first."""


@click.group(cls=TangleGroup)
def node() -> None:
    """A running node: how much it logs, leaving the committee, stopping.

    All of it goes through the operator's door of the node in --home, which `admin_port` opens.
    """


@node.command("log-level")
@click.argument("level", type=click.Choice(LEVELS), required=False)
@pass_context
def log_level(context: CommandContext, level: LogLevel | None) -> None:
    """Show how much the node logs, or change it until the next start."""
    if level is None:
        answer = ask_operator(context, OperatorClient.get_log_level)
    else:
        answer = ask_operator(context, lambda client: client.set_log_level(level))
    context.emit(answer, lambda console: console.print(answer.level))


@node.command("leave")
@pass_context
def leave(context: CommandContext) -> None:
    """Have the validator sign nothing more until the next start, or the next epoch."""
    answer = ask_operator(context, OperatorClient.leave)
    context.emit(answer, lambda console: console.print(answer.done, soft_wrap=True))


@node.command("stop")
@click.option("--now", "is_immediate", is_flag=True, help="Do not leave the committee first.")
@pass_context
def stop(context: CommandContext, is_immediate: bool) -> None:
    """Stop the node; a validator leaves the committee first, so that nobody waits for it in vain."""
    if not is_immediate:
        context.say(ask_operator(context, OperatorClient.leave).done)
    answer = ask_operator(context, OperatorClient.stop)
    context.emit(answer, lambda console: console.print(answer.done, soft_wrap=True))
