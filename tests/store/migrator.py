"""A process that brings a database up and says so page by page: the victim of the tests that kill it.

``python -m tests.store.migrator ROOT`` takes the steps below, which exist for tests only.
"""

import sys
from pathlib import Path
from typing import Final

import lmdb

from tangle.store.lmdb_environment import LmdbMigrationTarget
from tangle.store.migrations import Migration, Write, migrate
from tangle.store.store import SCHEMA_VERSION, Environment, Table


def count_marks(value: bytes) -> int:
    """How many steps a row went through."""
    return value.count(b"+")


def _mark_first(key: bytes, value: bytes) -> list[Write]:
    return [(Table.TRANSACTIONS, key, value.replace(b"+", b"-") + b"+1")]


def _mark_second(key: bytes, value: bytes) -> list[Write]:
    return [(Table.TRANSACTIONS, key, value + b"+2"), (Table.EVENTS, key, b"")]


def _mark_state(key: bytes, value: bytes) -> list[Write]:
    return [(Table.META, key, value + b"+1")]


def _drop_odd(key: bytes, value: bytes) -> list[Write]:
    return [(Table.COMMITS, key, None)] if key[-1] % 2 else []


STEPS: Final = (
    Migration(SCHEMA_VERSION, "one", {Table.TRANSACTIONS: _mark_first, Table.META: _mark_state}),
    Migration(SCHEMA_VERSION + 1, "two", {Table.TRANSACTIONS: _mark_second, Table.COMMITS: _drop_odd}),
)
"""Two steps."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for name, directory in ((Environment.HISTORY, "history-00000000"), (Environment.LIVE, "live")):
        path = Path(sys.argv[1]) / directory
        target = LmdbMigrationTarget(lmdb.open(str(path), max_dbs=40, map_size=1 << 24), 1 << 30)
        migrate(
            target,
            name,
            path,
            STEPS,
            newest=SCHEMA_VERSION + len(STEPS),
            on_progress=lambda step, done, total: say(f"{step.title} {done}"),
            rows_per_page=5,
        )
    say("done")
