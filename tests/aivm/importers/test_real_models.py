"""Real models on real data, as packages carry them: scikit-learn's sets and magika's file-type classifier.

Slow, and needs the extra ``models`` (``make setup-extras``).
"""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.importers.model_file import decode_model, encode_model
from aivm.importers.quantizing import Comparison, compare, compute_model, quantize_graph
from aivm.importers.reading import read_onnx

pytestmark = pytest.mark.slow

HIDDEN = {"digits": (48,), "wine": (16, 8), "breast_cancer": (24,)}
"""Hidden layers by data set."""


def ignore(*_: object) -> None:
    """Progress that nobody watches."""


@pytest.mark.filterwarnings("ignore")  # scikit-learn tells of networks that could learn longer
@pytest.mark.parametrize("name", HIDDEN)
def test_networks_trained_on_the_spot_keep_their_accuracy(name: str) -> None:
    from skl2onnx import to_onnx
    from sklearn import datasets
    from sklearn.neural_network import MLPClassifier

    rows, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(3).permutation(len(rows))
    rows, labels = rows[order].astype(np.float32), labels[order]
    split = len(rows) * 2 // 3
    spread = rows[:split].std(axis=0) + 1e-3
    rows = ((rows - rows[:split].mean(axis=0)) / spread).clip(-6, 6)
    network = MLPClassifier(HIDDEN[name], max_iter=300, random_state=1).fit(rows[:split], labels[:split])
    exported = to_onnx(network, rows[:1], options={"zipmap": False}, target_opset=17)
    graph = read_onnx(exported.SerializeToString())

    imported = quantize_graph(graph, {"X": rows[:split]}, ignore)
    found = compare(graph, imported.model, {"X": rows[split:]}, labels[split:], ignore)

    tell(name, found)
    assert found.agreeing >= 0.98 * found.rows
    assert found.correct_before is not None
    assert found.correct_after is not None
    assert found.correct_after >= found.correct_before - 0.01 * found.rows
    answers = compute_model(decode_model(encode_model(imported.model)), {"X": rows[split:]}, ignore)
    agreeing = np.mean(answers["label"].ravel() == answers["probabilities"].argmax(axis=1))
    assert agreeing >= 0.99, "the label that the program chose is the likeliest class"


def test_magika_tells_files_apart_as_the_float_model_does() -> None:
    import magika

    root = Path(magika.__file__).parent
    data = next(root.glob("models/standard*/model.onnx")).read_bytes()
    rows = read_files(find_files(160))
    graph = read_onnx(data)

    imported = quantize_graph(graph, {"bytes": rows[:96]}, ignore)
    found = compare(graph, imported.model, {"bytes": rows[96:]}, None, ignore)

    tell("magika", found)
    assert len(imported.model.program.nodes) < 30
    assert imported.plan.cost.macs > 3e8
    assert found.agreeing >= 0.9 * found.rows


def tell(name: str, found: Comparison) -> None:
    """Figures for whoever runs with ``-s``."""
    sys.stdout.write(f"\n{name}: {found}\n")


def find_files(count: int) -> list[Path]:
    """Files of many kinds: those that are installed beside this interpreter, a few of each ending."""
    root = Path(os.__file__).parent
    kinds: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.stat().st_size > 256:
            kinds.setdefault(path.suffix, []).append(path)
    found = [path for paths in kinds.values() for path in paths[:12]]
    order = np.random.default_rng(5).permutation(len(found))
    return [found[place] for place in order[:count]]


def read_files(paths: list[Path]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Magika's inputs: 1,024 bytes of either end without white space; 256 where there are none."""
    rows = np.full((len(paths), 2048), 256, np.int32)
    for row, path in zip(rows, paths, strict=True):
        content = path.read_bytes()
        first, last = content[:4096].lstrip()[:1024], content[-4096:].rstrip()[-1024:]
        row[: len(first)] = list(first)
        row[2048 - len(last) :] = list(last)
    return rows
