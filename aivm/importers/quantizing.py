"""From a model's bytes to a model file: quantised models as they are, float models with calibration data."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from msgspec import Struct

from aivm.importers.calibrating import (
    CHUNK_ROWS,
    Progress,
    calibrate,
    compute_outputs,
    iterate_chunks,
    verify_calibration,
)
from aivm.importers.dispatch import translate_graph
from aivm.importers.evaluating import fold_constants
from aivm.importers.finishing import Imported, finish
from aivm.importers.graph import Array, Graph
from aivm.importers.model_file import ModelFile, dequantize_output, load_model, quantize_input
from aivm.importers.pruning import prune_weights
from aivm.importers.qoperators import unfuse
from aivm.importers.quick import run_quickly
from aivm.importers.reading import read_onnx
from aivm.importers.recognizing import recognize
from aivm.importers.rewriting import simplify
from aivm.program.errors import InvalidInput

QUANTIZED: Final = frozenset(
    {"QuantizeLinear", "QLinearMatMul", "QLinearConv", "QGemm", "DequantizeLinear", "QLinearAdd"}
)
"""Operators that a quantised model has and a float model has not."""


class Comparison(Struct, frozen=True):
    """A float model beside the program made of it, on the same rows."""

    rows: int
    """Rows compared."""

    agreeing: int
    """Rows on which both choose the same class, or, for an output of one number, the same side of 0.5."""

    largest_difference: float
    """Largest difference between two outputs."""

    correct_before: int | None
    """Rows on which the float model is right; None without labels."""

    correct_after: int | None
    """Rows on which the program is right."""


def is_quantized(graph: Graph) -> bool:
    """Whether a model says its scales itself."""
    return any(node.operator in QUANTIZED for node in graph.nodes)


def import_quantized(graph: Graph) -> Imported:
    """A quantised model as a program with onnxruntime's bits (mode ORT_F32).

    :raises ImportRefused: it cannot be expressed.
    :raises InvalidProgram: the program is refused as a whole.
    """
    return finish(translate_graph(fold_constants(unfuse(graph)), None))


def import_onnx(data: bytes) -> Imported:
    """A quantised ONNX file, QOperator or QDQ.

    :raises ImportRefused: it is refused, or it is a float model.
    """
    return import_quantized(read_onnx(data))


def quantize_graph(
    graph: Graph, arrays: Mapping[str, Array], on_progress: Progress, pruned_share: float = 0.0
) -> Imported:
    """A float model as a program: int8 weights per channel, int8 activations, mode RNE64.

    :param arrays: calibration data by input name, rows first.
    :param pruned_share: share of the weights of every layer, the smallest, that become 0.
    :raises ImportRefused: it cannot be expressed, or the calibration data does not fit.
    """
    feeds = verify_calibration(graph, arrays)
    prepared = simplify(fold_constants(graph))
    prepared = simplify(recognize(prepared, feeds))
    if pruned_share:
        prepared = prune_weights(prepared, pruned_share)
    ranges = calibrate(prepared, feeds, on_progress)
    return finish(translate_graph(prepared, ranges.bounds))


def compute_model(model: ModelFile, feeds: Mapping[str, Array], on_progress: Progress) -> dict[str, Array]:
    """Outputs of a model file as numbers by name.

    :param feeds: inputs by name, as the model that was imported takes them.
    :raises InvalidInput: they do not fit.
    """
    bound = load_model(model)
    lengths = {len(array) if array.ndim else 0 for array in feeds.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise InvalidInput("rows", f"inputs with {sorted(lengths)} rows")
    total = len(next(iter(feeds.values())))
    chunks = []
    for start, chunk in iterate_chunks(feeds):
        inputs = [
            quantize_input(port, declared, chunk[port.name.decode()])
            for port, declared in zip(model.inputs, bound.plan.input_types, strict=True)
        ]
        chunks.append(run_quickly(bound, inputs))
        on_progress("program", min(start + CHUNK_ROWS, total), total)
    return {
        port.name.decode(): dequantize_output(port, np.concatenate([chunk[place] for chunk in chunks]))
        for place, port in enumerate(model.outputs)
    }


def compare(
    graph: Graph,
    model: ModelFile,
    arrays: Mapping[str, Array],
    labels: Array | None,
    on_progress: Progress,
) -> Comparison:
    """A float model beside its program.

    :param labels: right answers as integers, one per row.
    :raises InvalidCalibration: the data does not fit the model.
    """
    feeds = verify_calibration(graph, arrays)
    before = compute_outputs(graph, feeds, on_progress)
    after = compute_model(model, feeds, on_progress)
    name = choose_output(graph, before)
    first, second = before[name], after[name].reshape(before[name].shape)
    chosen = choose_classes(first), choose_classes(second)
    rows = len(first)
    right = None if labels is None else np.asarray(labels).ravel()[:rows]
    return Comparison(
        rows=rows,
        agreeing=int(np.all((chosen[0] == chosen[1]).reshape(rows, -1), axis=1).sum()),
        largest_difference=float(np.abs(first.astype(np.float64) - second).max()),
        correct_before=None if right is None else int((chosen[0].reshape(rows, -1)[:, 0] == right).sum()),
        correct_after=None if right is None else int((chosen[1].reshape(rows, -1)[:, 0] == right).sum()),
    )


def choose_output(graph: Graph, outputs: Mapping[str, Array]) -> str:
    """The output that answers are read from: the first with several numbers a row, else the first."""
    for name in graph.outputs:
        if outputs[name].ndim > 1 and outputs[name].shape[-1] > 1 and outputs[name].dtype.kind == "f":
            return name
    return graph.outputs[0]


def choose_classes(values: Array) -> Array:
    """Class of every row: place of the largest number, or whether the one number is above 0.5."""
    if values.dtype.kind in "iu":
        return values
    if values.ndim > 1 and values.shape[-1] > 1:
        return np.asarray(values.argmax(axis=-1))
    return (values > 0.5).astype(np.int64)
