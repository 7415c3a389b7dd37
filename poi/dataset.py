"""Data sets: rows and labels bound to a root.

A leaf of the tree is one row's bytes followed by its label's byte, so a single example can be proved. The
root binds number, width and type of the rows: equal bytes in another shape are another data set.
"""

from functools import cache
from importlib.resources import as_file, files
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aivm.batch import Labels, Rows
from aivm.layered import ACTIVATION_MAX
from poi.errors import InvalidDataset, UnknownDataset
from tangle.core.hashing import DATASET, compute_record_hash
from tangle.core.merkle import compute_merkle_root
from tangle.core.types import Digest

DIGITS_TRAINING_ROOT: Final = Digest(
    bytes.fromhex("f5b8657d82b8d0c26c6545ab958cb608efa1a6d4dfc95e457cb35c686ddff5fa")
)
"""Root of the 1,437 training images of the shipped handwritten digits."""

DIGITS_HOLDOUT_ROOT: Final = Digest(
    bytes.fromhex("99c9024348ba7fed348e5b84121829423f7df6e769c60ff01d179aa718ee7c7e")
)
"""Root of the 360 held-out images."""

_PARTS: Final = {DIGITS_TRAINING_ROOT: "training", DIGITS_HOLDOUT_ROOT: "holdout"}


class Dataset(Struct, frozen=True, eq=False):
    """Labelled rows.

    :raises InvalidDataset: types, shapes or ranges are wrong, or there is no row.
    """

    rows: Rows
    """uint8, (count, width), values 0 ... 127."""

    labels: Labels
    """uint8, (count,)."""

    def __post_init__(self) -> None:
        if self.rows.dtype != np.uint8 or self.rows.ndim != 2 or self.rows.size == 0:
            raise InvalidDataset(f"rows are {self.rows.dtype} of shape {self.rows.shape}, not a uint8 matrix")
        if self.labels.dtype != np.uint8 or self.labels.shape != (len(self.rows),):
            raise InvalidDataset(f"labels are {self.labels.dtype} of shape {self.labels.shape}")
        if int(self.rows.max()) > ACTIVATION_MAX:
            raise InvalidDataset(f"a value of {self.rows.max()} is over {ACTIVATION_MAX}")


def compute_dataset_root(dataset: Dataset) -> Digest:
    """``H_dataset(Merkle root, type, rows, width)``; leaf *i* is row *i*'s bytes and its label."""
    joined: NDArray[np.uint8] = np.hstack((dataset.rows, dataset.labels[:, None]))
    root = compute_merkle_root([row.tobytes() for row in joined])
    return compute_record_hash(DATASET, root, b"uint8", len(dataset.rows), dataset.rows.shape[1])


@cache
def load_dataset(root: Digest) -> Dataset:
    """The data set called ``root``, recomputed and compared. Read once per process.

    :raises UnknownDataset: no such data set ships with this version.
    :raises InvalidDataset: the shipped file is damaged.
    """
    part = _PARTS.get(root)
    if part is None:
        raise UnknownDataset(root)
    with (
        as_file(files("poi.data").joinpath("digits.npz")) as path,
        np.load(path, allow_pickle=False) as arrays,
    ):
        dataset = Dataset(arrays[f"{part}_rows"], arrays[f"{part}_labels"])
    computed = compute_dataset_root(dataset)
    if computed != root:
        raise InvalidDataset(f"the file holds {computed.hex()}, not {root.hex()}; install the package again")
    return dataset
