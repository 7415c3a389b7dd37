"""Real models on real data, as packages carry them: scikit-learn's sets and magika's file-type classifier.

Slow, and needs the extra ``models`` (``make setup-extras``).
"""

import sys

import numpy as np
import pytest

from aivm.importers.model_file import decode_model, encode_model
from aivm.importers.quantizing import Comparison, compare, compute_model, quantize_graph
from aivm.importers.reading import read_onnx
from examples.magika_files import compare_on_files

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
    imported, found = compare_on_files(64)

    tell("magika", found)
    assert len(imported.model.program.nodes) < 30
    assert imported.plan.cost.macs > 3e8
    assert found.agreeing >= 0.9 * found.rows


def tell(name: str, found: Comparison) -> None:
    """Figures for whoever runs with ``-s``."""
    sys.stdout.write(f"\n{name}: {found}\n")
