"""What the examples share: the digits that come with a node, and the way from ONNX to a model file."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aivm.importers.model_file import encode_model
from aivm.importers.quantizing import Comparison, compare, quantize_graph
from aivm.importers.reading import read_onnx
from poi.dataset import DIGITS_HOLDOUT_ROOT, DIGITS_TRAINING_ROOT, load_dataset
from tangle.core.types import Digest

CALIBRATION_ROWS = 256
"""Training rows that the ranges are measured on."""


def read_training() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images ``(rows, 64)`` from 0 to 1, and their digits."""
    return _read(DIGITS_TRAINING_ROOT)


def read_holdout() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The same of images that no training sees."""
    return _read(DIGITS_HOLDOUT_ROOT)


def convert(exported: bytes, shape: tuple[int, ...], output: Path) -> Comparison:
    """Quantise a float ONNX model of the digits, write it, and compare its answers with the float model's.

    :param shape: shape of one row of its input.
    """
    rows, _ = read_training()
    graph = read_onnx(exported)
    name = graph.inputs[0].name
    typical = rows[:CALIBRATION_ROWS].reshape(-1, *shape)
    imported = quantize_graph(graph, {name: typical}, _ignore)
    output.write_bytes(encode_model(imported.model))
    images, labels = read_holdout()
    found = compare(graph, imported.model, {name: images.reshape(-1, *shape)}, labels, _ignore)
    print(f"{output}: program {imported.program_id.hex()}")
    print(f"a row costs {imported.plan.cost.macs} multiply-accumulates")
    print(f"{found.agreeing} of {found.rows} answers agree")
    print(f"right before: {found.correct_before}, after: {found.correct_after}")
    return found


def _read(root: Digest) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    data = load_dataset(root)
    return data.rows.astype(np.float32) / np.float32(data.rows.max()), data.labels.astype(np.int64)


def _ignore(*_: Any) -> None:
    """Nobody watches the progress of seconds."""
