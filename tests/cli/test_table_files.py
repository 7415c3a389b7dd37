"""Tables as a person names them: read once their size is known to be bearable."""

from pathlib import Path

import pytest

from poi.tables.errors import InvalidTable
from poi.tables.reading import TABLE_SIZE_MAX
from tangle.api.schemas.market import JobKind
from tangle.cli.job_tasks import find_kind
from tangle.cli.table_files import TableOptions, read_plan
from tests.poi.tables.builders import FLOWERS, FLOWERS_BLOB


def make_options(path: Path, label: str = "kind") -> TableOptions:
    return TableOptions(path, label, (), None, None)


def test_a_file_becomes_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "flowers.csv"
    path.write_text(FLOWERS)
    assert read_plan(make_options(path)).content == FLOWERS_BLOB


def test_a_file_is_not_read_where_it_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("wb") as file:
        file.truncate(TABLE_SIZE_MAX + 1)
    with pytest.raises(InvalidTable, match=f"it has {TABLE_SIZE_MAX + 1} bytes"):
        read_plan(make_options(path))


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "flowers.csv"
    path.write_text(FLOWERS)
    with pytest.raises(InvalidTable, match="it has width, height, colour, kind"):
        read_plan(make_options(path, "species"))


def test_a_table_means_training(tmp_path: Path) -> None:
    assert find_kind(None, None, tmp_path) is JobKind.TRAINING
    assert find_kind(None, tmp_path, None) is JobKind.OPTIMISATION
    assert find_kind(None, None, None) is JobKind.INFERENCE
    assert find_kind("training", None, None) is JobKind.TRAINING
