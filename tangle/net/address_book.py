"""Whom to dial next. Pure; time is handed in.

Configured addresses are never forgotten and are tried again soon. Addresses heard from peers stand in two
tables of small buckets, as in Bitcoin's address manager (Heilman et al., "Eclipse Attacks on Bitcoin's
Peer-to-Peer Network", 2015): *new* ones, which nobody of this node has reached, and *tried* ones, with which
it had a session. A keyed hash decides the bucket: of a new address by who told of it, of a tried one by the
network it is in; so whoever floods the book fights for a few buckets of the new table, with its own lies,
and whoever owns one network has a few of the tried table. What is told never touches a tried address.

Where addresses have to be chosen, tried and new ones take turns, each in an order of this node's own, which
nobody outside can predict, and networks that it has no session with go first.
"""

from collections.abc import Collection, Iterable
from hashlib import blake2b
from itertools import chain, zip_longest
from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.core.types import Natural
from tangle.net.addresses import Address, Scope, check_address, compute_group, get_scope
from tangle.net.errors import InvalidAddress

NEW_BUCKETS: Final = 128
"""Buckets of addresses that were never reached."""

NEW_BUCKETS_PER_SOURCE: Final = 16
"""Buckets that one network of sources can put addresses into."""

TRIED_BUCKETS: Final = 64
"""Buckets of addresses that were reached."""

TRIED_BUCKETS_PER_GROUP: Final = 8
"""Buckets that the addresses of one network can be in."""

BUCKET_SIZE: Final = 8
"""Addresses in a bucket."""

BOOK_MAX: Final = (NEW_BUCKETS + TRIED_BUCKETS) * BUCKET_SIZE
"""Most addresses heard of: 1,536, of some fifty bytes each where they are kept."""

CONFIGURED_MAX: Final = 1_000
"""Most addresses that are kept connected: as many as there can be peers."""

PER_SOURCE_MAX: Final = 64
"""Most addresses in the book that came from one peer and were never reached."""

OWN_MAX: Final = 64
"""Addresses remembered as this node's own; a machine has a few."""

BACKOFF_FIRST_MS: Final = 1_000
"""Wait after the first failure; it doubles with each further one."""

BACKOFF_CONFIGURED_MAX_MS: Final = 10_000
"""Longest wait for a configured peer: it is wanted, and comes back after a restart."""

BACKOFF_HEARD_MAX_MS: Final = 600_000
"""Longest wait for an address heard of."""

FAILURES_MAX: Final = 10
"""Failures in a row after which an address that was never reached is forgotten."""

SHAKY_FAILURES: Final = 3
"""Failures in a row from which an address that was reached gives its place to another one that is needed."""

SALT_SIZE: Final = 16
"""Bytes of a book's salt."""


class BookEntry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An address heard of, as kept over a restart and as shown to the operator."""

    address: Address
    """Where a node may be."""

    source: Annotated[bytes, Meta(max_length=32)]
    """Identity of the peer that told of it first."""

    group: Annotated[bytes, Meta(max_length=64)]
    """Network of that peer."""

    is_tried: bool
    """Whether there was a session with it."""

    failures: Natural
    """Failures in a row."""


class _Entry:
    """What is known of one address."""

    __slots__ = (
        "bucket",
        "failures",
        "group",
        "is_configured",
        "is_tried",
        "next_dial_ms",
        "order",
        "source",
    )

    def __init__(self, source: tuple[bytes, bytes] | None, group: bytes, order: bytes) -> None:
        self.source = source
        self.group = group
        self.order = order
        self.is_configured = source is None
        self.is_tried = False
        self.bucket: list[Address] | None = None
        self.failures = 0
        self.next_dial_ms = 0


class AddressBook:
    """Addresses, and when to try them."""

    def __init__(self, configured: Iterable[Address], salt: bytes) -> None:
        """Begin with what the operator configured.

        :param salt: ``SALT_SIZE`` random bytes of this node, or fewer; they decide buckets and orders.
        """
        self._salt = salt
        self._entries: dict[Address, _Entry] = {}
        self._own: dict[Address, None] = {}
        self._new: list[list[Address]] = [[] for _ in range(NEW_BUCKETS)]
        self._tried: list[list[Address]] = [[] for _ in range(TRIED_BUCKETS)]
        self.version = 0
        """Grows with each change of what ``list_heard`` answers."""
        for address in configured:
            self.configure(address)

    def __contains__(self, address: Address) -> bool:
        return address in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def configure(self, address: Address) -> bool:
        """Keep ``address`` connected from now on; answers whether there was room."""
        if sum(entry.is_configured for entry in self._entries.values()) >= CONFIGURED_MAX:
            return False
        self.forget(address)
        self._entries[address] = self._make_entry(address, None)
        return True

    def forget(self, address: Address) -> bool:
        """Know nothing of ``address`` any more; answers whether anything was known."""
        entry = self._entries.pop(address, None)
        if entry is None:
            return False
        if entry.bucket is not None:
            entry.bucket.remove(address)
        self.version += 1
        return True

    def on_heard(self, addresses: Iterable[Address], source: bytes, group: bytes | None = None) -> int:
        """Take what the peer ``source`` says; answers how many addresses were new and had room.

        Addresses that cannot be one are left out: a peer may say anything.

        :param group: network of that peer; its identity where it names none.
        """
        share = sum(
            entry.source is not None and entry.source[0] == source and not entry.is_tried
            for entry in self._entries.values()
        )
        added = 0
        for address in addresses:
            if share >= PER_SOURCE_MAX:
                break
            if address in self._entries or address in self._own:
                continue
            try:
                check_address(address)
            except InvalidAddress:
                continue
            entry = self._make_entry(address, (source, group or source))
            if self._place_new(address, entry):
                share += 1
                added += 1
        return added

    def choose(
        self, now_ms: int, busy: Collection[Address], limit: int, *, only_configured: bool = False
    ) -> list[Address]:
        """Up to ``limit`` addresses to dial now: configured ones first, then tried and new ones in turns, of
        each those first whose network no busy one is in, and which failed least.

        :param busy: addresses with a session, or being dialled.
        """
        groups = {entry.group for entry in map(self._entries.get, busy) if entry is not None}
        due: tuple[list[tuple[bool, int, bytes, Address]], ...] = ([], [], [])
        for address, entry in self._entries.items():
            if entry.next_dial_ms > now_ms or address in busy:
                continue
            if only_configured and not entry.is_configured:
                continue
            kind = 0 if entry.is_configured else 1 if entry.is_tried else 2
            due[kind].append((entry.group in groups, entry.failures, entry.order, address))
        configured, tried, new = (sorted(each) for each in due)
        turns = chain.from_iterable(zip_longest(tried, new))
        ordered = [*configured, *(each for each in turns if each is not None)]
        return [address for *_, address in ordered[:limit]]

    def compute_next_dial_ms(self, busy: Collection[Address], *, only_configured: bool = False) -> int | None:
        """When ``choose`` will have something next, none when nothing is known that is not busy."""
        times = [
            entry.next_dial_ms
            for address, entry in self._entries.items()
            if address not in busy and (entry.is_configured or not only_configured)
        ]
        return min(times, default=None)

    def on_connected(self, address: Address) -> None:
        """A session was established: the address is good, and may be shared."""
        entry = self._entries.get(address)
        if entry is None:
            return
        entry.failures = 0
        if not entry.is_tried and (entry.is_configured or self._move_to_tried(address, entry)):
            entry.is_tried = True
            self.version += 1

    def on_failed(self, address: Address, now_ms: int) -> None:
        """Nobody answered, the handshake failed, or the session ended: wait before trying again."""
        entry = self._entries.get(address)
        if entry is None:
            return
        entry.failures += 1
        # What was reached before is kept: it may be this node's own line that is down.
        if not entry.is_configured and not entry.is_tried and entry.failures >= FAILURES_MAX:
            self.forget(address)
            return
        longest_ms = BACKOFF_CONFIGURED_MAX_MS if entry.is_configured else BACKOFF_HEARD_MAX_MS
        entry.next_dial_ms = now_ms + min(
            longest_ms, BACKOFF_FIRST_MS << min(entry.failures - 1, FAILURES_MAX)
        )

    def on_self(self, address: Address) -> None:
        """The address turned out to be this node's own: do not try it again."""
        self.forget(address)
        self._own[address] = None
        if len(self._own) > OWN_MAX:
            del self._own[next(iter(self._own))]

    def get_shareable(self, limit: int) -> tuple[Address, ...]:
        """Addresses to tell peers: those that a session was established with."""
        tried = [(entry.order, address) for address, entry in self._entries.items() if entry.is_tried]
        return tuple(address for _, address in sorted(tried)[:limit])

    def list_heard(self) -> tuple[BookEntry, ...]:
        """What is known beside the configured addresses, to be kept over a restart."""
        return tuple(
            BookEntry(address, *entry.source, entry.is_tried, entry.failures)
            for address, entry in self._entries.items()
            if entry.source is not None
        )

    def list_configured(self) -> tuple[Address, ...]:
        """What is kept connected."""
        return tuple(address for address, entry in self._entries.items() if entry.is_configured)

    def is_configured(self, address: Address) -> bool:
        """Whether ``address`` is kept connected."""
        entry = self._entries.get(address)
        return entry is not None and entry.is_configured

    def is_tried(self, address: Address) -> bool:
        """Whether there was a session with ``address``."""
        entry = self._entries.get(address)
        return entry is not None and entry.is_tried

    def get_failures(self, address: Address) -> int:
        """Failures in a row."""
        entry = self._entries.get(address)
        return 0 if entry is None else entry.failures

    def restore(self, entries: Iterable[BookEntry]) -> None:
        """Take in what ``list_heard`` of a book with the same salt answered; others lose what has no room."""
        for kept in entries:
            if kept.address in self._entries:
                continue
            entry = self._make_entry(kept.address, (kept.source, kept.group))
            entry.is_tried = kept.is_tried and self._move_to_tried(kept.address, entry)
            if entry.is_tried or self._place_new(kept.address, entry):
                entry.failures = min(kept.failures, SHAKY_FAILURES)

    def _make_entry(self, address: Address, source: tuple[bytes, bytes] | None) -> _Entry:
        return _Entry(source, compute_group(address), self._hash(b"order", str(address).encode()))

    def _place_new(self, address: Address, entry: _Entry) -> bool:
        """Put an address into the new table, in the place of one that failed if need be."""
        assert entry.source is not None, "configured addresses are in no table"
        _, source_group = entry.source
        slot = self._hash(b"slot", entry.group, source_group)
        number = int.from_bytes(slot, "big") % NEW_BUCKETS_PER_SOURCE
        bucket = self._pick(self._new, b"new", source_group, b"%d" % number)
        if len(bucket) >= BUCKET_SIZE:
            worst = max(bucket, key=lambda other: self._entries[other].failures)
            if not self._entries[worst].failures:
                return False
            self.forget(worst)
        bucket.append(address)
        entry.bucket = bucket
        self._entries[address] = entry
        self.version += 1
        return True

    def _move_to_tried(self, address: Address, entry: _Entry) -> bool:
        """Move an address from the new to the tried table, if there is room or one there answers no more."""
        place = self._hash(b"place", str(address).encode())
        number = int.from_bytes(place, "big") % TRIED_BUCKETS_PER_GROUP
        bucket = self._pick(self._tried, b"tried", entry.group, b"%d" % number)
        if len(bucket) >= BUCKET_SIZE:
            worst = max(bucket, key=lambda other: self._entries[other].failures)
            if self._entries[worst].failures < SHAKY_FAILURES:
                return False
            self._demote(worst)
        if entry.bucket is not None:
            entry.bucket.remove(address)
        bucket.append(address)
        entry.bucket = bucket
        self._entries[address] = entry
        return True

    def _demote(self, address: Address) -> None:
        """Put an address that was reached once back among the new ones, if there is room."""
        entry = self._entries[address]
        self.forget(address)
        entry.is_tried = False
        self._place_new(address, entry)

    def _pick(self, table: list[list[Address]], *names: bytes) -> list[Address]:
        return table[int.from_bytes(self._hash(*names), "big") % len(table)]

    def _hash(self, *parts: bytes) -> bytes:
        joined = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
        return blake2b(joined, digest_size=8, key=self._salt).digest()


def compute_source_group(host: str, identity: bytes) -> bytes:
    """Network of a peer that tells of addresses: its identity where its host names no network.

    :param host: in numbers, or empty where its stream is no socket.
    """
    try:
        if get_scope(host) is Scope.MACHINE:
            return identity
    except InvalidAddress:
        return identity
    return compute_group(Address(host.encode(), 1))
