"""The snapshots that a node has made and offers: which they are, kept as one small row beside the state."""

from pathlib import Path
from typing import Final

from msgspec import Struct

from tangle.core.blob_id import BlobId
from tangle.core.encoding import decode, encode
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.node.snapshots.making import SnapshotFacts
from tangle.store.snapshot import open_snapshot
from tangle.store.store import Store, Table, WriteBatch

SNAPSHOTS: Final = b"snapshots"
"""Key of the row."""

SHELF_SIZE_MAX: Final = 65_536
"""Longest row in bytes: hundreds of entries, of which a few are kept."""


class ShelfEntry(Struct, frozen=True, array_like=True):
    """A snapshot that this node offers."""

    blob: BlobId
    """The blob that it is."""

    facts: SnapshotFacts
    """What it is of."""


def decode_shelf(value: bytes) -> tuple[ShelfEntry, ...]:
    """Read the row."""
    return decode(tuple[ShelfEntry, ...], value, limit=SHELF_SIZE_MAX)


def load_shelf(store: Store) -> tuple[ShelfEntry, ...]:
    """What a running node offers, the oldest first."""
    value = store.get(Table.META, SNAPSHOTS)
    return () if value is None else decode_shelf(value)


def put_shelf(batch: WriteBatch, entries: tuple[ShelfEntry, ...]) -> None:
    """Set it."""
    batch.put(Table.META, SNAPSHOTS, encode(entries))


def read_shelf(root: Path, genesis: Genesis) -> tuple[ShelfEntry, ...]:
    """The same of a database that another process may be using.

    :raises StoreFault: it cannot be read.
    """
    with open_snapshot(root, compute_chain_id(genesis)) as snapshot:
        value = snapshot.get(Table.META, SNAPSHOTS)
        return () if value is None else decode_shelf(value)
