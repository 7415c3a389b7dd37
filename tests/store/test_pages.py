"""The reader that trusts no page: the same rows as LMDB's own, and a word about every damage."""

from pathlib import Path

import pytest

from tangle.store.errors import StoreUnreadable
from tangle.store.pages import PageFile, check_length, check_pages
from tangle.store.store import Environment
from tests.store.files import HISTORY, LIVE, PAGE, fill, flip, list_pages, open_store, read_all


def read(path: Path) -> tuple[dict[str, list[tuple[bytes, bytes]]], list[str]]:
    with PageFile(path) as file:
        rows = {name: list(file.read_rows(tree)) for name, tree in file.find_tables().items()}
        return rows, [fault.reason for fault in file.faults]


def test_it_reads_what_lmdb_reads(tmp_path: Path) -> None:
    fill(tmp_path)
    expected = read_all(tmp_path)
    for environment, name in ((Environment.HISTORY, HISTORY), (Environment.LIVE, LIVE)):
        rows, faults = read(tmp_path / name)
        rows.pop("identity")
        assert not faults
        assert {name: found for name, found in rows.items() if found} == {
            table.title: found for table, found in expected.items() if table.environment is environment
        }
        assert check_pages(tmp_path / name) > 0


def test_a_new_database_has_no_faults(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    assert check_pages(tmp_path / HISTORY) == check_pages(tmp_path / LIVE) == 2


def test_every_flipped_head_of_a_used_page_is_found_and_the_rest_is_saved(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / HISTORY
    whole = path.read_bytes()
    before, _ = read(path)
    total = sum(map(len, before.values()))
    damaged = 0
    for page in list_pages(path, 1 | 2 | 4):
        for place in (0, 10, 12, 14, 20):
            path.write_bytes(whole)
            flip(path, page * PAGE + place)
            after, faults = read(path)
            kept = {(name, key): value for name, rows in after.items() for key, value in rows}
            assert len(kept) <= total
            damaged += bool(faults)
    assert damaged > 20


def test_a_flipped_leaf_loses_its_own_rows_only(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / HISTORY
    before = dict(read(path)[0]["transactions"])
    with PageFile(path) as file:
        file.find_tables()
    content = path.read_bytes()
    leaf = next(
        page for page in list_pages(path, 2) if (7).to_bytes(8, "big") * 50 in content[page * PAGE :][:PAGE]
    )
    flip(path, leaf * PAGE)  # its number
    after, faults = read(path)
    assert "another page stands in its place" in faults
    found = dict(after["transactions"])
    assert 250 < len(found) < 300
    assert all(before[key] == value for key, value in found.items())
    with pytest.raises(StoreUnreadable, match=f"page {leaf}"):
        check_pages(path)


@pytest.mark.parametrize("keep", [0, 1, 100, PAGE, 2 * PAGE, 3 * PAGE + 17])
def test_a_truncated_file_is_refused_before_it_is_mapped(tmp_path: Path, keep: int) -> None:
    fill(tmp_path)
    path = tmp_path / HISTORY
    path.write_bytes(path.read_bytes()[:keep])
    if keep:
        with pytest.raises(StoreUnreadable):
            check_length(path)
        with pytest.raises(StoreUnreadable):
            open_store(tmp_path)
    else:
        with pytest.raises(StoreUnreadable, match="empty"):
            PageFile(path)


def test_pages_that_were_given_up_may_be_missing(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / HISTORY
    used = path.read_bytes()
    with PageFile(path) as file:
        last = file.meta.last_page
    # As LMDB leaves it where the last pages of a transaction were given up before they were written.
    for meta in (0, PAGE):
        with path.open("r+b") as changed:
            changed.seek(meta + 16 + 24 + 2 * 48)
            changed.write((last + 2).to_bytes(8, "little"))
    assert path.stat().st_size == len(used)
    check_length(path)
    open_store(tmp_path).close()
