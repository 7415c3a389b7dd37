"""What a validator last signed, kept outside the database.

A validator that restarts must not sign a second block for a slot, even when its database was restored from
yesterday or is gone. So every signature is preceded by a record of it here. The record is opaque to this
module (the committee's core makes it); the file holds its hash and the record, and is replaced atomically.

A missing file is the dangerous case: it means either a key that never signed, or a key that lost its memory.
Only the operator knows, so an empty start has to be asked for by name.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol

import anyio.to_thread

from tangle.store.errors import GuardDamaged, GuardExists, GuardMissing, HomeMissing
from tangle.store.files import read_private_file, write_private_file

HASH_SIZE: Final = 32
"""Bytes of the hash in front of the record."""

_PURPOSE: Final = b"tangle/guard"


class Guard(Protocol):
    """Where the last-signed record lives; the seam between the disk and a simulation."""

    @property
    def record(self) -> bytes:
        """The record that was last made durable, empty before the first."""
        ...

    async def save(self, record: bytes) -> None:
        """Return when ``record`` is durable; only then may what it describes be signed and sent. One at a
        time.

        :raises StorageFailed: it is not; sign nothing more.
        """
        ...


class GuardFile:
    """The real one. Made by ``open_guard_file``."""

    def __init__(self, path: Path, record: bytes) -> None:
        """A file that holds ``record``."""
        self._path = path
        self._record = record

    @property
    def record(self) -> bytes:
        """See ``Guard.record``."""
        return self._record

    async def save(self, record: bytes) -> None:
        """See ``Guard.save``."""
        await anyio.to_thread.run_sync(self.save_nowait, record)

    def save_nowait(self, record: bytes) -> None:
        """As ``save``, holding up the caller for the disk's milliseconds."""
        write_private_file(self._path, _compute_hash(record) + record)
        self._record = record


class MemoryGuard:
    """The simulated one: as durable as the object."""

    def __init__(self, record: bytes = b"") -> None:
        """A guard that has ``record``."""
        self._record = record

    @property
    def record(self) -> bytes:
        """See ``Guard.record``."""
        return self._record

    async def save(self, record: bytes) -> None:
        """See ``Guard.save``."""
        self._record = record


def open_guard_file(path: Path, *, create: bool) -> GuardFile:
    """The guard of a validator key.

    :param create: start with an empty one; for a key that was made just now.
    :raises GuardMissing: it is not there, and ``create`` was not asked for.
    :raises GuardExists: it is there, and ``create`` was asked for.
    :raises GuardDamaged: it is not what was written.
    :raises HomeUnsafe, HomeUnusable, StorageFailed: see each.
    """
    if create:
        if path.exists():
            raise GuardExists(path)
        guard = GuardFile(path, b"")
        guard.save_nowait(b"")
        return guard
    try:
        content = read_private_file(path)
    except HomeMissing:
        raise GuardMissing(path) from None
    record = content[HASH_SIZE:]
    if content[:HASH_SIZE] != _compute_hash(record):
        raise GuardDamaged(path)
    return GuardFile(path, record)


def _compute_hash(record: bytes) -> bytes:
    return blake2b(record, digest_size=HASH_SIZE, person=_PURPOSE).digest()
