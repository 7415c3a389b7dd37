"""Reads numbers that people bring: ``.npz``, ``.npy`` and ``.csv``. Nothing is unpickled."""

import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aivm.importers.errors import InvalidCalibration

DATA_SIZE_MAX: Final = 2**30
"""Longest data file in bytes, unpacked: what fits beside a model into the memory of a small machine."""

LABELS: Final = ("labels", "label", "y", "target")
"""Names of the array, or of a table's last column, that holds right answers."""


class Data(Struct, frozen=True, eq=False):
    """Rows for a model, and perhaps their right answers."""

    arrays: dict[str, NDArray[Any]]
    """Inputs by name, rows first."""

    labels: NDArray[Any] | None
    """Right answers as integers, one per row."""


def read_data(path: Path) -> Data:
    """Read rows from a file.

    :raises InvalidCalibration: the file is none of the three kinds, too large, or holds no numbers.
    """
    if path.stat().st_size > DATA_SIZE_MAX:
        raise InvalidCalibration(path.name, f"{path.stat().st_size} bytes, over the limit of {DATA_SIZE_MAX}")
    try:
        match path.suffix.lower():
            case ".npz":
                arrays = _read_archive(path)
            case ".npy":
                arrays = {"input": np.load(path, allow_pickle=False)}
            case ".csv":
                return _read_table(path)
            case suffix:
                raise InvalidCalibration(
                    path.name, f"a file {suffix or 'without an ending'} is not .npz, .npy or .csv"
                )
    except (ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise InvalidCalibration(path.name, f"it cannot be read: {str(error)[:120]}") from None
    name = next((name for name in LABELS if name in arrays and len(arrays) > 1), None)
    labels = None if name is None else arrays.pop(name)
    return Data(arrays, None if labels is None else _verify_labels(path, labels, arrays))


def _read_archive(path: Path) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > DATA_SIZE_MAX:
        raise InvalidCalibration(path.name, f"{size} bytes unpacked, over the limit of {DATA_SIZE_MAX}")
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read_table(path: Path) -> Data:
    with path.open(encoding="utf-8") as lines:
        head = lines.readline().strip().split(",")
    is_named = not all(_is_number(cell) for cell in head)
    table = np.loadtxt(path, np.float64, delimiter=",", skiprows=int(is_named), ndmin=2, encoding="utf-8")
    if is_named and head[-1].strip().lower() in LABELS:
        arrays = {"input": table[:, :-1].astype(np.float32)}
        return Data(arrays, _verify_labels(path, table[:, -1], arrays))
    return Data({"input": table.astype(np.float32)}, None)


def _verify_labels(path: Path, labels: NDArray[Any], arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    rows = len(next(iter(arrays.values())))
    if (
        labels.shape != (rows,)
        or labels.dtype.kind not in "fiu"
        or not np.array_equal(labels, np.rint(labels))
    ):
        raise InvalidCalibration(
            path.name, f"labels of shape {labels.shape} are no whole numbers for {rows} rows"
        )
    return labels.astype(np.int64)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
