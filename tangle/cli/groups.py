"""Groups and commands: all take the shared options, load only what they run, and fail in one sentence."""

import difflib
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, NoReturn

import click

from tangle.cli.context import CommandContext, make_shared_options
from tangle.cli.failures import ExitStatus, describe_failure

THREAD_VARIABLES: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""What the libraries under numpy read when it is imported. A node spreads its work over processes itself;
threads beside them would only stand in each other's way."""


class TangleCommand(click.Command):
    """A command that also takes the shared options after its name."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        taken = {name for parameter in self.params for name in parameter.opts}
        self.params += [
            option for option in make_shared_options(is_hidden=True) if taken.isdisjoint(option.opts)
        ]


class TangleGroup(click.Group):
    """A group of such commands."""

    command_class: type[click.Command] | None = TangleCommand
    group_class: type[click.Group] | type[type] | None = type  # a group in a group is one of these too

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params += make_shared_options(is_hidden=True)


class RootGroup(click.Group):
    """The ``tangle`` command: imports a command's module when it runs, and ends failures in one place."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **settings: Any) -> None:
        """:param modules: ``module:attribute`` by command name."""
        super().__init__(*args, **settings)
        self._modules = modules
        self.params += make_shared_options(is_hidden=False)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order in which a newcomer meets them."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        place = self._modules.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the closest name where there is none of that name."""
        if args[0] not in self._modules and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], self._modules, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            ctx.fail(f"There is no command {args[0][:40]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run, and leave the process with its exit status."""
        # Here, because no command's module is imported yet, and so numpy is not; workers inherit them.
        for name in THREAD_VARIABLES:
            os.environ.setdefault(name, "1")
        shared = CommandContext()
        try:
            status = super().main(
                args, prog_name or "tangle", complete_var, standalone_mode=False, obj=shared, **extra
            )
        except (Exception, KeyboardInterrupt) as error:
            sys.exit(tell_failure(error, shared))
        sys.exit(status if isinstance(status, int) else ExitStatus.DONE)


def tell_failure(error: BaseException, shared: CommandContext) -> ExitStatus:
    """Print a failure on standard error, and answer with the exit status."""
    failure = describe_failure(error)
    if shared.is_debug:
        traceback.print_exception(error)
    if shared.is_json:
        text = json.dumps({"error": {"code": failure.code, "message": failure.message}}, ensure_ascii=False)
    else:
        text = f"tangle: {failure.message}"
    click.echo(text, err=True)
    return shared.refusal_status if failure.status is ExitStatus.FAILED else failure.status
