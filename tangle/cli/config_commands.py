"""``tangle config``: the commented template, and the settings in force with their origins."""

import click
from rich.console import Console

from tangle.cli.config_file import (
    DEFAULT_ORIGIN,
    format_value,
    get_settings,
    get_value,
    load_config,
    render_template,
)
from tangle.cli.context import CommandContext, get_environment, pass_context
from tangle.cli.groups import TangleGroup


@click.group(cls=TangleGroup)
def config() -> None:
    """A node's settings."""


@config.command("default")
def show_default() -> None:
    """Print a config.toml with every setting commented."""
    click.echo(render_template({}), nl=False)


@config.command("check")
@pass_context
def check_config(context: CommandContext) -> None:
    """Check the file and the variables without starting anything; exit status 2 when one is wrong."""
    loaded = load_config(context.home / "config.toml", get_environment(), {})
    made = {name: origin for name, origin in loaded.origins.items() if origin != DEFAULT_ORIGIN}
    context.emit_fields({"is_valid": True, "origins": made}, {"settings": "all right", "made": len(made)})


@config.command("show")
@click.option(
    "--origin/--no-origin", "has_origin", default=True, help="Say where each comes from; without, plain TOML."
)
@pass_context
def show_config(context: CommandContext, has_origin: bool) -> None:
    """Print the settings in force, and where each comes from."""
    loaded = load_config(context.home / "config.toml", get_environment(), {})
    values = {name: get_value(loaded.config, name) for name in get_settings()}

    def render(console: Console) -> None:
        lines = {name: f"{name} = {format_value(value)}" for name, value in values.items()}
        width = max(map(len, lines.values()))
        for name, line in lines.items():
            text = f"{line:<{width}}  # {loaded.origins[name]}" if has_origin else line
            console.print(text, soft_wrap=True, markup=False)

    context.emit({"settings": values, "origins": loaded.origins}, render)
