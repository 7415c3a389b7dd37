"""Writes docs/cli.md from the command line itself: run it after changing a command."""

from collections.abc import Iterator
from pathlib import Path

import click

from tangle.cli.config_file import ENVIRONMENT_PREFIX, format_value, get_settings, read_field_docs
from tangle.cli.failures import STATUS_MEANINGS
from tangle.cli.main import main

PATH = Path(__file__).resolve().parent.parent / "docs" / "cli.md"

HEAD = """\
# The command line

Written by `python tools/make_cli_docs.py` from the commands themselves; change those, not this file.

Data goes to standard output, everything else to standard error. `--json` prints one object instead of text
(one a second for `devnet up`); an error is then an object on standard error too. Nobody is asked anything
where there is no terminal, or with `--no-input`. Colours leave with `NO_COLOR`.
"""

LAYOUT = """\
## The home

`--home`, or `TANGLE_HOME`, or the data directory of your system (`~/.local/share/tangle` on Linux).

| file | what |
|---|---|
| `wallets/NETWORK/NAME.json` | wallets, encrypted ([format](wallet.md)) |
| `node.key` | names the node to its peers |
| `validator.key`, `validator.state` | signs blocks, and what it signed last; move both, never copy |
| `faucet.key` | coins that a development network gives away |
| `genesis.cbor` | the network |
| `config.toml` | settings, all commented |
| `db/` | the ledger |
| `blobs/` | models, data, traces and results by content id |
| `devnet/` | the homes of `tangle devnet up` |
"""


def make_document() -> str:
    """The whole page."""
    root = click.Context(main, info_name="tangle", max_content_width=110, terminal_width=100)
    parts = [HEAD, "## Every command takes\n", make_options(root), make_statuses(), LAYOUT, make_settings()]
    for context in iterate_commands(root):
        parts += make_section(context)
    return "\n".join(filter(None, parts))


def iterate_commands(context: click.Context) -> Iterator[click.Context]:
    """Every command that does something, in the order of the help."""
    command = context.command
    if not isinstance(command, click.Group):
        yield context
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None, "it was listed"
        yield from iterate_commands(click.Context(child, parent=context, info_name=name))


def make_section(context: click.Context) -> list[str]:
    """One command."""
    usage = " ".join(context.command.collect_usage_pieces(context))
    text = context.command.help or ""
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if "\b" not in paragraph]
    return [
        f"## `{context.command_path}`\n",
        f"`{context.command_path} {usage}`\n",
        "\n\n".join(paragraphs) + "\n",
        make_options(context),
    ]


def make_options(context: click.Context) -> str:
    """The options of one command as a table; empty without any."""
    rows = [
        record
        for option in context.command.get_params(context)
        if (record := option.get_help_record(context))
    ]
    shown = [(name, text) for name, text in rows if not name.startswith(("-h", "--help"))]
    if not shown:
        return ""
    lines = [f"| `{escape(name)}` | {escape(' '.join(text.split()))} |" for name, text in shown]
    return "\n".join(["| option | what |", "|---|---|", *lines]) + "\n"


def make_statuses() -> str:
    """The exit statuses as a table."""
    lines = [f"| {int(status)} | {meaning} |" for status, meaning in STATUS_MEANINGS.items()]
    return "\n".join(["## Exit status\n", "| status | means |", "|---|---|", *lines]) + "\n"


def make_settings() -> str:
    """A node's settings as a table."""
    docs = read_field_docs()
    lines = [
        f"| `{name}` | `{format_value(field.default)}` | {escape(docs[name].replace('``', '`'))} |"
        for name, field in get_settings().items()
    ]
    head = (
        "In `config.toml`, those with a dot in the table that stands before it; in capitals after\n"
        f"`{ENVIRONMENT_PREFIX}`, with `_` for a dot, as variables, which outrank the file. Options outrank\n"
        "both. `tangle config show` tells what holds and where it comes from.\n"
    )
    return (
        "\n".join(["## A node's settings\n", head, "| name | default | what |", "|---|---|---|", *lines])
        + "\n"
    )


def escape(text: str) -> str:
    """Text that stays within its cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PATH.write_text(make_document(), encoding="utf-8")
