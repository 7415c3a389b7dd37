"""Checks find what is wrong with a real database, and repairs make a sound one without losing the old."""

import shutil
from pathlib import Path

import anyio
import pytest

from tangle.core.genesis import Genesis
from tangle.node.care.findings import Fault
from tangle.node.care.tables import RULES
from tangle.store.memory_store import Disk
from tangle.store.store import Table
from tests.node.care.homes import (
    Bend,
    bend_rows,
    check,
    find_faults,
    flip_last,
    read_rows,
    remove,
    repair,
    run_in_world,
    write,
)
from tests.store.files import HISTORY, LIVE, PAGE, flip, list_pages


@pytest.fixture(scope="module")
def lived() -> tuple[Genesis, Disk]:
    """What a lone validator left; nothing changes it."""
    return run_in_world()


@pytest.fixture(scope="module")
def original(lived: tuple[Genesis, Disk], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It on the disk."""
    root = tmp_path_factory.mktemp("care") / "db"
    anyio.run(write, root, *lived)
    return root


@pytest.fixture
def genesis(lived: tuple[Genesis, Disk]) -> Genesis:
    return lived[0]


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    shutil.copytree(original, tmp_path / "db")
    return tmp_path / "db"


def test_every_table_has_a_rule() -> None:
    assert set(RULES) == set(Table)


def test_a_sound_database_has_no_findings(original: Path, genesis: Genesis) -> None:
    report = check(original, genesis)
    assert not [finding.describe() for finding in report.findings]
    assert report.rows_total > 100


@pytest.mark.parametrize(
    ("table", "bend", "first", "faults"),
    [
        pytest.param(*case, id=f"{case[0].title}-{case[2]}-{case[1].__name__}")
        for case in (
            (Table.TRANSACTION_INDEX, remove, 0, {Fault.INDEX_DIFFERS}),
            (Table.ACCOUNT_HISTORY, remove, 0, {Fault.INDEX_DIFFERS}),
            (Table.EVENTS, remove, 3, {Fault.INDEX_DIFFERS}),
            (Table.CHECKPOINTS, remove, 4, {Fault.ROW_MISSING}),
            (Table.CHECKPOINTS, remove, 0, {Fault.ROW_MISSING}),
            (Table.CHECKPOINTS, flip_last, 4, {Fault.ROW_UNREADABLE, Fault.CHAIN_BROKEN}),
            (Table.CERTIFICATES, flip_last, 2, {Fault.SIGNATURE_INVALID}),
            (Table.COMMITS, remove, 4, {Fault.CHAIN_BROKEN}),
            (Table.BLOCKS, remove, 6, {Fault.ROW_MISSING}),
            (Table.BLOCKS, flip_last, 6, {Fault.ROW_UNREADABLE}),
            (Table.TRANSACTIONS, remove, 2, {Fault.ROW_MISSING}),
            (Table.TRANSACTIONS, flip_last, 2, {Fault.INDEX_DIFFERS, Fault.ROW_UNREADABLE}),
            (Table.ORDERED, remove, 2, {Fault.ROW_MISSING}),
            (Table.ACCOUNTS, flip_last, 0, {Fault.SUPPLY_BROKEN, Fault.STATE_DIFFERS}),
            (Table.ACCOUNTS, remove, 0, {Fault.SUPPLY_BROKEN}),
            (Table.WEIGHTS, remove, 0, {Fault.ROW_MISSING}),
            (Table.META, flip_last, 3, {Fault.ROW_UNREADABLE, Fault.STATE_DIFFERS}),
        )
    ],
)
def test_a_bent_row_is_found_and_mended(
    root: Path, original: Path, genesis: Genesis, table: Table, bend: Bend, first: int, faults: set[Fault]
) -> None:
    """A lone validator: nobody else has anything, and what can be executed again is back."""
    before = read_rows(root, genesis)
    bend_rows(root, table, bend, first=first)
    report = check(root, genesis)
    assert {fault for fault, _ in find_faults(report)} & faults, report.findings
    damaged = read_rows(root, genesis)
    done = anyio.run(repair, root, genesis)
    assert check(root, genesis).is_sound
    assert read_rows(done.kept, genesis) == damaged, "the old one is kept as it was"
    after = read_rows(root, genesis)
    if RULES[table].origin != "source":
        assert done.missing is None
        assert after[Table.ACCOUNTS] == before[Table.ACCOUNTS]
        assert after[Table.CHECKPOINTS] == before[Table.CHECKPOINTS]
        for index in (Table.ACCOUNT_HISTORY, Table.EVENTS, Table.ORDERED, Table.EARNINGS, Table.WEIGHTS):
            assert after.get(index) == before.get(index), index
        assert done.way == ("indexes" if RULES[table].origin == "index" else "executed")
    else:
        kept = after.get(Table.CHECKPOINTS, [])
        shorter = len(kept)
        assert kept == before[Table.CHECKPOINTS][:shorter]


def test_live_state_that_is_gone_is_executed_again(root: Path, genesis: Genesis) -> None:
    before = read_rows(root, genesis)
    (root / LIVE).unlink()
    done = anyio.run(repair, root, genesis)
    assert (done.way, done.missing) == ("executed", None)
    after = read_rows(root, genesis)
    peers = {Table.PEERS}
    assert {table for table in before if table not in peers} == {
        table for table in after if table not in peers
    }
    assert after[Table.ACCOUNTS] == before[Table.ACCOUNTS]
    assert check(root, genesis).is_sound


def test_history_that_is_gone_leaves_an_empty_database_and_the_old_one(root: Path, genesis: Genesis) -> None:
    (root / HISTORY).unlink()
    done = anyio.run(repair, root, genesis)
    assert done.way == "emptied"
    assert done.missing is not None
    assert (done.kept / LIVE).exists()
    assert check(root, genesis).is_sound


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.9])
def test_a_truncated_history_is_saved_as_far_as_it_goes(root: Path, genesis: Genesis, keep: float) -> None:
    content = (root / HISTORY).read_bytes()
    (root / HISTORY).write_bytes(content[: int(len(content) * keep)])
    done = anyio.run(repair, root, genesis)
    assert done.pages_damaged
    assert check(root, genesis).is_sound
    assert (done.kept / HISTORY).stat().st_size == int(len(content) * keep)


def test_every_flipped_page_of_history_ends_in_a_sound_database(root: Path, genesis: Genesis) -> None:
    whole = (root / HISTORY).read_bytes()
    pages = list(list_pages(root / HISTORY, 1 | 2 | 4))
    for page in pages[:: max(1, len(pages) // 8)]:
        (root / HISTORY).write_bytes(whole)
        flip(root / HISTORY, page * PAGE)
        done = anyio.run(repair, root, genesis)
        assert check(root, genesis).is_sound
        shutil.rmtree(root)
        done.kept.rename(root)


def test_a_repaired_database_can_be_repaired(root: Path, genesis: Genesis) -> None:
    bend_rows(root, Table.ACCOUNTS, remove)
    first = anyio.run(repair, root, genesis)
    before = read_rows(root, genesis)
    second = anyio.run(repair, root, genesis)
    assert (first.kept.name, second.kept.name) == ("db.damaged-1", "db.damaged-2")
    assert second.way == "indexes"
    assert read_rows(root, genesis)[Table.ORDERED] == before[Table.ORDERED]
