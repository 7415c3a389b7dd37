"""``tangle bench``: measure this machine, compare runs, and put a load on a node."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.table import Table

from tangle.cli.bench.comparing import THRESHOLD, Change, Verdict, compare
from tangle.cli.bench.records import Figure, Plan, Results, Stage, load_results, write_results
from tangle.cli.bench.running import choose_stages, run_stages
from tangle.cli.context import CommandContext, pass_context, run_async
from tangle.cli.failures import ExitStatus
from tangle.cli.groups import TangleGroup
from tangle.cli.paying import open_payer, payer_options
from tangle.core.errors import TangleError

if TYPE_CHECKING:
    from tangle.cli.bench.load import LoadReport

SUITE: Final = "benchmarks.suite"
"""Module with the stages: it is beside the package in the source tree, and the wheel does not ship it."""

PASSES: Final = 5
"""Timings of each stage."""


class SuiteMissing(TangleError):
    """The stages are not installed."""

    code = "suite-missing"

    def __init__(self) -> None:
        super().__init__(
            "the benchmarks are not part of the installed package; run this in a checkout of the source, "
            "as .venv/bin/tangle bench run (bench load, compare and start work everywhere)"
        )


def load_suite() -> tuple[Stage, ...]:
    """All stages.

    :raises SuiteMissing: this is not a checkout.
    """
    if find_spec("benchmarks") is None or find_spec(SUITE) is None:
        raise SuiteMissing
    stages = import_module(SUITE).STAGES
    assert isinstance(stages, tuple)
    return stages


@click.group(cls=TangleGroup)
def bench() -> None:
    """Measure a node, its parts and this machine; docs/benchmarking.md says how to read the figures."""


@bench.command("list")
@pass_context
def list_command(context: CommandContext) -> None:
    """List the stages that can be measured."""
    stages = load_suite()
    records = [
        {"stage": stage.name, "unit": stage.unit, "limit": stage.limit, "about": stage.about}
        for stage in stages
    ]

    def render(console: Console) -> None:
        table = Table("stage", "beside", "what is measured", box=None, pad_edge=False)
        for stage in stages:
            table.add_row(stage.name, stage.limit or "-", stage.about)
        console.print(table)

    context.emit({"stages": records}, render)


@bench.command("run")
@click.argument("stages", nargs=-1)
@click.option("--quick", is_flag=True, help="Few items and one pass: to see that everything works.")
@click.option("--passes", type=click.IntRange(1, 100), help=f"Timings of each stage. [default: {PASSES}]")
@click.option(
    "--device", default="auto", show_default=True, help="Where work is computed: auto, numpy or a device."
)
@click.option(
    "--scratch",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory on the disk that is measured. [default: the current one]",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the results here (JSON), for compare and plot.",
)
@pass_context
def run_command(
    context: CommandContext,
    stages: tuple[str, ...],
    quick: bool,
    passes: int | None,
    device: str,
    scratch: Path | None,
    out: Path | None,
) -> None:
    """Measure STAGES, or all of them, beside the raw limits of this machine.

    Take the machine for yourself meanwhile: nothing here can tell a slow node from a busy machine. A whole
    run takes some ten minutes.
    """
    chosen = choose_stages(load_suite(), stages)
    with TemporaryDirectory(prefix="tangle-bench-", dir=scratch or Path.cwd()) as directory:
        plan = Plan(
            is_quick=quick,
            passes=passes or (1 if quick else PASSES),
            device=device,
            scratch=Path(directory),
        )
        results = run_stages(chosen, plan, lambda name: context.say(f"measuring {name}"))
    if out is not None:
        write_results(out, results)
        context.say(f"wrote {out}")
    context.emit(results, lambda console: render_results(console, results))


def render_results(console: Console, results: Results) -> None:
    """A run as a table, with what it was measured on."""
    machine = results.machine
    console.print(
        f"{machine.system}; {machine.cores} cores, load {machine.load_before:.1f} before and "
        f"{machine.load_after:.1f} after; Python {machine.versions['python']}",
        soft_wrap=True,
    )
    if results.is_quick:
        console.print("a quick run: these figures say little")
    heads = ("stage", "a second", "slowest … fastest", "µs cpu", "µs wall", "of limit", "conditions")
    table = Table(*heads, box=None, pad_edge=False)
    for figure in results.figures:
        table.add_row(
            figure.stage,
            f"{figure.rate:,.0f}",
            f"{figure.rate_low:,.0f} … {figure.rate_high:,.0f}",
            f"{figure.cpu_us:,.1f}",
            f"{figure.wall_us:,.1f}",
            _describe_share(figure),
            figure.conditions.describe(),
        )
    console.print(table)
    for figure in results.figures:
        if figure.details:
            parts = ", ".join(f"{name} {value:,.4g}" for name, value in figure.details.items())
            console.print(f"{figure.stage}: {parts}", soft_wrap=True)


def _describe_share(figure: Figure) -> str:
    return "-" if figure.share is None else f"{figure.share:.3g} of {figure.limit}"


FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@bench.command("compare")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@click.option(
    "--threshold",
    type=click.FloatRange(0.1, 1_000),
    default=THRESHOLD * 100,
    show_default=True,
    help="Change in percent that counts.",
)
@pass_context
def compare_command(context: CommandContext, old: Path, new: Path, threshold: float) -> int:
    """Compare the results in OLD with those in NEW, by shares of each run's own raw limits.

    Exit status 1 when a stage became slower.
    """
    changes = compare(load_results(old), load_results(new), threshold / 100)
    slower = [change.stage for change in changes if change.verdict is Verdict.SLOWER]
    context.emit({"changes": changes, "slower": slower}, lambda console: _render_changes(console, changes))
    return ExitStatus.FAILED if slower else ExitStatus.DONE


def _render_changes(console: Console, changes: tuple[Change, ...]) -> None:
    table = Table("stage", "verdict", "change", "share before", "share after", box=None, pad_edge=False)
    for change in changes:
        table.add_row(
            change.stage,
            change.verdict,
            "-" if change.ratio is None else f"{change.ratio - 1:+.1%}",
            "-" if change.old is None else f"{change.old:.4g}",
            "-" if change.new is None else f"{change.new:.4g}",
        )
    console.print(table)


@bench.command("plot")
@click.argument("results", type=FILE)
@click.option(
    "--out",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("docs/pictures"),
    show_default=True,
    help="Existing directory for the pictures.",
)
@pass_context
def plot_command(context: CommandContext, results: Path, out: Path) -> None:
    """Draw RESULTS: where a transaction's microseconds go, and finality against load (SVG)."""
    load_suite()
    paths = import_module("benchmarks.pictures").write_pictures(load_results(results), out)
    context.emit_fields({"wrote": [str(path) for path in paths]}, {"wrote": "\n".join(map(str, paths))})


@bench.command("load")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option(
    "--rate", type=click.FloatRange(0.1, 100_000), default=100.0, show_default=True, help="A second."
)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 86_400), default=10.0, show_default=True, help="How long."
)
@click.option(
    "--wallets", type=click.IntRange(1, 4_096), default=64, show_default=True, help="Accounts that send."
)
@click.option("--seed", default="load", show_default=True, help="Text that the accounts' keys come from.")
@click.option(
    "--amount",
    type=click.IntRange(1),
    default=10**9,
    show_default=True,
    help="Grains for each account that has nothing, where --wallet pays.",
)
@click.option(
    "--sign",
    type=click.Choice(("before", "live")),
    default="before",
    show_default=True,
    help="Sign and do the work before the first transaction is due, or one second before each.",
)
@click.option(
    "--tick",
    "tick_ms",
    type=click.FloatRange(0, 1_000),
    default=20.0,
    show_default=True,
    help="Milliseconds whose transactions go out in one request.",
)
@click.option(
    "--grace",
    "grace_s",
    type=click.FloatRange(0, 3_600),
    default=30.0,
    show_default=True,
    help="Seconds to wait for answers and finality after the last was due.",
)
@payer_options
@pass_context
def load_command(
    context: CommandContext,
    urls: tuple[str, ...],
    rate: float,
    seconds: float,
    wallets: int,
    seed: str,
    amount: int,
    sign: str,
    tick_ms: float,
    grace_s: float,
    wallet_name: str | None,
    network: str,
    password_file: Path | None,
) -> int:
    """Send transfers to the nodes at URL at a fixed rate, and tell how long they took.

    An open loop: what is due is sent whatever the node answers, and latencies count from when a transaction
    was due. The faucet pays for the accounts, or --wallet does. Exit status 1 when not all were taken in.
    """
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise click.BadParameter(f"{url[:60]!r}: it begins with http:// or https://")
    payer = None
    if wallet_name is not None:
        payer = open_payer(context, wallet_name, network, password_file).key
    from tangle.cli.bench.load_command import LoadOptions, put_load

    options = LoadOptions(
        urls, rate, seconds, wallets, seed, amount, sign == "before", tick_ms / 1e3, grace_s
    )
    report = run_async(put_load, options, payer, context.say)
    context.emit_fields(report, _describe_load(report))
    return ExitStatus.FAILED if report.unanswered else ExitStatus.DONE


def _describe_load(report: "LoadReport") -> dict[str, object]:
    def describe(name: str) -> str:
        part = getattr(report, name)
        if not part.count:
            return "-"
        values = (part.p50_ms, part.p90_ms, part.p99_ms, part.p999_ms, part.max_ms)
        return " / ".join(f"{value:,.1f}" for value in values) + f" ms, of {part.count:,}"

    refused = ", ".join(f"{count:,} {code}" for code, count in report.refused.items())
    return {
        "due": f"{report.sent:,} at {report.rate:,.0f} a second",
        "accepted": f"{report.accepted:,}, {report.accepted_per_s:,.0f} a second",
        "final": f"{report.final:,}, {report.final_per_s:,.0f} a second",
        "not final": f"{report.not_final:,} of the sample",
        "refused": refused or "nothing",
        "never taken in": f"{report.unanswered:,}",
        "p50/90/99/99.9/max": "",
        "attached": describe("attach"),
        "final after": describe("finality"),
        "sent late by": describe("sent_late"),
    }


@bench.command("start")
@click.option("--times", type=click.IntRange(1, 100), default=5, show_default=True, help="Starts.")
@click.option(
    "--device", default="auto", show_default=True, help="Where the node computes: auto, numpy or a device."
)
@pass_context
def start_command(context: CommandContext, times: int, device: str) -> None:
    """Measure how long a node takes from the command to ready, in an empty home, and in the same again."""
    from tangle.cli.bench.start import measure_starts

    timing = measure_starts(times, device, context.say)
    fields = {
        "empty home": f"{timing.empty_s:.2f} s, {timing.empty_low_s:.2f} to {timing.empty_high_s:.2f}",
        "same home": f"{timing.again_s:.2f} s, {timing.again_low_s:.2f} to {timing.again_high_s:.2f}",
        "load before": f"{timing.load_before:.1f} processes wanted a core",
    }
    context.emit_fields(timing, fields)
