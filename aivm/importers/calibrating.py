"""Runs a float model over calibration data, and notes the range of every tensor."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np
from msgspec import Struct

from aivm.importers.errors import InvalidCalibration, UnsupportedNode
from aivm.importers.evaluating import evaluate_graph
from aivm.importers.graph import Array, Graph

CHUNK_ROWS: Final = 32
"""Rows computed at a time: a chunk's tensors stay within the cache for small models, and memory for large."""

CALIBRATION_ROWS_MAX: Final = 65_536
"""Most rows of calibration data: as many as one run of a program takes."""

CLIPPED_SHARE: Final = 1e-5
"""Share of the numbers of a tensor, at each end, that a range may leave out: single outliers cost all others
their resolution."""

SAMPLES_MAX: Final = 4096
"""Numbers that are kept of a tensor from every chunk to find its ends."""

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


class Ranges(Struct, frozen=True, eq=False):
    """What calibration found."""

    bounds: dict[str, tuple[float, float]]
    """Smallest and largest number of every tensor by name."""

    outputs: dict[str, Array]
    """What the float model gives for the calibration rows."""


def verify_calibration(graph: Graph, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Calibration data as the model's inputs.

    :param arrays: by input name; for a model of one input any name will do.
    :raises InvalidCalibration: an input is missing, or its shape, type or values are wrong.
    """
    names = [entry.name for entry in graph.inputs]
    if len(names) == 1 and names[0] not in arrays and len(arrays) == 1:
        arrays = {names[0]: next(iter(arrays.values()))}
    feeds: dict[str, Array] = {}
    for entry in graph.inputs:
        array = arrays.get(entry.name)
        if array is None:
            raise InvalidCalibration(
                entry.name, f"it is missing; there are {', '.join(sorted(arrays)) or 'none'}"
            )
        if array.dtype.kind not in "fiub":
            raise InvalidCalibration(entry.name, f"elements of type {array.dtype} are no numbers")
        if array.ndim == 2 and array.shape[1:] != entry.shape and array.shape[1] == np.prod(entry.shape):
            array = array.reshape(len(array), *entry.shape)  # a table's row is an image's elements in order
        if array.shape[1:] != entry.shape or not array.ndim:
            raise InvalidCalibration(
                entry.name, f"shape {array.shape}, not (rows, {', '.join(map(str, entry.shape))})"
            )
        if not 1 <= len(array) <= CALIBRATION_ROWS_MAX:
            raise InvalidCalibration(entry.name, f"{len(array)} rows, not 1 to {CALIBRATION_ROWS_MAX}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise InvalidCalibration(entry.name, f"row {row} holds a value that is no number")
        feeds[entry.name] = array.astype(entry.dtype)
    if len({len(array) for array in feeds.values()}) > 1:
        raise InvalidCalibration("rows", "inputs have different numbers of rows")
    return feeds


def calibrate(graph: Graph, feeds: Mapping[str, Array], on_progress: Progress) -> Ranges:
    """Ranges of all tensors, and the float model's outputs.

    :raises InvalidCalibration: the model gives no numbers for some row.
    """
    lows: dict[str, list[Array]] = {}
    highs: dict[str, list[Array]] = {}
    counts: dict[str, int] = {}

    def note(name: str, array: Array) -> None:
        if array.dtype.kind != "f" or not array.size:
            return
        flat = array.ravel()
        kept = min(SAMPLES_MAX, flat.size)
        counts[name] = counts.get(name, 0) + flat.size
        ordered = np.sort(flat) if flat.size <= 2 * SAMPLES_MAX else None
        low = ordered[:kept] if ordered is not None else np.sort(np.partition(flat, kept)[:kept])
        high = ordered[-kept:] if ordered is not None else np.sort(np.partition(flat, -kept)[-kept:])
        lows[name] = [np.sort(np.concatenate([*lows.get(name, []), low]))[:SAMPLES_MAX]]
        highs[name] = [np.sort(np.concatenate([*highs.get(name, []), high]))[-SAMPLES_MAX:]]

    chunks = []
    total = len(next(iter(feeds.values())))
    for start, chunk in iterate_chunks(feeds):
        for name, array in chunk.items():
            note(name, array)
        outputs = _verify_rows(evaluate_graph(graph, chunk, note), chunk)
        for name, array in outputs.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise InvalidCalibration(name, f"the model gives no number for a row from {start} on")
        chunks.append(outputs)
        on_progress("calibrating", min(start + CHUNK_ROWS, total), total)
    bounds = {}
    for name, count in counts.items():
        place = min(int(count * CLIPPED_SHARE), len(lows[name][0]) - 1)
        bounds[name] = (float(lows[name][0][place]), float(highs[name][0][-1 - place]))
    joined = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in graph.outputs}
    return Ranges(bounds, joined)


def compute_outputs(graph: Graph, feeds: Mapping[str, Array], on_progress: Progress) -> dict[str, Array]:
    """What a float model gives."""
    chunks = []
    total = len(next(iter(feeds.values())))
    for start, chunk in iterate_chunks(feeds):
        chunks.append(_verify_rows(evaluate_graph(graph, chunk), chunk))
        on_progress("float model", min(start + CHUNK_ROWS, total), total)
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in graph.outputs}


def _verify_rows(outputs: dict[str, Array], chunk: Mapping[str, Array]) -> dict[str, Array]:
    rows = len(next(iter(chunk.values())))
    for name, array in outputs.items():
        if not array.ndim or len(array) != rows or not array.size:
            raise UnsupportedNode("output", name, f"shape {array.shape} has not one row for each of {rows}")
    return outputs


def iterate_chunks(feeds: Mapping[str, Array]) -> Iterator[tuple[int, dict[str, Array]]]:
    """Rows by ``CHUNK_ROWS``, with the number of the first."""
    total = len(next(iter(feeds.values())))
    for start in range(0, total, CHUNK_ROWS):
        yield start, {name: array[start : start + CHUNK_ROWS] for name, array in feeds.items()}
