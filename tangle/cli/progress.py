"""How far a long command is: bars on a terminal, nothing elsewhere."""

from contextlib import ExitStack

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tangle.cli.context import CommandContext


class ProgressBar:
    """Bars on a terminal's standard error, one for each thing that is done; nothing elsewhere."""

    def __init__(self, context: CommandContext) -> None:
        console = context.make_talk_console()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._stack = ExitStack()

    def __enter__(self) -> None:
        self._stack.enter_context(self._progress)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def show(self, name: str, done: int, total: int) -> None:
        """Move one bar."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)
