"""How quickly customers get replicated answers: four nodes on this machine, at rest, light models.

``python -m benchmarks.bench_inference [COUNT]``: so many answers of each model, one after the other with
pauses; each receipt is verified offline, and at the end the ledger has settled every job.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import anyio

from examples.light_models import LightModel, make_convolutional, make_dense
from tangle.cli.devnet import SETTINGS
from tangle.client.client import TangleClient
from tangle.core.signing import SigningKey
from tests.acceptance.paying import WARM_CALLS, Customer, Timed, get_rows
from tests.acceptance.support import NetworkUnderTest, found_devnet, running

COUNT = 100
"""Answers of each model."""

PAUSE_S = 0.5
"""Between two answers: the jobs are settled meanwhile, and a customer has at most 64 of them open."""


async def measure(network: NetworkUnderTest, lights: list[LightModel], count: int) -> None:
    """Measure one model after the other."""
    async with TangleClient(network.urls[0]) as client:
        customer = Customer(client, SigningKey(os.urandom(32)))
        await customer.fund()
        for light in lights:
            bound, rows = get_rows(light, WARM_CALLS + count)
            await customer.register(bound)
            begun_s = time.perf_counter()
            await customer.warm(bound, rows[:1])
            first_ms = (time.perf_counter() - begun_s) * 1_000
            await customer.warm(bound, rows[1:WARM_CALLS])
            timed: list[Timed] = []
            for inputs in rows[WARM_CALLS:]:
                timed.append(await customer.ask(bound, inputs))
                await anyio.sleep(PAUSE_S)
            cost = bound.plan.cost
            print(f"{light.name}: {cost.macs} multiply-accumulates a row; first answer {first_ms:.0f} ms")
            tell("from call to answer", [each.whole_ms for each in timed])
            tell("at the node", [each.result.answer.times.total_ms for each in timed])
            tell("until sealed", [each.result.answer.times.sealed_ms for each in timed])
            tell("until agreed", [each.result.answer.times.shown_ms for each in timed])
            begun_s = time.perf_counter()
            for each in timed:
                await customer.wait_settled(each.result.job)
            print(f"  all {count} jobs paid {time.perf_counter() - begun_s:.0f} s after the last answer")


def tell(what: str, values: list[float]) -> None:
    """Print the quantiles of a series of milliseconds."""
    quantiles = statistics.quantiles(values, n=100, method="inclusive")
    print(
        f"  {what}: p50 {quantiles[49]:.0f} ms, p95 {quantiles[94]:.0f} ms, p99 {quantiles[98]:.0f} ms",
        flush=True,
    )


def main() -> None:
    """Run a network, measure, stop it."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    lights = [make_dense(), make_convolutional()]
    print(f"processes wanting each core before: {os.getloadavg()[0] / (os.cpu_count() or 1):.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        network = found_devnet(Path(folder) / "net", 4, settings=SETTINGS)
        with running(network):
            anyio.run(run, network, lights, count)
    print(f"processes wanting each core after: {os.getloadavg()[0] / (os.cpu_count() or 1):.1f}")


async def run(network: NetworkUnderTest, lights: list[LightModel], count: int) -> None:
    """Wait for the network, and measure."""
    await network.wait_ready()
    await measure(network, lights, count)


if __name__ == "__main__":
    main()
