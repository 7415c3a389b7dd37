"""What is kept of other nodes over a restart: where they are, whom the operator added, who is banned.

It is one row of the store, written as a whole when something changed: either the old one is on disk or the
new one. A row that cannot be read is given up, because everything in it can be learned again.
"""

from typing import Annotated, Final, Protocol

import structlog
from msgspec import Meta, Struct

from tangle.core.encoding import decode, encode
from tangle.core.errors import TangleError
from tangle.net.address_book import BOOK_MAX, CONFIGURED_MAX, SALT_SIZE, BookEntry
from tangle.net.addresses import Address
from tangle.net.bans import AUTOMATIC_MAX, MANUAL_MAX, Ban
from tangle.store.store import Store, Table, WriteBatch

MEMORY_SIZE_MAX: Final = 4 * 1024 * 1024
"""Longest row in bytes: a full book has about 250 KB, full lists of bans with long reasons 700 KB."""

MEMORY_KEY: Final = b"memory"
"""Key of the row."""

log = structlog.get_logger("peers")


class PeerMemory(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Everything that is kept."""

    salt: Annotated[bytes, Meta(min_length=SALT_SIZE, max_length=SALT_SIZE)]
    """Secret of the address book, which decides its buckets."""

    added: Annotated[tuple[Address, ...], Meta(max_length=CONFIGURED_MAX)] = ()
    """Peers that the operator added to the running node, kept connected like those of the settings."""

    heard: Annotated[tuple[BookEntry, ...], Meta(max_length=BOOK_MAX)] = ()
    """What the book knows of others."""

    bans: Annotated[tuple[Ban, ...], Meta(max_length=AUTOMATIC_MAX + MANUAL_MAX)] = ()
    """Who is kept out."""


class PeerStore(Protocol):
    """Keeps the memory."""

    def load(self) -> PeerMemory | None:
        """What was saved last; none where nothing was."""

    async def save(self, memory: PeerMemory) -> None:
        """Keep this from now on; it is on disk when this returns."""


class StoredPeers:
    """The memory in a table of the node's store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self) -> PeerMemory | None:
        """What was saved last; none where nothing was, or nothing that can be read."""
        value = self._store.get(Table.PEERS, MEMORY_KEY)
        if value is None:
            return None
        try:
            return decode(PeerMemory, value, limit=MEMORY_SIZE_MAX)
        except TangleError as error:
            log.warning("peer-memory-unreadable", code=error.code)
            return None

    async def save(self, memory: PeerMemory) -> None:
        """Keep this from now on.

        :raises StorageFailed: it cannot be written.
        """
        batch = WriteBatch()
        batch.put(Table.PEERS, MEMORY_KEY, encode(memory))
        await self._store.commit(batch)
