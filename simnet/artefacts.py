"""What a simulation leaves behind: its options, its figures, its event log, and the line that repeats it."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from simnet.event_log import Sink
from simnet.options import SimulationOptions
from simnet.run import Report
from simnet.verdicts import Diverged, NoProgress, Pass, Verdict, Violated

EVENTS: Final = "events.log"
"""One line for each event, in order."""

OPTIONS: Final = "options.json"
"""Everything that decided the run."""

REPORT: Final = "report.json"
"""Verdict and figures."""

REPLAY: Final = "replay.txt"
"""The command that repeats it."""


@contextmanager
def write_event_log(directory: Path) -> Iterator[Sink]:
    """A sink that writes lines into the directory, which is made; the log appears whole, under its name."""
    directory.mkdir(parents=True, exist_ok=True)
    unfinished = directory / f"{EVENTS}.part"
    with unfinished.open("w", encoding="utf-8") as file:
        yield lambda line: print(line, file=file)
    unfinished.replace(directory / EVENTS)


def write_report(directory: Path, report: Report) -> None:
    """Write everything but the event log."""
    directory.mkdir(parents=True, exist_ok=True)
    options = msgspec.json.format(msgspec.json.encode(report.options), indent=2)
    figures = msgspec.json.format(msgspec.json.encode(report), indent=2)
    line = compute_replay_line(report.options).encode()
    for name, content in ((OPTIONS, options), (REPORT, figures), (REPLAY, line)):
        unfinished = directory / f"{name}.part"
        unfinished.write_bytes(content + b"\n")
        os.replace(unfinished, directory / name)


def compute_replay_line(options: SimulationOptions) -> str:
    """The command that runs these options again, drawn or read."""
    if options.scenario:
        allow = " --allow-byzantine" if options.is_byzantine_allowed else ""
        return f"tangle sim run --scenario {shlex.quote(options.scenario)} --seed {options.seed}{allow}"
    return f"tangle sim run --seed {options.seed} --nodes {options.nodes} --time {options.time_s:g}s"


def describe_verdict(verdict: Verdict) -> str:
    """One sentence."""
    match verdict:
        case Pass():
            return "pass: nothing was found"
        case NoProgress(bound_s, detail):
            return f"no progress: {bound_s:g} s after the faults ended, {detail}"
        case Diverged(index, nodes, detail):
            return f"diverged at checkpoint {index} ({', '.join(nodes)}): {detail}"
        case Violated(invariant, node, detail):
            return f"violated {invariant.value} at {node}: {detail}"
