"""``tangle sim``: whole networks in one seeded process, with faults, checked while they run."""

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from simnet.artefacts import compute_replay_line, describe_verdict, write_event_log, write_report
from simnet.options import draw_options
from simnet.run import Report, run_simulation
from simnet.verdicts import Pass
from tangle.cli.context import CommandContext, pass_context
from tangle.cli.failures import ExitStatus
from tangle.cli.groups import TangleGroup
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


@sim.command("run")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), help="Decides the run; one is drawn when left out."
)
@click.option("--nodes", type=click.IntRange(1, 100), help="Validators; the seed decides when left out.")
@click.option("--time", "time_s", type=Duration(), help="Virtual time with load and faults. [default: 20s]")
@click.option(
    "--count", type=click.IntRange(1, 100_000), default=1, show_default=True, help="Seeds in a row."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep options, report and event log of each run here.",
)
@pass_context
def run_command(
    context: CommandContext,
    seed: int | None,
    nodes: int | None,
    time_s: float | None,
    count: int,
    out: Path | None,
) -> int:
    """Run simulations and check them while they run.

    A seed draws nodes, regions, clocks, load and faults. Exit status 1 when a run does not pass; the line
    that repeats it is printed.
    """
    first = int.from_bytes(SystemRandomness().get_bytes(SEED_BYTES), "big") if seed is None else seed
    reports = []
    for number in range(first, first + count):
        report = _run_one(number, nodes, time_s, out)
        reports.append(report)
        if count > 1 or not isinstance(report.verdict, Pass):
            context.say(f"{compute_replay_line(report.options)}: {describe_verdict(report.verdict)}")
    failed = [report for report in reports if not isinstance(report.verdict, Pass)]
    context.emit({"runs": reports, "failed": len(failed)}, lambda console: _render(console, reports))
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _run_one(seed: int, nodes: int | None, time_s: float | None, out: Path | None) -> Report:
    options = draw_options(seed, nodes, time_s)
    directory = None if out is None else out / f"seed-{seed}"
    with nullcontext() if directory is None else write_event_log(directory) as sink:
        report = run_simulation(options, sink=sink)
    if directory is not None:
        write_report(directory, report)
    return report


def _render(console: Console, reports: list[Report]) -> None:
    if len(reports) == 1:
        _render_one(console, reports[0])
        return
    table = Table(
        "seed",
        "nodes",
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
            type(report.verdict).__name__,
            str(report.checkpoints),
            str(report.ordered),
            _format(report.finality_p50_ms),
            _format(report.finality_p95_ms),
            _describe_faults(report),
        )
    console.print(table)


def _render_one(console: Console, report: Report) -> None:
    options = report.options
    rows = {
        "verdict": describe_verdict(report.verdict),
        "replay": compute_replay_line(options),
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
    width = max(map(len, rows))
    for name, value in rows.items():
        console.print(f"{name:<{width}}  {value}", soft_wrap=True)


def _describe_faults(report: Report) -> str:
    return ", ".join(f"{count} {name}" for name, count in report.faults.items()) or "none"


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
