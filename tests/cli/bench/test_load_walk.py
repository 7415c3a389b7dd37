"""The load tool against real nodes: everything that is due is taken in and becomes final."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tangle.cli.bench.load_source import derive_wallets
from tests.cli.builders import Terminal
from tests.cli.running import run_single_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

FEW = ("--rate", "100", "--seconds", "0.6", "--wallets", "8")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with run_single_node(tmp_path_factory.mktemp("node")) as terminal:
        yield terminal


@pytest.mark.parametrize("sign", ["before", "live"])
def test_all_that_is_due_becomes_final(node: Terminal, sign: str) -> None:
    report = node.run_json("bench", "load", node.url, *FEW, "--sign", sign)
    assert (report["sent"], report["accepted"], report["unanswered"]) == (60, 60, 0)
    assert (report["final"], report["not_final"], report["refused"]) == (60, 0, {})
    assert report["attach"]["count"] == report["finality"]["count"] == 60
    assert 0 < report["attach"]["p50_ms"] <= report["finality"]["p50_ms"] <= report["finality"]["max_ms"]


def test_a_wallet_can_pay_instead_of_the_faucet(node: Terminal) -> None:
    node.run_json("wallet", "new", "payer", "--network", "devnet")
    node.run_json("faucet", "payer")
    report = node.run_json(
        "bench", "load", node.url, *FEW, "--seed", "paid", "--wallet", "payer", "--wallets", "2"
    )
    assert report["final"] == 60


def test_people_get_quantiles(node: Terminal) -> None:
    result = node.run("bench", "load", node.url, *FEW)
    assert result.exit_code == 0, result.output
    assert "final after" in result.stdout
    assert "ms, of 60" in result.stdout


def test_wallets_of_two_shards_are_served_by_one_front(tmp_path: Path) -> None:
    with run_single_node(tmp_path, shards=2) as terminal:
        report = terminal.run_json("bench", "load", terminal.url, *FEW)
        assert report["final"] == 60


def test_a_seed_gives_the_same_wallets_everywhere() -> None:
    names = [key.public_key.hex()[:8] for key in derive_wallets("load", 2)]
    assert names == [key.public_key.hex()[:8] for key in derive_wallets("load", 4)[:2]]
    assert len({*names, *(key.public_key.hex()[:8] for key in derive_wallets("other", 2))}) == 4
