"""Whom to dial next. Pure; time is handed in.

Configured addresses are never forgotten and are tried again soon. Addresses heard from peers are bounded,
each peer's share too, so that no peer can fill the book with its friends; they are shared further only after
a session with them. Within a class, each node tries in an order of its own (a keyed hash), which nobody
outside can predict.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import Final

from tangle.net.addresses import Address, check_address
from tangle.net.errors import InvalidAddress

BOOK_MAX: Final = 1_024
"""Most addresses heard of."""

PER_SOURCE_MAX: Final = 64
"""Most addresses in the book that came from one peer and were never reached."""

BACKOFF_FIRST_MS: Final = 1_000
"""Wait after the first failure; it doubles with each further one."""

BACKOFF_CONFIGURED_MAX_MS: Final = 10_000
"""Longest wait for a configured peer: it is wanted, and comes back after a restart."""

BACKOFF_HEARD_MAX_MS: Final = 600_000
"""Longest wait for an address heard of."""

FAILURES_MAX: Final = 10
"""Failures in a row after which an address heard of is forgotten."""


class _Entry:
    """What is known of one address."""

    __slots__ = ("failures", "is_configured", "is_proven", "next_dial_ms", "source")

    def __init__(self, source: bytes | None) -> None:
        self.source = source
        self.is_configured = source is None
        self.is_proven = False
        self.failures = 0
        self.next_dial_ms = 0


class AddressBook:
    """Addresses, and when to try them."""

    def __init__(self, configured: Iterable[Address], salt: bytes) -> None:
        """Begin with what the operator configured.

        :param salt: random bytes of this node, at most 16; they decide its order of trying.
        """
        self._salt = salt
        self._entries = {address: _Entry(None) for address in configured}
        self._own: set[Address] = set()

    def __contains__(self, address: Address) -> bool:
        return address in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def on_heard(self, addresses: Iterable[Address], source: bytes) -> int:
        """Take what the peer ``source`` says; answers how many addresses were new and had room.

        Addresses that cannot be one are left out: a peer may say anything.
        """
        shares = Counter(entry.source for entry in self._entries.values() if not entry.is_proven)
        added = 0
        for address in addresses:
            is_full = len(self._entries) >= BOOK_MAX or shares[source] >= PER_SOURCE_MAX
            if is_full or address in self._entries or address in self._own:
                continue
            try:
                check_address(address)
            except InvalidAddress:
                continue
            self._entries[address] = _Entry(source)
            shares[source] += 1
            added += 1
        return added

    def choose(
        self, now_ms: int, busy: Collection[Address], limit: int, *, only_configured: bool = False
    ) -> list[Address]:
        """Up to ``limit`` addresses to dial now: configured ones first, then those with the fewest failures.

        :param busy: addresses with a session, or being dialled.
        """
        due = [
            (not entry.is_configured, entry.failures, self._compute_order(address), address)
            for address, entry in self._entries.items()
            if entry.next_dial_ms <= now_ms
            and address not in busy
            and (entry.is_configured or not only_configured)
        ]
        return [address for *_, address in sorted(due)[:limit]]

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
        if entry is not None:
            entry.is_proven = True
            entry.failures = 0

    def on_failed(self, address: Address, now_ms: int) -> None:
        """Nobody answered, the handshake failed, or the session ended: wait before trying again."""
        entry = self._entries.get(address)
        if entry is None:
            return
        entry.failures += 1
        if not entry.is_configured and entry.failures >= FAILURES_MAX:
            del self._entries[address]
            return
        longest_ms = BACKOFF_CONFIGURED_MAX_MS if entry.is_configured else BACKOFF_HEARD_MAX_MS
        entry.next_dial_ms = now_ms + min(
            longest_ms, BACKOFF_FIRST_MS << min(entry.failures - 1, FAILURES_MAX)
        )

    def on_self(self, address: Address) -> None:
        """The address turned out to be this node's own: never try it again."""
        self._entries.pop(address, None)
        self._own.add(address)

    def get_shareable(self, limit: int) -> tuple[Address, ...]:
        """Addresses to tell peers: those that a session was established with."""
        proven = [address for address, entry in self._entries.items() if entry.is_proven]
        return tuple(sorted(proven, key=self._compute_order)[:limit])

    def _compute_order(self, address: Address) -> bytes:
        return blake2b(str(address).encode(), digest_size=8, key=self._salt).digest()
