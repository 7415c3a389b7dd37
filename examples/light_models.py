"""Two light models of the digits, made on the spot: a network of dense layers, and a convolutional one.

Needs the extra ``onnx``. Run: ``python -m examples.light_models DIRECTORY``. Both are trained with numpy
alone; of the convolutional one only the last layer is, over features that random kernels give (Jarrett et al.
2009).
"""

import sys
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from aivm.importers.model_file import ModelFile, encode_model
from aivm.importers.quantizing import quantize_graph
from aivm.importers.reading import read_onnx
from examples.digits import CALIBRATION_ROWS, read_holdout, read_training
from examples.make_digits import export, train

KERNELS = 8
"""Random kernels of 3 by 3."""

EPOCHS = 20
"""Passes over the training rows for the last layer."""

BATCH = 32
"""Rows of one step."""

STEP = 0.05
"""Length of a step of gradient descent."""

Floats = NDArray[np.float32]


class LightModel(Struct, frozen=True, eq=False):
    """A model and images for it."""

    name: str
    """What people call it."""

    model: ModelFile
    """The quantised model."""

    images: Floats
    """Images that it was not trained on, in the shape that it reads."""

    labels: NDArray[np.int64]
    """Their digits."""


def make_dense() -> LightModel:
    """64-32-10 with a softmax."""
    return _quantize("digits MLP", export(train(*read_training())), (64,))


def make_convolutional() -> LightModel:
    """A convolution, pooling, and a dense layer: 8 kernels of 3 by 3 over 8 by 8 pixels."""
    rows, labels = read_training()
    kernels = np.random.default_rng(5).normal(0, 0.5, (KERNELS, 1, 3, 3)).astype(np.float32)
    features = compute_features(rows.reshape(-1, 8, 8), kernels)
    weights, bias = fit_last_layer(features, labels)
    return _quantize("small CNN", export_convolutional(kernels, weights, bias), (1, 8, 8))


def compute_features(images: Floats, kernels: Floats) -> Floats:
    """What the network gives before its last layer: convolved, cut at 0, pooled by two."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(1, 2))
    sums = np.maximum(np.einsum("rhwij,kij->rkhw", windows, kernels[:, 0]), 0)
    pooled: Floats = sums.reshape(len(images), len(kernels), 4, 2, 4, 2).max(axis=(3, 5))
    return pooled.reshape(len(images), -1)


def fit_last_layer(features: Floats, labels: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Softmax regression by gradient descent, in an order that is always the same."""
    source = np.random.default_rng(7)
    weights, bias = np.zeros((features.shape[1], 10), np.float32), np.zeros(10, np.float32)
    wanted = np.eye(10, dtype=np.float32)[labels]
    for _ in range(EPOCHS):
        for batch in np.array_split(source.permutation(len(features)), len(features) // BATCH):
            logits = features[batch] @ weights + bias
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            error = (shares / shares.sum(axis=1, keepdims=True) - wanted[batch]) / len(batch)
            weights -= STEP * features[batch].T @ error
            bias -= STEP * error.sum(axis=0)
    return weights, bias


def export_convolutional(kernels: Floats, weights: Floats, bias: Floats) -> bytes:
    """The network as ONNX."""
    nodes = [
        helper.make_node("Conv", ["image", "kernels"], ["sums"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["sums"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
    ]
    tensors = {"kernels": kernels, "weights": weights, "bias": bias}
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["rows", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", 10])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def _quantize(name: str, exported: bytes, shape: tuple[int, ...]) -> LightModel:
    rows, _ = read_training()
    graph = read_onnx(exported)
    typical = rows[:CALIBRATION_ROWS].reshape(-1, *shape)
    imported = quantize_graph(graph, {graph.inputs[0].name: typical}, lambda *_: None)
    images, labels = read_holdout()
    return LightModel(name, imported.model, images.reshape(-1, *shape), labels)


def main(directory: Path) -> None:
    """Write ``mlp.model`` and ``cnn.model``, each with ``.npy`` rows to run through it."""
    directory.mkdir(parents=True, exist_ok=True)
    for short, made in (("mlp", make_dense()), ("cnn", make_convolutional())):
        (directory / f"{short}.model").write_bytes(encode_model(made.model))
        np.save(directory / f"{short}-rows.npy", made.images[:5])
        print(f"{directory / short}.model: {made.name}; the rows show {made.labels[:5].tolist()}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
