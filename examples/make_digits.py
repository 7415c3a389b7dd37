"""Makes what docs/models.md walks through: a small network of the digits as ONNX, and data for it.

Needs the extra ``onnx``. Run: ``python -m examples.make_digits DIRECTORY``. It trains with numpy alone.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from examples.digits import CALIBRATION_ROWS, read_holdout, read_training

HIDDEN = 32
"""Hidden units."""

EPOCHS = 30
"""Passes over the training rows: about a second."""

BATCH = 32
"""Rows of one step."""

STEP = 0.1
"""Length of a step of gradient descent."""

Weights = dict[str, NDArray[np.float32]]


def main(directory: Path) -> None:
    """Train, and write ``digits.onnx``, ``calibration.npz``, ``holdout.npz`` and ``rows.npy``."""
    directory.mkdir(parents=True, exist_ok=True)
    rows, labels = read_training()
    (directory / "digits.onnx").write_bytes(export(train(rows, labels)))
    np.savez(directory / "calibration.npz", image=rows[:CALIBRATION_ROWS], labels=labels[:CALIBRATION_ROWS])
    images, answers = read_holdout()
    np.savez(directory / "holdout.npz", image=images, labels=answers)
    np.save(directory / "rows.npy", images[:5])
    print(f"{directory}: digits.onnx, calibration.npz, holdout.npz, rows.npy")
    print(f"the rows show {answers[:5].tolist()}")


def train(rows: NDArray[np.float32], labels: NDArray[np.int64]) -> Weights:
    """Gradient descent on cross entropy, in an order that is always the same."""
    source = np.random.default_rng(7)
    first = source.normal(0, 0.2, (rows.shape[1], HIDDEN)).astype(np.float32)
    second = source.normal(0, 0.2, (HIDDEN, 10)).astype(np.float32)
    biases = np.zeros(HIDDEN, np.float32), np.zeros(10, np.float32)
    wanted = np.eye(10, dtype=np.float32)[labels]
    for _ in range(EPOCHS):
        for batch in np.array_split(source.permutation(len(rows)), len(rows) // BATCH):
            hidden = np.maximum(rows[batch] @ first + biases[0], 0)
            logits = hidden @ second + biases[1]
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            error = (shares / shares.sum(axis=1, keepdims=True) - wanted[batch]) / len(batch)
            behind = (error @ second.T) * (hidden > 0)
            second -= STEP * 4 * hidden.T @ error
            biases[1][:] -= STEP * 4 * error.sum(axis=0)
            first -= STEP * 4 * rows[batch].T @ behind
            biases[0][:] -= STEP * 4 * behind.sum(axis=0)
    return {"first": first, "first_bias": biases[0], "second": second, "second_bias": biases[1]}


def export(weights: Weights) -> bytes:
    """The network as ONNX: two dense layers and a softmax."""
    nodes = [
        helper.make_node("Gemm", ["image", "first", "first_bias"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "second", "second_bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["shares"]),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["rows", 64])],
        [helper.make_tensor_value_info("shares", TensorProto.FLOAT, ["rows", 10])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
