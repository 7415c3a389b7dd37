"""What a simulation leaves behind: its options, its figures, its event log, and the line that repeats it."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from simnet.dag import iterate_dag
from simnet.errors import InvalidRecording
from simnet.event_log import Sink
from simnet.options import SimulationOptions, check_options, check_version
from simnet.picture import Course, draw_picture
from simnet.run import Report, Simulation
from simnet.totals import Totals
from simnet.verdicts import Diverged, NoProgress, Pass, Verdict, Violated

EVENTS: Final = "events.log"
"""One line for each event, in order."""

OPTIONS: Final = "options.json"
"""Everything that decided the run."""

REPORT: Final = "report.json"
"""Verdict and figures of a run; above the directories of all runs, their totals."""

DAG: Final = "dag.ndjson"
"""Blocks and transactions with their parents, one a line."""

PICTURE: Final = "run.svg"
"""Finality, rounds and faults."""

REPLAY: Final = "replay.txt"
"""The command that repeats it."""


RECORDING_SIZE_MAX: Final = 1_048_576
"""Longest file of options in bytes; one of a thousand faults has 200 KiB."""


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
    _write(directory / OPTIONS, _format(report.options))
    _write(directory / REPORT, _format(report))
    _write(directory / REPLAY, compute_replay_line(report.options).encode())


def write_course(directory: Path, simulation: Simulation, report: Report) -> None:
    """Write the graph that was made, and the picture."""
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / DAG, b"\n".join(iterate_dag(simulation.world)))
    courses = [Course(shard.stopwatch.final_ms, shard.rounds) for shard in simulation.shards]
    _write(directory / PICTURE, draw_picture(report, courses).encode())


def write_totals(directory: Path, totals: Totals) -> None:
    """Write what all runs did together, beside their directories."""
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / REPORT, _format(totals))


def _format(record: Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2)


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(content.rstrip() + b"\n")
    os.replace(unfinished, path)


def load_recording(path: Path) -> SimulationOptions:
    """Options of an earlier run.

    :param path: its ``OPTIONS``, or the directory that holds them.
    :raises InvalidRecording: there are none.
    :raises ImpossiblePlan: another version drew them.
    :raises OSError: the file cannot be read.
    """
    place = path / OPTIONS if path.is_dir() else path
    with place.open("rb") as file:
        content = file.read(RECORDING_SIZE_MAX + 1)
    if len(content) > RECORDING_SIZE_MAX:
        raise InvalidRecording(place, f"it is longer than {RECORDING_SIZE_MAX} bytes")
    try:
        # Another version may have other fields, so it is asked for first.
        check_version(msgspec.json.decode(content, type=_Version).version)
        options = msgspec.json.decode(content, type=SimulationOptions)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRecording(place, f"these are no options of a run: {error}") from None
    check_options(options)
    return options


class _Version(Struct):
    version: int


def compute_replay_line(options: SimulationOptions, recording: Path | None = None) -> str:
    """The command that runs these options again, drawn or read.

    :param recording: where they were read, if they were.
    """
    if recording is not None:
        return f"tangle sim run --replay {shlex.quote(str(recording))}"
    if options.scenario:
        allow = " --allow-byzantine" if options.is_byzantine_allowed else ""
        return f"tangle sim run --scenario {shlex.quote(options.scenario)} --seed {options.seed}{allow}"
    drawn = f"--seed {options.seed} --nodes {options.nodes} --time {options.time_s:.15g}s"
    drawn += f" --shards {options.shards}"
    return f"tangle sim run {drawn} --draws {options.version}"


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
