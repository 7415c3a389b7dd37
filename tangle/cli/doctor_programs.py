"""``tangle doctor --conformance``: all vectors of programs on every device, with a bar while they run."""

import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tangle.cli.doctor_command import Finding

EXAMINATION_SECONDS_MAX: Final = 1_800.0
"""Longest run over all devices; one takes a minute when every kernel has to be compiled."""

STEP_SECONDS: Final = 0.2
"""How often the bar is drawn anew."""

Told = tuple[str, int, int]
"""A device's name, vectors done, vectors in all."""

_told: SimpleQueue[Told] | None = None


def examine_programs(cache: Path, console: Console) -> list[Finding]:
    """Every device's verdict. Drivers are opened in a process of their own: one that crashes is a finding."""
    context = multiprocessing.get_context("spawn")
    told: SimpleQueue[Told] = context.SimpleQueue()
    executor = ProcessPoolExecutor(1, context, _initialize, (told,))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            return _follow(executor.submit(_examine, cache), told, progress)
    except BrokenProcessPool:
        return [Finding("programs", False, 'examining devices crashed a process; use device = "numpy"')]
    except FutureTimeout:
        return [Finding("programs", False, 'examining devices took too long; use device = "numpy"')]
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _follow(answer: Future[list[Finding]], told: SimpleQueue[Told], progress: Progress) -> list[Finding]:
    tasks: dict[str, TaskID] = {}
    for _ in range(round(EXAMINATION_SECONDS_MAX / STEP_SECONDS)):
        while not told.empty():
            name, done, total = told.get()
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done)
        try:
            return answer.result(STEP_SECONDS)
        except FutureTimeout:
            continue
    raise FutureTimeout


def _initialize(told: SimpleQueue[Told]) -> None:
    global _told  # noqa: PLW0603  # a worker process has one queue and nowhere else to keep it
    _told = told


def _tell(name: str, done: int, total: int) -> None:
    if _told is not None:
        _told.put((name, done, total))


def _examine(cache: Path) -> list[Finding]:
    from aivm.doctor import examine_programs as examine

    return [
        Finding(
            f"programs: {found.backend} on {found.device}",
            found.report is not None,
            f"{found.report.vectors} vectors pass, {found.report.elements:,} values"
            if found.report
            else found.reason,
        )
        for found in examine(os.environ, cache, _tell)
    ]
