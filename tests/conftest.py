"""Settings every test shares: the backends of async tests and how hypothesis searches."""

import json
import os
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    derandomize=True,  # the same examples on every machine and every run
    database=None,
    deadline=None,  # a busy machine is not a failure; the timeout of pytest is
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],  # the same reason as the deadline
)
settings.register_profile("explore", parent=settings.get_profile("ci"), derandomize=False, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


SLOW_TIMEOUT_S: Final = 600
"""Patience with a test that is marked slow and names no limit of its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests get more than the default twenty seconds."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what swarms of simulations met, also those that ran in other processes."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    for report in reports:
        for name, text in getattr(report, "user_properties", ()):
            if name == "swarm":
                terminalreporter.section(f"what {report.nodeid.rpartition('::')[2]} met")
                for kind, counts in json.loads(text).items():
                    terminalreporter.write_line(f"{kind}: {_describe(counts)}")


def _describe(counts: object) -> str:
    if not isinstance(counts, dict):
        return str(counts)
    shown = {
        key: "/".join(map(str, each.values())) if isinstance(each, dict) else each
        for key, each in counts.items()
    }
    return ", ".join(f"{key} {each}" for key, each in shown.items())
