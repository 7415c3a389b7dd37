"""``tangle sim``: whole networks in one seeded process, with faults, checked while they run."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simnet.artefacts import (
    compute_replay_line,
    describe_verdict,
    load_recording,
    write_course,
    write_event_log,
    write_report,
    write_totals,
)
from simnet.options import SimulationOptions, check_version, draw_options
from simnet.run import Report, Simulation, run_simulation
from simnet.scenario import load_scenario
from simnet.shard_run import ShardFigures
from simnet.totals import Totals, compute_totals
from simnet.verdicts import Diverged, Pass
from tangle.cli.context import CommandContext, pass_context, print_fields
from tangle.cli.failures import ExitStatus
from tangle.cli.groups import TangleGroup
from tangle.cli.scale_command import scale_command
from tangle.node.randomness import SystemRandomness

SEED_BYTES: Final = 4
"""Size of a seed that nobody named: short enough to be typed again."""

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, None: 1.0}


class Duration(click.ParamType[float]):
    """``500ms``, ``60s``, ``10m``, ``2h``, or a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{str(value)[:40]!r} is no duration; write 60s or 10m", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


@click.group(cls=TangleGroup)
def sim() -> None:
    """Simulate whole networks under faults, in virtual time. A seed decides everything."""


sim.add_command(scale_command)


@sim.command("run")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), help="Decides the run; one is drawn when left out."
)
@click.option("--nodes", type=click.IntRange(1, 100), help="Validators; the seed decides when left out.")
@click.option(
    "--shards",
    type=int,
    help="Shards of the chain: 1, 2, 4 or 8; the seed decides when left out. Each validator's machine runs a "
    "node for every shard.",
)
@click.option("--time", "time_s", type=Duration(), help="Virtual time with load and faults. [default: 20s]")
@click.option(
    "--count", type=click.IntRange(1, 100_000), default=1, show_default=True, help="Seeds in a row."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep options, report, event log, graph and picture of each run here.",
)
@click.option(
    "--scenario",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Play this file (TOML) instead of what a seed draws.",
)
@click.option(
    "--allow-byzantine",
    is_flag=True,
    help="With --scenario: more nodes may be faulty than are tolerated, and the run may diverge.",
)
@click.option(
    "--replay",
    "recording",
    type=click.Path(exists=True, path_type=Path),
    help="Run again what the options.json in this directory, or this file, says.",
)
@click.option(
    "--draws", type=int, help="Version that drew the seed, as replay lines say; another is refused."
)
@pass_context
def run_command(
    context: CommandContext,
    seed: int | None,
    nodes: int | None,
    shards: int | None,
    time_s: float | None,
    count: int,
    out: Path | None,
    scenario: Path | None,
    allow_byzantine: bool,
    recording: Path | None,
    draws: int | None,
) -> int:
    """Run simulations and check them while they run.

    A seed draws nodes, regions, clocks, load and faults, or a scenario file or an earlier run says what is
    played. Exit status 1 when a run does not pass, 2 when there can be no such run; the line that repeats it
    is printed.
    """
    if recording is not None and (seed, nodes, shards, time_s, scenario, draws, count) != (*(None,) * 6, 1):
        raise click.UsageError("a recorded run is repeated as it was; give only --out beside --replay.")
    if scenario is not None and (nodes, shards, time_s) != (None,) * 3:
        raise click.UsageError("a scenario says its nodes, shards and time; change them in the file.")
    if scenario is None and allow_byzantine:
        raise click.UsageError("--allow-byzantine goes with --scenario; seeds draw what is tolerated.")
    if draws is not None:
        check_version(draws)
    reports = []
    if recording is not None:
        plans = iter([load_recording(recording)])
    else:
        drawn = partial(draw_options, nodes=nodes, time_s=time_s, shards=shards)
        plans = _find_options(seed, drawn, scenario, count, is_byzantine_allowed=allow_byzantine)
    with _make_progress(context.make_talk_console()) as progress:
        whole = progress.add_task("runs", total=count, visible=count > 1)
        for options in plans:
            report = _run_one(options, out, progress)
            progress.advance(whole)
            reports.append(report)
            if count > 1 or not isinstance(report.verdict, Pass):
                line = compute_replay_line(report.options, recording)
                context.say(f"{line}: {describe_verdict(report.verdict)}")
    failed = [report for report in reports if not _is_allowed(report)]
    totals = compute_totals(reports)
    if out is not None:
        write_totals(out, totals)
    answer = {"runs": reports, "failed": len(failed), "totals": totals}
    context.emit(answer, lambda console: _render(console, reports, totals, recording))
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _find_options(
    seed: int | None,
    draw: Callable[[int], SimulationOptions],
    scenario: Path | None,
    count: int,
    *,
    is_byzantine_allowed: bool,
) -> Iterator[SimulationOptions]:
    """The runs that are asked for, one after the other."""
    if scenario is not None:
        options = load_scenario(scenario, seed, is_byzantine_allowed=is_byzantine_allowed)
        yield from (replace(options, seed=options.seed + number) for number in range(count))
        return
    first = int.from_bytes(SystemRandomness().get_bytes(SEED_BYTES), "big") if seed is None else seed
    yield from map(draw, range(first, first + count))


def _is_allowed(report: Report) -> bool:
    """Whether a run ended as it may: beyond the tolerance, honest nodes may come apart."""
    is_excused = report.options.is_byzantine_allowed and isinstance(report.verdict, Diverged)
    return is_excused or isinstance(report.verdict, Pass)


def _make_progress(console: Console) -> Progress:
    """A bar on a terminal, and nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    is_shown = console.is_terminal and not console.quiet
    return Progress(*columns, console=console, transient=True, disable=not is_shown)


def _run_one(options: SimulationOptions, out: Path | None, progress: Progress) -> Report:
    task = progress.add_task(f"seed {options.seed}, virtual s", total=math.ceil(options.time_s))

    def show(now_s: float) -> None:
        progress.update(task, completed=min(int(now_s), math.ceil(options.time_s)))

    directory = None if out is None else out / f"seed-{options.seed}"

    def keep(simulation: Simulation, report: Report) -> None:
        if directory is not None:
            write_course(directory, simulation, report)

    with nullcontext() if directory is None else write_event_log(directory) as sink:
        report = run_simulation(options, sink=sink, on_time=show, on_end=keep)
    progress.remove_task(task)
    if directory is not None:
        write_report(directory, report)
    return report


def _render(console: Console, reports: list[Report], totals: Totals, recording: Path | None) -> None:
    if len(reports) == 1:
        _render_one(console, reports[0], recording)
        return
    table = Table(
        "seed",
        "nodes",
        "shards",
        "verdict",
        "checkpoints",
        "ordered",
        "p50 ms",
        "p95 ms",
        "faults",
        box=None,
        pad_edge=False,
    )
    for report in reports:
        table.add_row(
            str(report.options.seed),
            str(report.options.nodes),
            str(report.options.shards),
            type(report.verdict).__name__,
            str(report.checkpoints),
            str(report.ordered),
            _format(report.finality_p50_ms),
            _format(report.finality_p95_ms),
            _describe_faults(report),
        )
    console.print(table)
    console.print()
    _render_totals(console, totals)


def _render_totals(console: Console, totals: Totals) -> None:
    points = totals.fail_points.items()
    rows = {
        "verdicts": _join(totals.verdicts),
        "together": f"{totals.virtual_s:.1f} virtual s, {totals.ordered} transactions ordered, "
        f"{totals.sharded} runs of several shards",
        "faults": _join(totals.faults),
        "on the path": _join(totals.tampering),
        "torn writes": _join(totals.torn),
        "adversaries": _join({name: each.runs for name, each in totals.strategies.items()}),
        "kills at": _join({name: each.killed for name, each in points}),
        "never reached": ", ".join(name for name, each in points if not each.reached) or "none",
    }
    print_fields(console, rows)


def _join(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _render_one(console: Console, report: Report, recording: Path | None) -> None:
    options = report.options
    rows = {
        "verdict": describe_verdict(report.verdict),
        "replay": compute_replay_line(options, recording),
        "event log": f"{report.events} lines, {report.digest}",
        "virtual time": f"{report.virtual_s:.1f} s, the last {_format(report.recovery_s)} s without faults",
        "nodes": f"{options.nodes} in {', '.join(sorted(set(options.regions)))}; {report.starts} starts",
        "faults": _describe_faults(report),
        "transactions": f"{report.accepted} accepted, {report.refused} refused; {report.ordered} ordered, "
        f"{report.conflicts} of them conflicts",
        "checkpoints": f"{report.checkpoints}; model at generation {report.generation}",
        "finality": f"p50 {_format(report.finality_p50_ms)} ms, p95 {_format(report.finality_p95_ms)} ms",
        "network": f"{report.packets} packets, {report.bytes} bytes",
    }
    if len(report.shards) > 1:
        rows["between shards"] = (
            f"{report.credited} receipts, each credited once; p50 {_format(report.crossing_p50_ms)} ms, "
            f"p95 {_format(report.crossing_p95_ms)} ms from disk to disk"
        )
        rows |= {f"shard {shard.shard}": _describe_shard(shard) for shard in report.shards}
    print_fields(console, rows)


def _describe_shard(shard: ShardFigures) -> str:
    return (
        f"{shard.accepted} of {shard.wallets} wallets accepted, {shard.refused} refused; "
        f"{shard.ordered} ordered, {shard.conflicts} of them conflicts; "
        f"{shard.checkpoints} checkpoints, generation {shard.generation}; "
        f"p50 {_format(shard.finality_p50_ms)} ms, p95 {_format(shard.finality_p95_ms)} ms"
    )


def _describe_faults(report: Report) -> str:
    return ", ".join(f"{count} {name}" for name, count in report.faults.items()) or "none"


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
