"""A node's home: the directory that holds its keys, its configuration and its databases.

Everything in it is its owner's alone (directories 0700, files 0600). One running node holds it at a time: a
lock on a file, which the system lets go of when the process ends in any way, also by ``kill -9``.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from tangle.core.types import Shard
from tangle.store.errors import HomeExists, HomeInUse, HomeMissing, HomeUnsafe, HomeUnusable
from tangle.store.files import PRIVATE_DIRECTORY_MODE, PRIVATE_FILE_MODE, sync_directory

SHARDS_NAME: Final = "shards"
"""Directory with one directory for each shard, in homes of networks that have several."""


class Home(Struct, frozen=True):
    """Where everything of a node lies: of a whole one, or of its part that serves one of several shards."""

    path: Path
    """The directory: keys, settings and the genesis are in it, once for all shards."""

    shard: Shard | None = None
    """The shard whose data are meant; none where the network has one shard, or all are meant."""

    @property
    def data(self) -> Path:
        """What this shard has for itself: the home itself where there is one shard."""
        return self.path if self.shard is None else self.path / SHARDS_NAME / str(self.shard)

    def get_part(self, shard: Shard) -> "Home":
        """The part of one of several shards."""
        return Home(self.path, shard)

    def list_parts(self) -> "tuple[Home, ...]":
        """A part for each shard that has data here; the home itself where the network has one shard."""
        directory = self.path / SHARDS_NAME
        if not directory.is_dir():
            return (self,)
        names = [child.name for child in directory.iterdir() if child.is_dir() and child.name.isdecimal()]
        return tuple(self.get_part(Shard(number)) for number in sorted(map(int, names)))

    @property
    def config(self) -> Path:
        """What the operator set: addresses, peers, limits."""
        return self.path / "config.toml"

    @property
    def genesis(self) -> Path:
        """The network's first document, canonical CBOR."""
        return self.path / "genesis.cbor"

    @property
    def node_key(self) -> Path:
        """Seed of the key that names this node to its peers."""
        return self.path / "node.key"

    @property
    def validator_key(self) -> Path:
        """Seed of the key that signs blocks; only validators have it."""
        return self.path / "validator.key"

    @property
    def validator_state(self) -> Path:
        """What the validator key last signed; see ``tangle.store.guard_file``."""
        return self.data / "validator.state"

    @property
    def database(self) -> Path:
        """Root of the databases; see ``tangle.store.lmdb_store``."""
        return self.data / "db"

    @property
    def blobs(self) -> Path:
        """Directory of the blobs; see ``tangle.store.blob_store``."""
        return self.data / "blobs"

    @property
    def lock(self) -> Path:
        """Held by the running node; holds its process id."""
        return self.data / "lock"

    @property
    def doors(self) -> Path:
        """Where this shard's doors listen, while it runs behind the doors of the whole node."""
        return self.data / "doors.json"


def create_home(path: Path) -> Home:
    """Make an empty home; parents are made where missing.

    :raises HomeExists: something other than an empty directory is there.
    :raises HomeUnusable: it cannot be made.
    """
    try:
        path.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise HomeExists(path)
        path.chmod(PRIVATE_DIRECTORY_MODE)
        home = Home(path)
        home.database.mkdir(mode=PRIVATE_DIRECTORY_MODE)
        sync_directory(path)
        sync_directory(path.parent)
    except FileExistsError:
        raise HomeExists(path) from None
    except OSError as error:
        raise HomeUnusable(path, error.strerror or str(error)) from error
    return home


def open_home(path: Path) -> Home:
    """A home that exists.

    :raises HomeMissing: no directory there, or one without a genesis.
    :raises HomeUnsafe: other users could look into it.
    """
    home = Home(path)
    if not path.is_dir():
        raise HomeMissing(path)
    if not home.genesis.exists():
        raise HomeMissing(home.genesis)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise HomeUnsafe(path, mode)
    return home


@contextmanager
def hold_home(home: Home) -> Iterator[None]:
    """Hold the home for as long as the node runs.

    The lock belongs to this process and not to its children: a worker that outlives a killed node does not
    keep the next one from starting. For the same reason one process must not hold the same home twice.

    :raises HomeInUse: another process holds it.
    :raises HomeUnusable: the lock cannot be made.
    """
    try:
        if home.shard is not None:
            home.data.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
        descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE_MODE)
    except OSError as error:
        raise HomeUnusable(home.lock, error.strerror or str(error)) from error
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HomeInUse(home.path, _parse_pid(os.pread(descriptor, 32, 0))) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _parse_pid(content: bytes) -> int | None:
    text = content.strip()
    return int(text) if text.isdigit() else None
