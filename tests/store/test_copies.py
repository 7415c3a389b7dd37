"""Compaction, hot copies and exports of real databases: the same rows, and nothing lost on the way."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from tangle.core.types import ChainId
from tangle.store.copies import ROOM_MARGIN_BYTES, compact, copy_database
from tangle.store.disk import DiskLevel, DiskRoom, MemoryDisk, SystemDisk, Watermarks
from tangle.store.errors import (
    CopyExists,
    CopyFailed,
    ExportDamaged,
    ExportOfAnotherChain,
    StoreOfAnotherChain,
    StoreUnreadable,
    WrongSchema,
)
from tangle.store.pages import check_pages
from tangle.store.places import find_damaged_name, finish_swap, get_repaired, list_directories, swap
from tangle.store.portable import ExportReader, export, import_rows
from tangle.store.snapshot import open_snapshot
from tangle.store.store import Table
from tests.store.files import HISTORY, LIVE, PAGE, fill, flip, list_pages, open_store, read_all
from tests.store.test_lmdb_store import ROOT, writing
from tests.store.test_store import running
from tests.store.writer import CHAIN


def keep_quiet(*_: object) -> None:
    """Progress that nobody looks at."""


def export_to(root: Path, path: Path) -> int:
    with open_snapshot(root, CHAIN) as snapshot:
        return export(snapshot, CHAIN, path, keep_quiet)


def import_from(path: Path, root: Path, chain: ChainId = CHAIN) -> int:
    async def run() -> int:
        with path.open("rb") as file:
            reader = ExportReader(file, path)
            reader.check(chain)
            async with running(open_store(root)) as store:
                total = await import_rows(reader, store, keep_quiet)
        return total

    return anyio.run(run)


def test_compaction_keeps_every_row_and_gives_room_back(tmp_path: Path) -> None:
    fill(tmp_path)
    before = read_all(tmp_path)
    with closing(open_store(tmp_path)):  # the lock file of the last writer is there
        pass
    done = compact(tmp_path, keep_quiet)
    assert [each.name for each in done] == ["live", "history-00000000"]
    assert sum(each.after_bytes for each in done) < sum(each.before_bytes for each in done)
    assert read_all(tmp_path) == before
    fill(tmp_path, 310)  # it can be written to
    assert len(read_all(tmp_path)[Table.TRANSACTIONS]) == 310


def test_a_compaction_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    before = read_all(tmp_path)
    command = [sys.executable, "-m", "tests.store.compactor", str(tmp_path)]
    for step in range(1, 9):
        killed = subprocess.run([*command, str(step)], cwd=ROOT, check=False)
        assert killed.returncode == -signal.SIGKILL
        assert read_all(tmp_path) == before
    assert subprocess.run(command, cwd=ROOT, check=True).returncode == 0
    assert read_all(tmp_path) == before
    assert not list(tmp_path.glob("*.making"))


def test_no_room_leaves_all_as_it_was(tmp_path: Path) -> None:
    fill(tmp_path / "db")
    before = {name: (tmp_path / "db" / name).read_bytes() for name in (HISTORY, LIVE)}
    full = MemoryDisk(free_bytes=ROOM_MARGIN_BYTES)
    with pytest.raises(CopyFailed, match="MiB are free"):
        compact(tmp_path / "db", keep_quiet, full)
    with pytest.raises(CopyFailed):
        copy_database(tmp_path / "db", tmp_path / "copy", keep_quiet, full)
    assert {name: (tmp_path / "db" / name).read_bytes() for name in before} == before
    assert not (tmp_path / "copy").exists()
    assert not list(tmp_path.glob("*.making"))


def test_a_full_disk_in_the_middle_leaves_nothing_half(tmp_path: Path) -> None:
    fill(tmp_path / "db")
    before = read_all(tmp_path / "db")
    for what in ("compact", "copy", "export"):
        command = [sys.executable, "-m", "tests.store.compactor", str(tmp_path / "db"), what, "100000"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.stdout == "copy-failed\n", done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["db"]
        assert read_all(tmp_path / "db") == before


def test_a_damaged_page_is_refused_before_lmdb_follows_it(tmp_path: Path) -> None:
    fill(tmp_path)
    leaf = list(list_pages(tmp_path / HISTORY, 2))[-1]
    for page in list_pages(tmp_path / HISTORY, 1 | 2):
        flip(tmp_path / HISTORY, page * PAGE + 12)
    damaged = (tmp_path / HISTORY).read_bytes()
    with pytest.raises(StoreUnreadable):
        compact(tmp_path, keep_quiet)
    with pytest.raises(StoreUnreadable):
        copy_database(tmp_path, tmp_path / "copy", keep_quiet)
    assert leaf
    assert not (tmp_path / "copy").exists()
    assert (tmp_path / HISTORY).read_bytes() == damaged


def test_a_hot_copy_of_a_busy_writer_is_one_moment(tmp_path: Path) -> None:
    with writing(tmp_path / "db") as process:
        assert process.stdout is not None
        for number in range(3):
            promised = [int(process.stdout.readline()) for _ in range(20)][-1]
            copied = copy_database(tmp_path / "db", tmp_path / f"copy {number}", keep_quiet)
            assert copied > 0
            rows = read_all(tmp_path / f"copy {number}")
            assert len(rows[Table.TRANSACTIONS]) > promised
            assert int.from_bytes(rows[Table.META][0][1], "big") < len(rows[Table.TRANSACTIONS])
            with open_snapshot(tmp_path / "db", CHAIN) as snapshot:
                first = list(snapshot.iterate(Table.TRANSACTIONS))
                process.stdout.readline()
                assert list(snapshot.iterate(Table.TRANSACTIONS)) == first
    with pytest.raises(CopyExists):
        copy_database(tmp_path / "db", tmp_path / "copy 0", keep_quiet)
    fill(tmp_path / "copy 2", 10)  # it can be written to
    assert check_pages(tmp_path / "copy 2" / HISTORY)


def test_an_export_comes_back_as_it_was(tmp_path: Path) -> None:
    fill(tmp_path / "db")
    before = read_all(tmp_path / "db")
    total = export_to(tmp_path / "db", tmp_path / "file")
    assert total == sum(map(len, before.values()))
    assert import_from(tmp_path / "file", tmp_path / "other") == total
    assert read_all(tmp_path / "other") == before
    export_to(tmp_path / "other", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "file").read_bytes()
    with pytest.raises(CopyExists):
        export_to(tmp_path / "db", tmp_path / "file")


def test_every_changed_byte_of_an_export_is_found(tmp_path: Path) -> None:
    fill(tmp_path / "db", 3)
    export_to(tmp_path / "db", tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    places = [*range(400), *range(400, len(whole), 997), len(whole) - 1]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 0x40
        (tmp_path / "file").write_bytes(changed)
        with (tmp_path / "file").open("rb") as file, pytest.raises(ExportDamaged):
            list(ExportReader(file, tmp_path / "file").read())


@pytest.mark.parametrize("stop", [-1, 50, 16, 3])
def test_a_truncated_export_is_refused(tmp_path: Path, stop: int) -> None:
    fill(tmp_path / "db", 3)
    export_to(tmp_path / "db", tmp_path / "file")
    (tmp_path / "file").write_bytes((tmp_path / "file").read_bytes()[:stop])
    with (tmp_path / "file").open("rb") as file, pytest.raises(ExportDamaged):
        list(ExportReader(file, tmp_path / "file").read())


def test_an_export_that_goes_on_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "db", 3)
    export_to(tmp_path / "db", tmp_path / "file")
    with (tmp_path / "file").open("ab") as file:
        file.write(b"x")
    with (tmp_path / "file").open("rb") as file, pytest.raises(ExportDamaged, match="goes on"):
        list(ExportReader(file, tmp_path / "file").read())


def test_an_export_of_another_chain_or_schema_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "db", 3)
    export_to(tmp_path / "db", tmp_path / "file")
    with pytest.raises(ExportOfAnotherChain, match="nothing was imported"):
        import_from(tmp_path / "file", tmp_path / "other", ChainId(b"chain-02"))
    monkeypatch.setattr("tangle.store.portable.SCHEMA_VERSION", 99)
    export_to(tmp_path / "db", tmp_path / "newer")
    monkeypatch.undo()
    with pytest.raises(WrongSchema, match="or a newer one"):
        import_from(tmp_path / "newer", tmp_path / "other")


def test_a_snapshot_of_another_chain_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    with pytest.raises(StoreOfAnotherChain):
        open_snapshot(tmp_path, ChainId(b"chain-02"))


@pytest.mark.parametrize("name", [HISTORY, LIVE])
def test_a_half_that_was_deleted_by_hand_is_refused(tmp_path: Path, name: Path) -> None:
    fill(tmp_path, 3)
    (tmp_path / name).unlink()
    with pytest.raises(StoreUnreadable, match=r"data\.mdb"):
        open_store(tmp_path)
    with pytest.raises(StoreUnreadable):
        open_snapshot(tmp_path, CHAIN)
    assert not (tmp_path / name).exists()


def test_a_first_start_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    (tmp_path / LIVE).unlink()
    open_store(tmp_path).close()
    assert len(list_directories(tmp_path)) == 2


def test_a_swap_is_finished_after_a_crash_between_its_renames(tmp_path: Path) -> None:
    fill(tmp_path / "db", 3)
    fill(get_repaired(tmp_path / "db"), 5)
    (tmp_path / "db").rename(find_damaged_name(tmp_path / "db"))
    assert len(read_all(tmp_path / "db")[Table.TRANSACTIONS]) == 5
    fill(get_repaired(tmp_path / "db"), 7)
    finish_swap(tmp_path / "db")  # nothing to do
    assert len(read_all(tmp_path / "db")[Table.TRANSACTIONS]) == 5
    assert swap(tmp_path / "db") == tmp_path / "db.damaged-2"
    assert len(read_all(tmp_path / "db")[Table.TRANSACTIONS]) == 7
    assert len(read_all(tmp_path / "db.damaged-1")[Table.TRANSACTIONS]) == 3


def test_marks_of_a_disk(tmp_path: Path) -> None:
    marks = Watermarks(low_bytes=1_000, low_percent=10, stop_bytes=300)
    assert marks.classify(DiskRoom(1_000, 5_000)) is DiskLevel.ENOUGH
    assert marks.classify(DiskRoom(999, 5_000)) is DiskLevel.LOW
    assert marks.classify(DiskRoom(1_999, 20_000)) is DiskLevel.LOW
    assert marks.classify(DiskRoom(299, 20_000)) is DiskLevel.EXHAUSTED
    room = SystemDisk(tmp_path).read_room()
    assert 0 < room.free_bytes <= room.total_bytes
