"""Magika's file-type classifier, 333 million multiply-accumulates a row, as a paid job on four real nodes."""

import json
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import pytest

from tangle.cli.devnet import SETTINGS
from tangle.client.client import TangleClient
from tests.acceptance.support import NetworkUnderTest, check_books, found_devnet, running
from tests.cli.builders import Terminal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        find_spec("magika") is None, reason="needs the network: pip install 'tangle-node[models]'"
    ),
]

ROOT: Final = Path(__file__).resolve().parents[2]

FILES: Final = (
    "README.md",
    "LICENSE",
    "Makefile",
    "pyproject.toml",
    "docs/market.md",
    "docs/openapi.json",
    "examples/transfer.mjs",
    "examples/digits.py",
    "tangle/node/node.py",
    "poi/market/limits.py",
    "docs/pictures/tui.svg",
    "deploy/found.sh",
    "docs/learning.svg",
    "docs/pictures/web-graph-wide.png",
    "poi/data/digits.npz",
    "tangle/api/web/index.html",
    "tangle/api/web/style.css",
)
"""Sources, documents, pictures and an archive of this repository."""

JOB_TIME_S: Final = 500
"""For a worker, on a machine that is busy: the first job also builds kernels."""


@pytest.fixture
def network(tmp_path: Path) -> Iterator[NetworkUnderTest]:
    """Four validators with a devnet's settings: the usual device, jobs taken."""
    with running(found_devnet(tmp_path / "net", 4, settings=SETTINGS)) as started:
        yield started


async def test_a_real_classifier_is_paid_for_and_agrees_with_its_float_model(
    network: NetworkUnderTest, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    from examples import magika_files

    await network.wait_ready()
    walk, files = tmp_path / "walk", [ROOT / name for name in FILES]
    await anyio.to_thread.run_sync(magika_files.make, walk, files)
    async with TangleClient(network.urls[0]) as client:
        with anyio.fail_after(120):
            while len(await client.get_workers()) < len(network.nodes):  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.5)
    terminal = Terminal(tmp_path / "home")
    terminal.url = network.urls[0]
    model, rows, paid = (str(walk / name) for name in ("magika.cbor", "rows.npy", "paid.npy"))
    task = ("--model", model, "--input", rows)

    def order() -> tuple[float, dict[str, object]]:
        terminal.run_json("wallet", "new", "alice")
        terminal.run_json("faucet", "alice")
        terminal.run_json("model", "register", model, "--wallet", "alice", "--timeout", "120")
        begun_s = time.perf_counter()
        times = ("--result-time", str(JOB_TIME_S), "--deadline", str(JOB_TIME_S + 60))
        terms = (*times, "--wait", "end", "--output", paid, "--wallet", "alice")
        answer = terminal.run_json("job", "open", *task, *terms)
        return time.perf_counter() - begun_s, answer

    taken_s, opened = await anyio.to_thread.run_sync(order)  # commands have event loops of their own
    job, quote = opened["job"], opened["quote"]
    assert isinstance(job, dict)
    assert isinstance(quote, dict)
    assert job["phase"] == "paid", json.dumps(job)
    assert not job["failed_workers"]
    # Each says one verdict on the program; who says another says it on the result.
    verified = sum(node.read_log().count('"verdict": 1, "event": "verdict"') > 1 for node in network.nodes)
    assert verified >= 2
    agreeing, count = magika_files.count_agreeing(walk, Path(paid))
    record_property("agreement", f"{agreeing} of {count} ({agreeing / count:.1%})")
    record_property("units, price in grains", f"{quote['units']}, {quote['price']}")
    record_property("validators that verified it", verified)
    record_property("opened to paid", f"{taken_s:.1f} s")
    assert count >= 16
    assert agreeing >= 0.85 * count
    assert await network.stop() == [0] * len(network.nodes)
    for node in network.nodes:
        check_books(node, network.genesis)
