"""What every command is given: where the home is, whom to ask, and how to speak.

Data goes to standard output, as text for people or as one JSON object; everything else is talk and goes to
standard error. The shared options may stand before or after the command's name.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click
import msgspec
from platformdirs import user_data_path

from tangle.cli.config_file import load_config
from tangle.cli.failures import ExitStatus

if TYPE_CHECKING:
    from rich.console import Console  # loaded by the commands that draw with it

EVERYWHERE: Final = ("", "0.0.0.0", "::")  # noqa: S104 -- only compared with: nothing listens here
"""Hosts of a setting that mean every interface; a client asks at the loopback one."""

PIPE_WIDTH: Final = 200
"""Columns of a table that no terminal shows: wide enough that nothing is cut off."""

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


class CommandContext:
    """The shared options, and the two ways out."""

    def __init__(self) -> None:
        self.home: Path = user_data_path("tangle", appauthor=False)
        self._url: str | None = None
        self.is_json = False
        self.is_quiet = False
        self.is_debug = False
        self.is_input_allowed = True
        self.refusal_status = ExitStatus.FAILED

    @property
    def url(self) -> str:
        """API of the node to ask: as named, else where the home's settings say, else the usual port.

        :raises InvalidConfig: the home's settings are wrong.
        """
        if self._url is None:
            config = load_config(self.home / "config.toml", get_environment(), {}).config
            host = "127.0.0.1" if config.api_host in EVERYWHERE else config.api_host
            self._url = (
                f"http://[{host}]:{config.api_port}" if ":" in host else f"http://{host}:{config.api_port}"
            )
        return self._url

    @url.setter
    def url(self, url: str) -> None:
        self._url = url

    @property
    def is_interactive(self) -> bool:
        """Whether a person can be asked."""
        return self.is_input_allowed and sys.stdin.isatty() and sys.stderr.isatty()

    def make_console(self) -> "Console":
        """A console on standard output; colours only on a terminal and without NO_COLOR."""
        from rich.console import Console

        width = None if sys.stdout.isatty() else PIPE_WIDTH
        return Console(highlight=False, soft_wrap=False, width=width, emoji=False, markup=False)

    def make_talk_console(self) -> "Console":
        """A console on standard error, for progress."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, emoji=False, markup=False, quiet=self.is_quiet)

    def emit(self, record: object, render: Callable[["Console"], None]) -> None:
        """Print a command's answer.

        :param record: what ``--json`` prints: a mapping, or a record of the API.
        :param render: prints the same for people.
        """
        if self.is_json:
            self._emit_json(record)
        else:
            render(self.make_console())

    def emit_fields(self, record: object, fields: Mapping[str, object]) -> None:
        """Print an answer that is a list of names and values."""
        if self.is_json:
            self._emit_json(record)
        else:
            for line in _format_fields(fields):
                click.echo(line)

    def _emit_json(self, record: object) -> None:
        from tangle.api.wire import encode_value

        click.echo(msgspec.json.encode(record, enc_hook=encode_value).decode())

    def say(self, text: str) -> None:
        """Talk to the person, if there is one who wants it."""
        if not self.is_quiet:
            click.echo(text, err=True)


def print_fields(console: "Console", fields: Mapping[str, object]) -> None:
    """Names in one column, values in another; a value may have several lines."""
    for line in _format_fields(fields):
        console.print(line, soft_wrap=True)


def _format_fields(fields: Mapping[str, object]) -> Iterator[str]:
    width = max(map(len, fields))
    for name, value in fields.items():
        first, *rest = str(value).splitlines() or [""]
        yield f"{name:<{width}}  {first}"
        for line in rest:
            yield f"{'':<{width}}  {line}"


pass_context = click.make_pass_decorator(CommandContext, ensure=True)
"""Gives a command its ``CommandContext``."""


def run_async(
    function: Callable[Parameters, Awaitable[Answer]], *args: Parameters.args, **settings: Parameters.kwargs
) -> Answer:
    """Run a command's coroutine; the client needs asyncio."""
    import anyio

    return anyio.run(partial(function, *args, **settings), backend="asyncio")


def make_shared_options(*, is_hidden: bool) -> list[click.Parameter]:
    """The options that every command understands.

    :param is_hidden: leave them out of the command's help; the group's help has them.
    """

    def make(*names: str, attribute: str, help_text: str, **settings: Any) -> click.Option:
        def store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
            if value is not None:
                if attribute == "url" and not value.startswith(("http://", "https://")):
                    raise click.BadParameter("it begins with http:// or https://", context, parameter)
                setattr(context.ensure_object(CommandContext), attribute, value)

        return click.Option(
            names,
            expose_value=False,
            callback=store,
            help=help_text,
            hidden=is_hidden,
            default=None,
            **settings,
        )

    return [
        make(
            "--home",
            attribute="home",
            help_text="Directory of keys, wallets and data.  [env: TANGLE_HOME]",
            type=click.Path(file_okay=False, path_type=Path),
            envvar=None if is_hidden else "TANGLE_HOME",
        ),
        make(
            "--url",
            attribute="url",
            help_text="API of the node to ask.  [env: TANGLE_URL; default: the port in config.toml]",
            envvar=None if is_hidden else "TANGLE_URL",
        ),
        make(
            "--json", attribute="is_json", help_text="Print one JSON object.", is_flag=True, flag_value=True
        ),
        make(
            "--quiet", "-q", attribute="is_quiet", help_text="Print data only.", is_flag=True, flag_value=True
        ),
        make(
            "--debug",
            attribute="is_debug",
            help_text="Show where a failure comes from.  [env: TANGLE_DEBUG]",
            is_flag=True,
            flag_value=True,
            envvar=None if is_hidden else "TANGLE_DEBUG",
        ),
        click.Option(
            ("--no-input",),
            is_flag=True,
            flag_value=True,
            default=None,
            expose_value=False,
            hidden=is_hidden,
            help="Never ask; fail where an answer is needed.",
            callback=_forbid_input,
        ),
    ]


def _forbid_input(context: click.Context, _: click.Parameter, value: bool | None) -> None:
    if value:
        context.ensure_object(CommandContext).is_input_allowed = False


def get_environment() -> Mapping[str, str]:
    """The process's environment; tests hand in their own."""
    return os.environ
