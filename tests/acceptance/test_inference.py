"""Light models through the API of four nodes at rest: quick, replicated, verified, and settled afterwards."""

import os
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import pytest

from aivm.importers.model_file import encode_model
from examples.light_models import LightModel, make_convolutional, make_dense
from tangle.cli.devnet import SETTINGS
from tangle.cli.networks import GENESIS_NAME
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem
from tangle.core.signing import SigningKey
from tests.acceptance.paying import WARM_CALLS, Customer, get_rows
from tests.acceptance.support import NetworkUnderTest, found_devnet, running
from tests.cli.builders import Terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COUNT = 40
"""Answers of each model."""

PAUSE_S = 0.5
"""Between two answers."""

P50_MAX_MS, P95_MAX_MS = 300.0, 600.0
"""The goal on an idle machine of two cores, from the client's call to its answer."""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkUnderTest]:
    """Four validators that take paid jobs; one network for all tests: its first start builds kernels."""
    with running(found_devnet(tmp_path_factory.mktemp("market") / "net", 4, settings=SETTINGS)) as network:
        yield network


@pytest.mark.parametrize("make", [make_dense, make_convolutional], ids=["mlp", "cnn"])
async def test_light_inference(
    market: NetworkUnderTest,
    make: Callable[[], LightModel],
    record_property: Callable[[str, object], None],
) -> None:
    await market.wait_ready()
    light = make()
    bound, rows = get_rows(light, WARM_CALLS + COUNT)
    async with TangleClient(market.urls[0]) as client:
        customer = Customer(client, SigningKey(b"0" * 32))
        await customer.fund()
        await customer.register(bound)
        await customer.warm(bound, rows[:WARM_CALLS])
        timed = []
        for inputs in rows[WARM_CALLS:]:
            timed.append(await customer.ask(bound, inputs))
            await anyio.sleep(PAUSE_S)
        machine_load = os.getloadavg()[0] / (os.cpu_count() or 1)
        whole = [each.whole_ms for each in timed]
        quantiles = statistics.quantiles(whole, n=100, method="inclusive")
        p50_ms, p95_ms = quantiles[49], quantiles[94]
        record_property("answer", f"p50 {p50_ms:.0f} ms, p95 {p95_ms:.0f} ms of {COUNT}")
        record_property("processes wanting each core", f"{machine_load:.1f}")
        right = sum(
            int(each.result.outputs[0].argmax()) == light.labels[WARM_CALLS + place]
            for place, each in enumerate(timed)
        )
        assert right > 0.8 * COUNT
        for each in timed:
            await customer.wait_settled(each.result.job)
        # Others may be using the machine: the goal is widened by what they take.
        patience = max(1.0, machine_load)
        assert p50_ms < P50_MAX_MS * patience
        assert p95_ms < P95_MAX_MS * patience


async def test_the_command_answers_and_its_receipt_holds(market: NetworkUnderTest, tmp_path: Path) -> None:
    await market.wait_ready()
    light, model, rows = make_dense(), tmp_path / "digits.model", tmp_path / "rows.npy"
    model.write_bytes(encode_model(light.model))
    np.save(rows, light.images[:5])
    async with TangleClient(market.urls[0]) as client:
        bound, warm = get_rows(light, WARM_CALLS)
        customer = Customer(client, SigningKey(b"3" * 32))
        await customer.fund()
        await customer.register(bound)
        await customer.warm(bound, warm)
    genesis = ("--genesis", str(market.devnet.root / GENESIS_NAME))
    terminal = Terminal(tmp_path / "home")
    terminal.url = market.urls[1]

    def walk() -> None:
        terminal.run_json("wallet", "new", "carol")
        terminal.run_json("faucet", "carol")
        receipt = str(tmp_path / "receipt.json")
        record = terminal.run_json("infer", str(model), "--input", str(rows), "--receipt", receipt, *genesis)
        assert record["level"] == 4
        (shares,) = record["outputs"].values()
        found = [int(np.argmax(row)) for row in shares]
        assert sum(one == other for one, other in zip(found, light.labels[:5], strict=True)) >= 4
        checked = terminal.run("verify", receipt, *genesis)
        assert checked.exit_code == 0, checked.output
        assert "4" in checked.stdout
        shown = terminal.run("infer", str(model), "--input", str(rows), *genesis)
        assert "validators agree" in shown.stdout, shown.output

    await anyio.to_thread.run_sync(walk)  # commands have event loops of their own


async def test_what_cannot_be_answered_is_refused_and_costs_nothing(market: NetworkUnderTest) -> None:
    await market.wait_ready()
    bound, rows = get_rows(make_dense(), 1)
    async with TangleClient(market.urls[0]) as client:
        customer = Customer(client, SigningKey(b"1" * 32))
        with pytest.raises(ApiProblem) as unknown:
            await client.infer(customer.key, bytes(32), rows[0])
        assert unknown.value.code == "job-task-invalid"
        await customer.fund()
        await customer.register(bound)
        balance = (await client.get_account(customer.key.public_key)).balance
        with pytest.raises(ApiProblem) as wrong:
            await client.infer(customer.key, bound.plan.program_id, (rows[0][0][:, :-1].copy(),))
        assert wrong.value.code == "replica-inputs"
        pauper = Customer(client, SigningKey(b"2" * 32))
        with pytest.raises(ApiProblem) as poor:
            await client.infer(pauper.key, bound.plan.program_id, rows[0])
        assert poor.value.code == "market-funds"
        assert (await client.get_account(customer.key.public_key)).balance == balance
