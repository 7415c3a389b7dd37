"""Swarms: many seeds pass, and together they meet everything that can go wrong."""

import os
from collections.abc import Callable
from typing import Final

import msgspec
import pytest

from simnet.artefacts import compute_replay_line, describe_verdict
from simnet.run import Report
from simnet.swarm import run_swarm
from simnet.totals import compute_totals, find_unmet, find_unmet_crashes
from simnet.verdicts import Pass

pytestmark = [pytest.mark.sim]

FAST_SEEDS: Final = range(113, 163)
"""Few seeds do not meet everything; these do. When draws change, other fifty may be needed."""

FAST_S: Final = 5.0
"""Virtual seconds of each: with the time that nodes need to settle, a second of a core."""

SLOW_SEEDS: Final = range(10_000, 12_000)
SLOW_S: Final = 8.0
"""Virtual seconds of each: some faults and what comes after them, in a second and a half of a core."""

Tell = Callable[[str, object], None]
"""Keeps a figure for the end of the whole test run (tests/conftest.py)."""


def check_swarm(reports: list[Report], tell: Tell) -> None:
    totals = compute_totals(reports)
    tell("swarm", msgspec.json.encode(totals).decode())
    failed = [
        f"{compute_replay_line(report.options)}: {describe_verdict(report.verdict)}"
        for report in reports
        if not isinstance(report.verdict, Pass)
    ]
    assert not failed, "\n".join(failed)
    assert find_unmet(totals) == ()


@pytest.mark.timeout(600)
def test_fifty_seeds_pass_and_meet_everything(record_property: Tell) -> None:
    check_swarm(list(run_swarm(FAST_SEEDS, FAST_S)), record_property)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3_600)
def test_two_thousand_seeds_pass_and_meet_everything(record_property: Tell) -> None:
    reports = list(run_swarm(SLOW_SEEDS, SLOW_S, os.cpu_count() or 1))
    check_swarm(reports, record_property)
    assert find_unmet_crashes(compute_totals(reports)) == ()


def test_a_swarm_in_processes_is_the_same_swarm() -> None:
    alone, together = (list(run_swarm(range(26, 28), 3.5, processes)) for processes in (1, 2))
    assert [report.digest for report in alone] == [report.digest for report in together]
