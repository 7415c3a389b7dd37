"""``tangle config``: the commented template, and the settings in force with their origins."""

import click
from rich.console import Console

from tangle.cli.config_file import format_value, get_settings, get_value, load_config, render_template
from tangle.cli.context import CommandContext, get_environment, pass_context
from tangle.cli.groups import TangleGroup


@click.group(cls=TangleGroup)
def config() -> None:
    """A node's settings."""


@config.command("default")
def show_default() -> None:
    """Print a config.toml with every setting commented."""
    click.echo(render_template({}), nl=False)


@config.command("show")
@pass_context
def show_config(context: CommandContext) -> None:
    """Print the settings in force, and where each comes from."""
    loaded = load_config(context.home / "config.toml", get_environment(), {})
    values = {name: get_value(loaded.config, name) for name in get_settings()}

    def render(console: Console) -> None:
        lines = {name: f"{name} = {format_value(value)}" for name, value in values.items()}
        width = max(map(len, lines.values()))
        for name, line in lines.items():
            console.print(f"{line:<{width}}  # {loaded.origins[name]}", soft_wrap=True)

    context.emit({"settings": values, "origins": loaded.origins}, render)
