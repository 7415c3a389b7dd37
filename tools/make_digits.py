"""Makes ``poi/data/digits.npz`` from the source file: ``python tools/make_digits.py digits.csv.gz``.

``poi/data/PROVENANCE.md`` says where the source file comes from and what is changed. Prints the two roots
that ``poi/dataset.py`` expects.
"""

import gzip
import sys
from pathlib import Path
from typing import Final

import numpy as np

from poi.dataset import Dataset, compute_dataset_root

TARGET: Final = Path(__file__).parent.parent / "poi" / "data" / "digits.npz"
"""Where the package looks for it."""

HOLDOUT_EVERY: Final = 5
"""One image in five is held out."""


def make_digits(source: Path) -> None:
    """Read, rescale, split and write."""
    with gzip.open(source, "rt") as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.int64)
    rows = (table[:, :-1] * 127 // 16).astype(np.uint8)
    labels = table[:, -1].astype(np.uint8)
    is_held_out = np.arange(len(table)) % HOLDOUT_EVERY == 0
    parts = {
        "training": Dataset(rows[~is_held_out], labels[~is_held_out]),
        "holdout": Dataset(rows[is_held_out], labels[is_held_out]),
    }
    training, holdout = parts["training"], parts["holdout"]
    np.savez_compressed(
        TARGET,
        training_rows=training.rows,
        training_labels=training.labels,
        holdout_rows=holdout.rows,
        holdout_labels=holdout.labels,
    )
    for name, part in parts.items():
        print(name, len(part.rows), compute_dataset_root(part).hex())


if __name__ == "__main__":
    make_digits(Path(sys.argv[1]))
