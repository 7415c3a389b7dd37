"""How quickly four nodes on one machine make transfers final, and how much memory they take."""

import os
import statistics
from collections.abc import Callable

import anyio
import pytest

from tests.acceptance.load import RecordedLoad
from tests.acceptance.support import NetworkUnderTest, get_group_members, get_resident_bytes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RATE = 50.0
"""Transactions a second."""

LOAD_S = 60.0
"""How long the load lasts."""

P50_MAX_MS, P95_MAX_MS = 1_000.0, 2_000.0
"""The goal on an idle machine of two cores."""

NODE_MAX_BYTES = 250 * 1024 * 1024
"""Most memory of a node's own process at rest."""


def measure_memory(network: NetworkUnderTest) -> list[list[int]]:
    """MiB of each node's process and of each of its workers."""
    return [
        [
            get_resident_bytes(pid) >> 20
            for pid in sorted(get_group_members(node.pid), key=lambda pid: pid != node.pid)
        ]
        for node in network.nodes
    ]


async def test_finality_at_fifty_a_second(
    four_nodes: NetworkUnderTest, record_property: Callable[[str, object], None]
) -> None:
    await four_nodes.wait_ready()
    load = RecordedLoad(four_nodes.urls, RATE, 24)
    await load.fund()
    at_rest = measure_memory(four_nodes)
    with anyio.move_on_after(LOAD_S):
        await load.run()
    latencies = load.latencies_ms[len(load.latencies_ms) // 20 :]  # without the first three seconds
    quantiles = statistics.quantiles(latencies, n=100)
    p50_ms, p95_ms = quantiles[49], quantiles[94]
    machine_load = os.getloadavg()[0] / (os.cpu_count() or 1)
    record_property("rate", f"{len(load.final) / LOAD_S:.1f} final a second; faults: {dict(load.failures)}")
    record_property("finality", f"p50 {p50_ms:.0f} ms, p95 {p95_ms:.0f} ms of {len(latencies)}")
    record_property("processes wanting each core at the end", f"{machine_load:.1f}")
    record_property("MiB at rest, node and workers", at_rest)
    record_property("MiB after", measure_memory(four_nodes))
    assert all(node << 20 < NODE_MAX_BYTES for node, *_ in at_rest)
    # Others may be using the machine: the goal is widened by what they take.
    patience = max(1.0, machine_load)
    assert len(load.final) > RATE * LOAD_S / 2 / patience
    assert p50_ms < P50_MAX_MS * patience
    assert p95_ms < P95_MAX_MS * patience
