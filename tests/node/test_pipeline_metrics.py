"""Figures of the way to finality, read off running nodes: what happened is counted, and nothing else."""

from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily

from tangle.core.transactions import sign_transaction
from tangle.node.meters import Histogram
from tests.node.twins import make_backend
from tests.node.wallets import Wallet, submit, wait_final
from tests.node.world import network_of


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return make_backend("asyncio")


def read(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """The sum of all samples of that name with those labels."""
    return sum(
        sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_values_fall_into_the_bucket_whose_bound_they_do_not_pass() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.add(value)
    family = HistogramMetricFamily("x", "y", labels=["z"])
    histogram.add_to(family, ("a",))
    found: dict[Any, float] = {sample.labels.get("le"): sample.value for sample in family.samples}
    assert (found["1.0"], found["2.0"], found["+Inf"]) == (2, 3, 4)
    assert next(s.value for s in family.samples if s.name == "x_sum") == 12.0


async def test_a_sound_network_commits_directly_and_waits_for_nobody() -> None:
    async with network_of(1) as world:
        (service,) = world.services
        await wait_final(service, (await Wallet("alice").send(service)).id)
        registry = service.metrics
        slots = "tangle_committee_slots_total"
        assert read(registry, slots, leader="0", outcome="commit", rule="direct") > 0
        assert read(registry, slots, outcome="skip") == 0
        assert read(registry, "tangle_committee_leader_timeouts_total") == 0
        assert read(registry, "tangle_attached_to_final_seconds_count") == 1
        assert read(registry, "tangle_verify_seconds_count") >= 1
        assert read(registry, "tangle_work_refused_total") == 0


async def test_forged_work_is_counted() -> None:
    async with network_of(1) as world:
        (service,) = world.services
        alice = Wallet("alice")
        body = (await alice.build(service)).body
        results = (body.work.results[0] + 1, *body.work.results[1:])
        forged = sign_transaction(replace(body, work=replace(body.work, results=results)), alice.key)
        outcome = await submit(service, forged)
        assert outcome.error is not None
        assert read(service.metrics, "tangle_work_refused_total") == 1
