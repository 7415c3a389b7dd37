"""Dashboard and alarms ask for figures that a running node gives, by the labels that it gives them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from aivm.backends.program_protocol import OracleBackend
from tangle.api.config import ApiConfig
from tangle.api.context import ApiContext
from tangle.api.meters import ApiMeters
from tangle.node.blob_metrics import BlobCollector
from tangle.node.jobs.bench import InlineBench
from tangle.node.jobs.metrics import JobsCollector
from tangle.node.jobs.opening import JobsParts, open_jobs
from tangle.node.sandbox.runner import InlineRunner
from tests.node.twins import make_backend
from tests.node.wallets import NOBODY, Wallet, wait_final
from tests.node.world import network_of
from tools.make_metrics_docs import COMMAND, DOCUMENT, collect_metrics, replace_table

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"

WORD: Final = re.compile(r"tangle_[a-z_]+")
SELECTOR: Final = re.compile(r"(tangle_[a-z_]+)\{([^}]*)\}")
MATCHER: Final = re.compile(r'([a-z_]+)(=~|!=|=)"([^"]*)"')

SCRAPER: Final = frozenset({"instance", "job"})
"""Labels that Prometheus itself adds."""

Series = dict[str, list[dict[str, str]]]
"""Label sets by the name of a sample."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return make_backend("asyncio")


def read_series(registry: CollectorRegistry) -> Series:
    """Every sample of a scrape."""
    series: Series = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            series.setdefault(sample.name, []).append(sample.labels)
    return series


async def scrape() -> Series:
    """What a node answers that has executed and refused something, and has been asked something."""
    async with network_of(1) as world:
        (service,) = world.services
        alice = Wallet("alice")
        await wait_final(service, (await alice.send(service)).id)
        await service.submit((b"\xff",))
        service.metrics.register(BlobCollector(service.blobs))
        jobs = open_jobs(
            world.members[0].node,
            JobsParts(service, service.blobs, InlineRunner(OracleBackend()), InlineBench()),
        )
        service.metrics.register(JobsCollector(jobs))
        meters = ApiMeters(service.metrics, ApiContext(service, ApiConfig()))
        meters.on_answer("GET", "/v1/status", 200, 0.01)
        assert service.get_account(NOBODY).balance == 1
        return read_series(service.metrics)


def list_queries() -> Iterator[str]:
    """Every query of the alarms and of the dashboard."""
    rules: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert set(rule) >= {"alert", "expr", "labels", "annotations"}
            yield rule["expr"]
    dashboard = json.loads((DEPLOY / "grafana" / "tangle.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    yield from (item["query"] for item in dashboard["templating"]["list"] if item["type"] == "query")


def test_the_table_of_metrics_is_written_from_the_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert replace_table(text) == text, f"run: {COMMAND}"


async def test_the_table_names_what_a_node_answers_with_these_labels() -> None:
    series = await scrape()
    stated = {item.name: set(item.labels) for item in collect_metrics()}
    found: dict[str, set[str]] = {}
    for name, samples in series.items():
        family = re.sub(r"_(bucket|count|sum|created)$", "", name)
        if name.endswith("_created"):
            continue
        found[family] = {label for labels in samples for label in labels} - {"le"}
    assert {name: labels for name, labels in found.items() if name not in stated} == {}
    assert found == {name: stated[name] for name in found}
    assert set(stated) - set(found) == set()


async def test_every_query_asks_for_what_there_is() -> None:
    series = await scrape()
    for query in list_queries():
        assert query.count("(") == query.count(")")
        assert query.count("{") == query.count("}")
        for name in WORD.findall(query):
            assert name in series, query
        for name, selector in SELECTOR.findall(query):
            for label, how, value in MATCHER.findall(selector):
                if label in SCRAPER:
                    continue
                assert any(label in labels for labels in series[name]), query
                if how == "=":
                    assert any(labels.get(label) == value for labels in series[name]), query


async def test_each_condition_of_being_ready_is_a_gauge() -> None:
    async with network_of(1) as world:
        (service,) = world.services
        checks = {check.name: float(check.is_met) for check in service.get_readiness()}
        for name, value in checks.items():
            assert service.metrics.get_sample_value("tangle_ready", {"check": name}) == value
    assert set(checks) == {"peers", "disk", "synced", "committee", "clock", "checkpoint"}
