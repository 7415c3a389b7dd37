"""Anybody's table becomes a model on four real nodes: opened at a terminal, evaluated by the nodes, paid, and
replayed from what the committee signed.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tangle.cli.devnet import SETTINGS
from tests.acceptance.support import found_devnet, running
from tests.acceptance.test_wallet_walk import Person

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

GENERATIONS = 24
"""Enough for the wine; the usual number takes some minutes on a small machine."""

SCORE_MIN = 0.6
"""Share of the held-out wines that is then told right; guessing the most frequent kind gives 0.4."""


def write_wine(path: Path) -> None:
    """The wines of scikit-learn as a table: 13 measurements and which of three growers."""
    from sklearn import datasets

    bunch = datasets.load_wine()
    lines = [",".join([*bunch.feature_names, "grower"])]
    for row, answer in zip(bunch.data.tolist(), bunch.target.tolist(), strict=True):
        lines.append(",".join([*map(str, row), str(bunch.target_names[answer])]))
    path.write_text("\n".join(lines) + "\n")


async def test_a_table_of_wines_is_learnt_and_its_lineage_replayed(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    table = tmp_path / "wine.csv"
    write_wine(table)
    network = found_devnet(tmp_path / "net", 4, settings=SETTINGS)
    with running(network):
        await network.wait_ready()
        person = Person(tmp_path / "person", network)
        await person.do("wallet", "new", "alice")
        await person.do("faucet", "alice")
        words = ("--data", str(table), "--label", "grower")
        quote = await person.do("job", "quote", *words, "--generations", str(GENERATIONS))
        done = await person.do(
            *("job", "open", "--kind", "training", *words, "--budget", "10"),
            *("--generations", str(GENERATIONS), "--wallet", "alice", "--timeout", "120"),
        )
        job, model = done["job"], done["model"]
        assert job["phase"] == "paid"
        share = model["current"]["score"] / model["holdout_rows"]
        record_property("learnt", f"{share:.1%} after {model['counted_total']} evaluations")
        assert share >= SCORE_MIN
        assert int(job["refunded"]) > 0
        spent = 10 * 10**9 - int(job["refunded"])
        assert int(quote["price"]) // 2 < spent < 10**9
        shown = await person.do("model", "show", job["id"])
        assert len(shown["curve"]) == GENERATIONS + 1
        listed = await person.do("model", "list")
        assert job["id"] in {each["paid_by"] for each in listed["models"]}
        replayed = await person.do("model", "replay", job["id"], "--recompute")
        assert replayed["generations"] == GENERATIONS + 1
        assert replayed["score"] == model["current"]["score"]
        scores = np.array([point["score"] for point in shown["curve"]])
        record_property("curve", scores.tolist())


async def test_a_table_that_teaches_nothing_is_refused_before_anything_is_paid(tmp_path: Path) -> None:
    table = tmp_path / "same.csv"
    table.write_text("a,b\n" + "1,x\n" * 30)
    network = found_devnet(tmp_path / "net", 1)
    with running(network):
        await network.wait_ready()
        person = Person(tmp_path / "person", network)
        await person.do("wallet", "new", "alice")
        refused = await person.run(
            *("job", "open", "--data", str(table), "--label", "b", "--budget", "1", "--wallet", "alice")
        )
    assert refused.returncode != 0
    assert b"column 'b' holds one value only" in refused.stderr
