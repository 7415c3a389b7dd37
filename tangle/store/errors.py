"""What can go wrong with what a node keeps, each fault with its code and what to do about it."""

from pathlib import Path

from tangle.core.errors import TangleError, WrongChain


class StoreFault(TangleError):
    """Root of the faults of this package."""

    code = "store-fault"


class StorageFailed(StoreFault):
    """The disk did not take a write. Nothing of that write is promised, and the store takes no further
    one.
    """

    code = "storage-failed"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"cannot write to {path}: {reason}; nothing that was confirmed is lost: make the disk writable "
            "(free space, check its health) and start the node again"
        )


class DiskLow(StorageFailed):
    """Too little free space to go on; refused while there is still enough to stop in good order."""

    code = "disk-full"

    def __init__(self, path: Path, free_bytes: int, needed_bytes: int) -> None:
        self.free_bytes = free_bytes
        self.needed_bytes = needed_bytes
        super().__init__(
            path, f"{free_bytes >> 20} MiB are free on its disk, at least {needed_bytes >> 20} MiB are needed"
        )


class StoreClosed(StoreFault):
    """A write handed in after the store was stopped, or not yet on disk when it was."""

    code = "store-closed"

    def __init__(self) -> None:
        super().__init__("the store is closed; the write was not promised")


class StoreUnreadable(StoreFault):
    """A database that cannot be opened: damaged, of another kind, or not this user's."""

    code = "store-unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(
            f"cannot open the database {path}: {reason}; `tangle db check` says what is wrong, "
            "`tangle db repair` saves what can be saved"
        )


class StoreOfAnotherChain(WrongChain):
    """A database of another network."""

    def __init__(self, path: Path, found: bytes, expected: bytes) -> None:
        super().__init__(found, expected)
        self.path = path
        self.args = (  # what str() shows: the general message, with the place and the way out
            f"{path} holds chain {found.hex()}, this node serves chain {expected.hex()}; choose another home",
        )


class WrongSchema(StoreFault):
    """A database whose tables this version does not understand."""

    code = "schema-wrong"

    def __init__(self, path: Path, found: int, expected: int) -> None:
        self.path = path
        self.found = found
        self.expected = expected
        remedy = (
            "run the version that wrote it, or a newer one"
            if found > expected
            else "no step leads from there; run the version that wrote it, or start a new home"
        )
        super().__init__(
            f"{path} has schema {found}, this version of the node reads schema {expected}; {remedy}"
        )


class MigrationBroken(StoreFault):
    """A step from one schema to the next that writes where it may not: a fault of this program."""

    code = "migration-broken"

    def __init__(self, source: int, table: str) -> None:
        self.source = source
        self.table = table
        super().__init__(
            f"the step from schema {source} writes where table {table} has yet to be read; nothing of it "
            "counts: run the version that wrote the database"
        )


class CopyFailed(StoreFault):
    """A copy of a database that could not be made; what it is a copy of is untouched."""

    code = "copy-failed"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"cannot write the copy {path}: {reason}; the database is as it was")


class CopyExists(StoreFault):
    """Something stands where a copy was to be written."""

    code = "copy-exists"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists already; nothing in it is overwritten, name another place")


class ExportDamaged(StoreFault):
    """A file that is no export, or not as it was written."""

    code = "export-damaged"

    def __init__(self, path: Path, place: int, reason: str) -> None:
        self.path = path
        self.place = place
        self.reason = reason
        super().__init__(f"{path} cannot be imported: {reason} (byte {place}); nothing was imported")


class ExportOfAnotherChain(WrongChain):
    """An export of another network."""

    def __init__(self, path: Path, found: bytes, expected: bytes) -> None:
        super().__init__(found, expected)
        self.path = path
        self.args = (
            f"{path} holds chain {found.hex()}, this home is of chain {expected.hex()}; nothing was imported",
        )


class HomeMissing(StoreFault):
    """No home there, or one without the file that is needed."""

    code = "home-missing"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} does not exist; make a home with `tangle init`")


class HomeExists(StoreFault):
    """A home where a new one was to be made."""

    code = "home-exists"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists already; nothing in it is overwritten")


class HomeInUse(StoreFault):
    """A home that another running node holds."""

    code = "home-in-use"

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"the home {path} is in use by {holder}; stop it, or choose another home")


class HomeUnsafe(StoreFault):
    """A secret that other users of the machine could read."""

    code = "home-unsafe"

    def __init__(self, path: Path, mode: int) -> None:
        self.path = path
        self.mode = mode
        super().__init__(f"{path} has mode {mode:04o}, others could read it; run: chmod go= {path}")


class HomeUnusable(StoreFault):
    """A file of the home that cannot be read or written."""

    code = "home-unusable"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"cannot use {path}: {reason}")


class GuardMissing(StoreFault):
    """A validator whose record of what it last signed is gone."""

    code = "guard-missing"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} is missing: without it this validator might sign a second block for a slot. "
            "Restore it; only if this key has never signed anything, start with an empty one"
        )


class GuardExists(StoreFault):
    """A record of what was last signed, where none was to be."""

    code = "guard-exists"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists: this key has signed before; start without asking for an empty one")


class GuardDamaged(StoreFault):
    """A record of what was last signed that is not what was written."""

    code = "guard-damaged"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is damaged: restore it from a backup, or let this validator rest")
