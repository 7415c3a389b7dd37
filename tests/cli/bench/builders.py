"""Results of runs that nobody measured."""

from tangle.cli.bench.records import RESULTS_VERSION, Clock, Conditions, Figure, Machine, Results


def make_figure(stage: str, share: float | None, *, size: int = 271) -> Figure:
    """A figure with this share of its limit; a limit for none."""
    return Figure(
        stage=stage,
        about=f"about {stage}",
        unit="transactions",
        clock=Clock.CPU,
        conditions=Conditions(bytes=size),
        passes=3,
        count=100,
        rate=1_000.0,
        rate_low=900.0,
        rate_high=1_100.0,
        wall_us=1_000.0,
        cpu_us=1_000.0,
        limit=None if share is None else "verify-raw",
        share=share,
        is_pipeline=share is not None,
        details={},
    )


def make_results(*figures: Figure, is_quick: bool = False) -> Results:
    """A run with these figures."""
    machine = Machine("Linux", 2, 0.1, 1.0, {"python": "3.11.7"}, 1_000)
    return Results(RESULTS_VERSION, is_quick, "numpy", machine, figures)
