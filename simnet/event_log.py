"""The event log of a simulation: one line for everything that happens, the same bytes for the same seed.

Packets, commits, faults, checkpoints and what the nodes themselves log are in it, in the order in which they
happen. Its hash is the simulation's fingerprint: two runs with the same one went the same way.
"""

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any, Final

import anyio
import structlog

current_node: Final[ContextVar[str]] = ContextVar("current_node", default="-")
"""Name of the node that the running task belongs to."""

Sink = Callable[[str], None]
"""Takes one line without its end."""

LINES_PER_HASHING: Final = 1_024
"""Lines that are hashed at once: a call for each costs more than its hash."""


class EventLog:
    """Writes lines, and hashes them."""

    def __init__(self, sink: Sink | None = None) -> None:
        """:param sink: keeps the lines; without one only their hash is kept."""
        self._sink = sink
        self._hash = blake2b(digest_size=32)
        self._lines: list[str] = []
        """Not hashed yet."""

        self.count = 0
        """Lines so far."""

    def write(self, node: str, event: str, **fields: object) -> None:
        """Add a line. ``fields`` must print the same in every run: no addresses, no unordered sets."""
        line = f"{anyio.current_time():.6f} {node} {event}"
        for name, value in fields.items():
            line += f" {name}={value}"
        self._lines.append(line)
        self.count += 1
        if len(self._lines) == LINES_PER_HASHING:
            self._hash_lines()
        if self._sink is not None:
            self._sink(line)

    def compute_digest(self) -> bytes:
        """Hash of all lines so far."""
        self._hash_lines()
        return self._hash.digest()

    def _hash_lines(self) -> None:
        if self._lines:
            self._hash.update(("\n".join(self._lines) + "\n").encode())
            self._lines.clear()

    @contextmanager
    def take_node_logs(self) -> Iterator[None]:
        """Put what the nodes log into this log, and nowhere else."""

        def take(_: object, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
            event = entry.pop("event", "")
            self.write(
                current_node.get(), f"log:{method}:{event}", **{name: entry[name] for name in sorted(entry)}
            )
            raise structlog.DropEvent

        before = structlog.get_config()
        structlog.configure(
            processors=[take], wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=False
        )
        try:
            yield
        finally:
            structlog.configure(**before)
