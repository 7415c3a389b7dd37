"""One LMDB environment: opened with care, told who it belongs to, brought up to the present schema."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import lmdb

from tangle.core.encoding import decode, encode
from tangle.core.types import ChainId
from tangle.store.errors import StorageFailed, StoreOfAnotherChain, StoreUnreadable, WrongSchema
from tangle.store.files import sync_directory
from tangle.store.migrations import MigrationPlace, Write
from tangle.store.pages import PageFile, check_length
from tangle.store.places import DATA_NAME
from tangle.store.store import KEY_SIZE_MAX, SCHEMA_VERSION, Environment, Table

READERS_MAX: Final = 16
"""Reader slots: the node needs one, inspection tools beside it need a few."""

READ_MAP_BYTES: Final = 1 << 40
"""Map of a reader: address space only, more than any writer beside it grows to while it reads."""

PLACE_SIZE_MAX: Final = KEY_SIZE_MAX + 128
"""Longest record of how far a migration is."""

_IDENTITY: Final = b"identity"
_CHAIN: Final = b"chain"
_SCHEMA: Final = b"schema"
_PLACE: Final = b"migrating"

_RETRIES_MAX: Final = 16
"""Doublings of a map for one page of a migration; 1 GiB becomes more than any disk has."""


def check_pairing(directories: Mapping[Environment, Path]) -> None:
    """Refuse a home that has lost one half: the other half alone would lead to another history.

    :raises StoreUnreadable: one of the two files is there and the other is gone.
    """
    files = {name: directory / DATA_NAME for name, directory in directories.items()}
    missing = [name for name, path in files.items() if not path.exists()]
    if not missing or len(missing) == len(files):
        return
    if missing == [Environment.LIVE] and not _has_rows(files[Environment.HISTORY]):
        return  # a first start that was interrupted between the two
    raise StoreUnreadable(files[missing[0]], "the file is gone, and the other half of the database is there")


def _has_rows(data: Path) -> bool:
    if not data.stat().st_size:
        return False
    with PageFile(data) as file:
        tables = file.find_tables()
        return bool(file.faults) or any(
            tree.entries for name, tree in tables.items() if name != _IDENTITY.decode()
        )


def open_environment(directory: Path, chain: ChainId, map_bytes: int) -> lmdb.Environment:
    """Open for writing, or make a new one.

    :raises StoreOfAnotherChain: it holds another network.
    :raises StoreUnreadable: it cannot be opened, or pages are missing.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = directory / DATA_NAME
        size = data.stat().st_size if data.exists() else 0
        if size:
            check_length(data)
        environment = lmdb.open(
            str(directory),
            map_size=max(map_bytes, 2 * size),
            max_dbs=len(Table) + 1,
            max_readers=READERS_MAX,
            mode=0o600,
        )
    except (lmdb.Error, OSError) as error:
        raise StoreUnreadable(directory, str(error)) from error
    try:
        environment.reader_check()
        _check_identity(environment, directory, chain)
        # A file is as durable as its name.
        for path in (directory, directory.parent, directory.parent.parent):
            sync_directory(path)
    except (lmdb.Error, OSError) as error:
        environment.close()
        raise StoreUnreadable(directory, str(error)) from error
    except BaseException:
        environment.close()
        raise
    return environment


def open_for_reading(directory: Path) -> lmdb.Environment:
    """Open beside whoever else has it open; nothing is written but the own slot of a reader.

    :raises StoreUnreadable: it cannot be opened, or pages are missing.
    """
    data = directory / DATA_NAME
    check_length(data)
    settings: dict[str, Any] = {
        "map_size": READ_MAP_BYTES,
        "max_dbs": len(Table) + 1,
        "readonly": True,
        "create": False,
    }
    try:
        try:
            return lmdb.open(str(directory), **settings)
        except (lmdb.ReadonlyError, lmdb.LockError, PermissionError):
            # A place where not even the lock can be made has no writer either.
            return lmdb.open(str(directory), lock=False, **settings)
    except (lmdb.Error, OSError) as error:
        raise StoreUnreadable(directory, str(error)) from error


def read_identity(transaction: "lmdb.Transaction[bytes]", database: Any) -> tuple[bytes | None, int]:
    """Chain and schema of an environment; 0 for one that has none."""
    chain: bytes | None = transaction.get(_CHAIN, db=database)
    schema: bytes = transaction.get(_SCHEMA, default=b"", db=database)
    return chain, int.from_bytes(schema, "big")


def check_identity(
    environment: lmdb.Environment, transaction: "lmdb.Transaction[bytes]", directory: Path, chain: ChainId
) -> None:
    """Compare what an environment that is only read says about itself.

    :raises StoreOfAnotherChain, WrongSchema: see each.
    """
    try:
        database = environment.open_db(_IDENTITY, txn=transaction, create=False)
    except lmdb.Error as error:
        raise StoreUnreadable(directory, str(error)) from error
    found, schema = read_identity(transaction, database)
    if found != chain:
        raise StoreOfAnotherChain(directory, found or b"", chain)
    if schema != SCHEMA_VERSION:
        raise WrongSchema(directory, schema, SCHEMA_VERSION)


def _check_identity(environment: lmdb.Environment, directory: Path, chain: ChainId) -> None:
    """Compare what the environment says about itself, or write it into a new one."""
    identity = environment.open_db(_IDENTITY)
    with environment.begin() as transaction:
        found, schema = read_identity(transaction, identity)
    if found is None or not schema:
        with environment.begin(write=True, db=identity) as transaction:
            transaction.put(_CHAIN, bytes(chain))
            transaction.put(_SCHEMA, SCHEMA_VERSION.to_bytes(4, "big"))
        return
    if found != chain:
        raise StoreOfAnotherChain(directory, found, chain)


def parse_readers(listing: str) -> list[int]:
    """Transaction numbers that readers look at, of LMDB's own listing; 0 for a slot that is at rest."""
    moments = []
    for line in listing.splitlines()[1:]:
        _, _, moment = line.split()
        moments.append(int(moment) if moment.isdecimal() else 0)
    return moments


class LmdbMigrationTarget:
    """See ``MigrationTarget``."""

    def __init__(self, environment: lmdb.Environment, map_bytes_max: int) -> None:
        """:param map_bytes_max: how far its map may grow."""
        self._environment = environment
        self._map_bytes_max = map_bytes_max
        self._identity = environment.open_db(_IDENTITY)

    @property
    def schema(self) -> int:
        """See ``MigrationTarget.schema``."""
        with self._environment.begin() as transaction:
            return read_identity(transaction, self._identity)[1]

    @property
    def place(self) -> MigrationPlace | None:
        """See ``MigrationTarget.place``."""
        with self._environment.begin() as transaction:
            value = transaction.get(_PLACE, db=self._identity)
        if value is None:
            return None
        schema, table, key = decode(tuple[int, bytes, bytes], value, limit=PLACE_SIZE_MAX)
        return MigrationPlace(schema, table.decode(), key)

    def scan(self, table: Table, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """See ``MigrationTarget.scan``."""
        database = self._environment.open_db(table.title.encode())
        found: list[tuple[bytes, bytes]] = []
        with self._environment.begin(db=database) as transaction, transaction.cursor() as cursor:
            if cursor.set_range(start):
                for key, value in cursor:
                    found.append((key, value))
                    if len(found) == limit:
                        break
        return found

    def count(self, table: Table) -> int:
        """See ``MigrationTarget.count``."""
        database = self._environment.open_db(table.title.encode())
        with self._environment.begin() as transaction:
            return int(transaction.stat(database)["entries"])

    def write(self, writes: Sequence[Write], schema: int, place: MigrationPlace | None) -> None:
        """See ``MigrationTarget.write``.

        :raises StorageFailed: the disk does not take it.
        """
        try:
            for _ in range(_RETRIES_MAX):
                try:
                    return self._write(writes, schema, place)
                except lmdb.MapFullError:
                    size = self._environment.info()["map_size"] * 2
                    self._environment.set_mapsize(min(size, self._map_bytes_max))
            self._write(writes, schema, place)
        except (lmdb.Error, OSError) as error:
            raise StorageFailed(Path(self._environment.path()), str(error)) from error

    def _write(self, writes: Sequence[Write], schema: int, place: MigrationPlace | None) -> None:
        databases = {table: self._environment.open_db(table.title.encode()) for table, _, _ in writes}
        with self._environment.begin(write=True) as transaction:
            for table, key, value in writes:
                if value is None:
                    transaction.delete(key, db=databases[table])
                else:
                    transaction.put(key, value, db=databases[table])
            transaction.put(_SCHEMA, schema.to_bytes(4, "big"), db=self._identity)
            if place is None:
                transaction.delete(_PLACE, db=self._identity)
            else:
                record = encode([place.schema, place.table.encode(), place.key])
                transaction.put(_PLACE, record, db=self._identity)
