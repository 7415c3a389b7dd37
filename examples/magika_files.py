"""Magika's file-type classifier as a paid job: a real network, and real files as what it is asked about.

Needs the extra ``models``. ``python -m examples.magika_files make DIRECTORY FILE ...`` writes ``magika.cbor``
and ``rows.npy``; ``tangle model register`` and ``tangle job open --output paid.npy`` do the rest; and
``python -m examples.magika_files compare DIRECTORY paid.npy`` says how many answers are the float model's.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aivm.importers.calibrating import compute_outputs
from aivm.importers.finishing import Imported
from aivm.importers.graph import Graph
from aivm.importers.model_file import encode_model
from aivm.importers.quantizing import Comparison, choose_classes, compare, quantize_graph
from aivm.importers.reading import read_onnx

ENDS = 1024
"""Bytes of either end of a file that the classifier sees."""

NOTHING = 256
"""Stands where a file has no more bytes."""

CALIBRATION_FILES = 96
"""Files that calibration sees."""

Rows = np.ndarray[Any, np.dtype[np.int32]]


def main(arguments: Sequence[str]) -> None:
    """Make what a job needs, or compare what was paid for."""
    action, directory, *files = arguments
    place = Path(directory)
    if action == "make":
        make(place, [Path(file) for file in files])
    elif action == "compare":
        agreeing, rows = count_agreeing(place, Path(files[0]))
        print(f"{agreeing} of {rows} paid answers are those of the float model ({agreeing / rows:.1%})")
    else:
        sys.exit(f"{action}: neither make nor compare")


def make(place: Path, files: Sequence[Path]) -> None:
    """Quantise with files of the interpreter; write the model and the rows of ``files``."""
    place.mkdir(parents=True, exist_ok=True)
    imported = quantize_graph(read_magika(), {"bytes": read_files(find_files(CALIBRATION_FILES))}, ignore)
    (place / "magika.cbor").write_bytes(encode_model(imported.model))
    np.save(place / "rows.npy", read_files(files))


def count_agreeing(place: Path, paid: Path) -> tuple[int, int]:
    """How many paid rows choose the class that the float model chooses, and how many rows there are."""
    answers = np.load(paid)
    (floats,) = compute_outputs(read_magika(), {"bytes": np.load(place / "rows.npy")}, ignore).values()
    chosen = choose_classes(floats) == choose_classes(answers.reshape(floats.shape))
    return int(chosen.sum()), len(answers)


def compare_on_files(count: int) -> tuple[Imported, Comparison]:
    """The program, and the float model beside its program on files unseen by calibration."""
    rows, graph = read_files(find_files(CALIBRATION_FILES + count)), read_magika()
    imported = quantize_graph(graph, {"bytes": rows[:CALIBRATION_FILES]}, ignore)
    found = compare(graph, imported.model, {"bytes": rows[CALIBRATION_FILES:]}, None, ignore)
    return imported, found


def read_magika() -> Graph:
    """The float network as its package carries it."""
    try:
        import magika
    except ImportError:
        sys.exit("magika is not installed; install it with: pip install 'tangle-node[models]'")
    model = next(Path(magika.__file__).parent.glob("models/standard*/model.onnx"))
    return read_onnx(model.read_bytes())


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


def read_files(paths: Sequence[Path]) -> Rows:
    """Magika's inputs: 1,024 bytes of either end without white space; 256 where there are none."""
    rows = np.full((len(paths), 2 * ENDS), NOTHING, np.int32)
    for row, path in zip(rows, paths, strict=True):
        content = path.read_bytes()
        first, last = content[: 4 * ENDS].lstrip()[:ENDS], content[-4 * ENDS :].rstrip()[-ENDS:]
        row[: len(first)] = list(first)
        row[2 * ENDS - len(last) :] = list(last)
    return rows


def ignore(*_: object) -> None:
    """Progress that nobody watches."""


if __name__ == "__main__":
    main(sys.argv[1:])
