"""``tangle sim scale``: what the protocol would do with up to ten thousand nodes, from measured costs."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simnet.scale.keeping import MEGABIT, write_sweep
from simnet.scale.measure import measure_costs
from simnet.scale.model import ScalePoint
from simnet.scale.plan import COMMITTEE, LOAD_MAX, NODES_MAX, SHARDS_MAX, ScalePlan
from simnet.scale.sweep import NODES, SHARDS, Sweep, count_points, make_grid, run_sweep
from tangle.cli.context import CommandContext, pass_context
from tangle.cli.groups import TangleCommand

COUNTS_MAX = 32
"""Most numbers of one list."""


class Counts(click.ParamType[tuple[int, ...]]):
    """``100,1000,10000``: whole numbers with commas between them."""

    name = "numbers"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The numbers."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if len(parts) > COUNTS_MAX:
            self.fail(f"{len(parts)} numbers; write at most {COUNTS_MAX}", param, ctx)
        for part in parts:
            if not part.strip().isdecimal() or not 1 <= int(part[:20]) <= self._most:
                self.fail(f"{part.strip()[:40]!r} is no number from 1 to {self._most:,}", param, ctx)
        return tuple(int(part) for part in parts)


@click.command("scale", cls=TangleCommand)
@click.option(
    "--nodes", type=Counts(NODES_MAX), default=NODES, help="Networks, as 100,1000. [default: 100 … 10,000]"
)
@click.option(
    "--shards", type=Counts(SHARDS_MAX), default=SHARDS, help="Shards, as 1,16. [default: 1,4,16,64]"
)
@click.option(
    "--load",
    type=click.FloatRange(0.001, LOAD_MAX),
    help="Transactions offered a second, all shards together. [default: 70% of what each network can bear]",
)
@click.option(
    "--committee",
    type=click.IntRange(1, 256),
    default=COMMITTEE,
    show_default=True,
    help="Most validators of a shard.",
)
@click.option("--cores", type=click.IntRange(1, 1_024), default=2, show_default=True, help="Cores of a node.")
@click.option(
    "--megabits",
    type=click.FloatRange(0.1, 1_000_000),
    default=1_000.0,
    show_default=True,
    help="Speed of a node's line, each way.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Decides all chance."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the figures (JSON) and charts (SVG) here.",
)
@pass_context
def scale_command(
    context: CommandContext,
    nodes: tuple[int, ...],
    shards: tuple[int, ...],
    load: float | None,
    committee: int,
    cores: int,
    megabits: float,
    seed: int,
    out: Path | None,
) -> None:
    """Compute throughput, finality and bytes of networks too large to simulate.

    A model of rounds, queues and lines; the cost of each step is measured on this machine first, on the real
    code. It then plays the rounds of each network. docs/scale.md says how far it can be trusted.
    """
    base = ScalePlan(nodes=max(nodes), committee=committee, cores=cores, megabits=megabits, seed=seed)
    plans = make_grid(base, nodes, shards)
    with _make_progress(context.make_talk_console()) as progress:
        task = progress.add_task("measuring costs", total=count_points(plans))
        costs = measure_costs(lambda step: progress.update(task, description=f"measuring: {step}"))

        def show(point: ScalePoint) -> None:
            name = f"{point.plan.nodes:,} nodes, {point.plan.shards} shards"
            progress.update(task, advance=1, description=name)

        sweep = run_sweep(plans, costs, load, show)
    if out is not None:
        for path in write_sweep(out, sweep):
            context.say(f"wrote {path}")
    context.emit(sweep, lambda console: _render(console, sweep))


def _make_progress(console: Console) -> Progress:
    """A bar on a terminal, and nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    is_shown = console.is_terminal and not console.quiet
    return Progress(*columns, console=console, transient=True, disable=not is_shown)


def _render(console: Console, sweep: Sweep) -> None:
    costs = sweep.costs.transaction
    console.print(
        f"measured on {sweep.costs.machine}: a transaction costs {costs.core_us:.0f} µs of the core process "
        f"and {costs.worker_us:.0f} µs of workers, {costs.bytes} bytes"
    )
    console.print()
    _render_points(console, sweep.grid)
    console.print()
    largest = sweep.curve[-1].plan
    console.print(f"{largest.nodes:,} nodes, {largest.shards} shards, under growing load:")
    _render_points(console, sweep.curve)
    console.print()
    for claim in sweep.claims:
        verdict = {True: "met in the model", False: "not met", None: "not decided by the model"}[claim.is_met]
        console.print(f"{claim.claim}: {verdict}: {claim.model}.", soft_wrap=True)


def _render_points(console: Console, points: tuple[ScalePoint, ...]) -> None:
    heads = (
        "nodes",
        "shards",
        "load",
        "final tx/s",
        "bears tx/s",
        "p50 ms",
        "p95 ms",
        "round ms",
        "Mbit/s",
        "narrowest",
    )
    table = Table(*heads, box=None, pad_edge=False)
    for point in points:
        table.add_row(
            f"{point.plan.nodes:,}",
            str(point.plan.shards),
            f"{point.plan.load:,.0f}",
            f"{point.throughput:,.0f}" + (" (full)" if point.is_saturated else ""),
            f"{point.capacity:,.0f}",
            f"{point.finality_p50_ms:,.0f}",
            f"{point.finality_p95_ms:,.0f}",
            f"{point.round_ms:,.0f}",
            f"{point.validator_sent / MEGABIT:,.1f}",
            point.narrowest.value,
        )
    console.print(table)
