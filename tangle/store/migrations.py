"""From one schema of the tables to the next, in steps that a crash may interrupt anywhere.

A migration goes through some tables row by row, in the order of keys. Each page of rows is written in one
transaction with the place where the next page begins, so a start after a crash goes on there; the last page
is written with the new schema number. An environment is migrated for itself, history first: one that has been
brought up already is left alone.

The versions before the first published one were never on anybody's disk, so ``MIGRATIONS`` is empty today.
Whoever changes what a table holds raises ``SCHEMA_VERSION`` and adds the step here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog
from msgspec import Struct

from tangle.store.errors import MigrationBroken, WrongSchema
from tangle.store.store import SCHEMA_VERSION, Environment, Table

ROWS_PER_PAGE: Final = 2_000
"""Rows written at a time: some milliseconds of work, done again at most after a crash."""

Write = tuple[Table, bytes, bytes | None]
"""A row to write, or to delete where the value is none."""

Convert = Callable[[bytes, bytes], Sequence[Write]]
"""From an old row to what takes its place; an empty answer leaves it as it is. Called again for the rows of a
page that a crash took back, never for rows that it has converted."""

log = structlog.get_logger("migrations")


class Migration(Struct, frozen=True):
    """From schema ``source`` to the next one."""

    source: int
    """The schema that it reads."""

    title: str
    """What it does, for people."""

    conversions: Mapping[Table, Convert]
    """What becomes of the rows of each table that changes."""


MIGRATIONS: Final[tuple[Migration, ...]] = ()
"""All steps, by ascending ``source`` and without gaps, the last one to ``SCHEMA_VERSION``."""


class MigrationPlace(Struct, frozen=True):
    """How far a migration is in one environment."""

    schema: int
    """The schema that is being left."""

    table: str
    """Name of the table that is worked on."""

    key: bytes
    """Where the next page begins."""


class MigrationTarget(Protocol):
    """One environment, as migrations see it."""

    @property
    def schema(self) -> int:
        """The schema of its tables, or the one that is being left."""
        ...

    @property
    def place(self) -> MigrationPlace | None:
        """Where an interrupted migration goes on."""
        ...

    def scan(self, table: Table, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Rows from ``start`` on, in order of keys."""
        ...

    def count(self, table: Table) -> int:
        """How many rows the table has."""
        ...

    def write(self, writes: Sequence[Write], schema: int, place: MigrationPlace | None) -> None:
        """Make the rows, the schema and the place durable in one transaction."""
        ...


OnProgress = Callable[[Migration, int, int], None]
"""Told after each page: rows done of the table that is worked on, and how many it has."""


def log_progress(migration: Migration, done: int, total: int) -> None:
    """A line of the log for each page."""
    log.info("migrating", schema=migration.source + 1, title=migration.title, rows=done, of=max(done, total))


def migrate(
    target: MigrationTarget,
    environment: Environment,
    path: Path,
    migrations: Sequence[Migration] = MIGRATIONS,
    *,
    newest: int = SCHEMA_VERSION,
    on_progress: OnProgress = log_progress,
    rows_per_page: int = ROWS_PER_PAGE,
) -> None:
    """Bring an environment to the schema ``newest``; does nothing where it has that already.

    :param path: where it lies, for the words of a refusal.
    :raises WrongSchema: it is newer than this program, or older than the oldest step; nothing was changed.
    :raises MigrationBroken: a step writes where it may not.
    """
    steps = {migration.source: migration for migration in migrations}
    found = target.schema
    if found > newest or any(schema not in steps for schema in range(found, newest)):
        raise WrongSchema(path, found, newest)
    while target.schema < newest:
        _run(steps[target.schema], target, environment, on_progress, rows_per_page)


def _run(
    migration: Migration,
    target: MigrationTarget,
    environment: Environment,
    on_progress: OnProgress,
    rows_per_page: int,
) -> None:
    tables = [table for table in Table if table in migration.conversions and table.environment is environment]
    place = target.place
    if place is not None:
        names = [table.title for table in tables]
        tables = tables[names.index(place.table) :]
    for table in tables:
        start = place.key if place is not None and place.table == table.title else b""
        done = 0
        for rows, following in _read_pages(target, table, start, rows_per_page):
            writes = _convert(migration, table, rows)
            target.write(writes, migration.source, MigrationPlace(migration.source, table.title, following))
            done += len(rows)
            on_progress(migration, done, target.count(table))
    target.write((), migration.source + 1, None)


def _read_pages(
    target: MigrationTarget, table: Table, start: bytes, size: int
) -> Iterator[tuple[list[tuple[bytes, bytes]], bytes]]:
    """Pages of rows, each with the key that the next one begins at."""
    while rows := target.scan(table, start, size):
        start = rows[-1][0] + b"\x00"
        yield rows, start


def _convert(migration: Migration, table: Table, rows: Sequence[tuple[bytes, bytes]]) -> list[Write]:
    writes: list[Write] = []
    last = rows[-1][0]
    for key, value in rows:
        for write in migration.conversions[table](key, value):
            written, into, _ = write
            # A row that is put where the walk has yet to come would be taken for an old one.
            is_ahead = into > last if written is table else written in migration.conversions
            if is_ahead or written.environment is not table.environment:
                raise MigrationBroken(migration.source, table.title)
            writes.append(write)
    return writes
