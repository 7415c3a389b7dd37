"""From schema to schema: every row once, whatever moment the process ends at."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import lmdb
import pytest

from tangle.store.errors import MigrationBroken, WrongSchema
from tangle.store.keys import compute_sequence_key
from tangle.store.lmdb_environment import LmdbMigrationTarget
from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.store.migrations import Migration, MigrationPlace, Write, migrate
from tangle.store.store import SCHEMA_VERSION, Environment, Table
from tests.store.files import fill, open_store, read_all
from tests.store.migrator import STEPS, count_marks
from tests.store.test_lmdb_store import ROOT
from tests.store.writer import CHAIN

NEWEST = SCHEMA_VERSION + len(STEPS)


class Killed(Exception):
    """The process would have ended here."""


class MemoryTarget:
    """An environment in memory that can end in front of any write."""

    def __init__(self, rows: dict[Table, dict[bytes, bytes]]) -> None:
        self.rows = rows
        self.schema = SCHEMA_VERSION
        self.place: MigrationPlace | None = None
        self.writes = 0
        self.dies_at = -1

    def scan(self, table: Table, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        rows = sorted(row for row in self.rows.get(table, {}).items() if row[0] >= start)
        return rows[:limit]

    def count(self, table: Table) -> int:
        return len(self.rows.get(table, {}))

    def write(self, writes: Sequence[Write], schema: int, place: MigrationPlace | None) -> None:
        if self.writes == self.dies_at:
            raise Killed
        self.writes += 1
        for table, key, value in writes:
            if value is None:
                self.rows.get(table, {}).pop(key, None)
            else:
                self.rows.setdefault(table, {})[key] = value
        self.schema, self.place = schema, place


def make_target() -> MemoryTarget:
    return MemoryTarget(
        {
            Table.TRANSACTIONS: {compute_sequence_key(number): b"v" for number in range(23)},
            Table.COMMITS: {compute_sequence_key(number): b"c" for number in range(5)},
        }
    )


def bring_up(target: MemoryTarget) -> None:
    migrate(target, Environment.HISTORY, Path("x"), STEPS, newest=NEWEST, rows_per_page=4)


def test_a_kill_in_front_of_any_write_changes_nothing_in_the_end() -> None:
    undisturbed = make_target()
    bring_up(undisturbed)
    assert undisturbed.schema == NEWEST
    assert undisturbed.place is None
    assert undisturbed.rows[Table.TRANSACTIONS][compute_sequence_key(3)] == b"v+1+2"
    assert len(undisturbed.rows[Table.COMMITS]) == 3, "every second one is dropped by the second step"
    for moment in range(undisturbed.writes):
        target = make_target()
        target.dies_at = moment
        with pytest.raises(Killed):
            bring_up(target)
        target.dies_at = -1
        bring_up(target)
        assert (target.rows, target.schema, target.place) == (undisturbed.rows, NEWEST, None)
        assert target.writes == undisturbed.writes, "no page was converted twice"


def test_what_is_up_to_date_is_not_touched() -> None:
    target = make_target()
    migrate(target, Environment.HISTORY, Path("x"), (), newest=SCHEMA_VERSION)
    assert target.writes == 0


@pytest.mark.parametrize("found", [SCHEMA_VERSION - 1, NEWEST + 1])
def test_a_schema_that_no_step_leads_from_is_refused(found: int) -> None:
    target = make_target()
    target.schema = found
    with pytest.raises(WrongSchema) as caught:
        bring_up(target)
    assert (caught.value.found, caught.value.expected) == (found, NEWEST)
    assert ("or a newer one" in str(caught.value)) is (found > NEWEST)
    assert target.writes == 0


@pytest.mark.parametrize(
    "write",
    [
        (Table.TRANSACTIONS, b"\xff" * 8, b"ahead"),
        (Table.COMMITS, b"x", b"a table that is yet to be read"),
        (Table.META, b"x", b"another environment"),
    ],
)
def test_a_step_that_writes_where_it_has_yet_to_read_is_refused(write: Write) -> None:
    def convert(key: bytes, value: bytes) -> list[Write]:
        return [write]

    def keep(key: bytes, value: bytes) -> list[Write]:
        return []

    step = Migration(SCHEMA_VERSION, "wrong", {Table.TRANSACTIONS: convert, Table.COMMITS: keep})
    target = make_target()
    with pytest.raises(MigrationBroken):
        migrate(target, Environment.HISTORY, Path("x"), (step,), newest=SCHEMA_VERSION + 1)
    assert target.writes == 0


def open_newest(root: Path) -> LmdbStore:
    return open_lmdb_store(
        root, CHAIN, free_bytes_min=0, map_bytes=1 << 17, migrations=STEPS, newest_schema=NEWEST
    )


def test_real_databases_are_brought_up_at_opening_and_their_maps_grow(tmp_path: Path) -> None:
    fill(tmp_path)
    with closing(open_newest(tmp_path)) as store:
        rows = store.scan(Table.TRANSACTIONS, limit=1_000)
        assert [count_marks(value) for _, value in rows] == [2] * 300
        value = store.get(Table.META, b"executed")
        assert value is not None
        assert value.endswith(b"+1")
    open_newest(tmp_path).close()  # again: nothing to do
    with pytest.raises(WrongSchema):
        open_store(tmp_path)


def test_real_databases_survive_kills_at_any_moment(tmp_path: Path) -> None:
    fill(tmp_path)
    command = [sys.executable, "-m", "tests.store.migrator", str(tmp_path)]
    for pages in (1, 2, 40, 57):  # counted from each start
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            for _ in range(pages):
                if not process.stdout.readline():
                    break
            process.send_signal(signal.SIGKILL)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.endswith("done\n")
    with closing(open_newest(tmp_path)) as store:
        rows = store.scan(Table.TRANSACTIONS, limit=1_000)
        assert [count_marks(value) for _, value in rows] == [2] * 300


def test_one_half_that_is_ahead_waits_for_the_other(tmp_path: Path) -> None:
    fill(tmp_path)
    environment = lmdb.open(str(tmp_path / "history-00000000"), max_dbs=40, map_size=1 << 24)
    migrate(LmdbMigrationTarget(environment, 1 << 30), Environment.HISTORY, tmp_path, STEPS, newest=NEWEST)
    environment.close()
    open_newest(tmp_path).close()
    with pytest.raises(WrongSchema):  # and a program that knows only the old schema reads neither
        read_all(tmp_path)
