"""Where ticks come from: the one interface, a source that replays a recorded session, and one that records.

A recording is JSON, one snapshot a line, in gzip: a session of hours takes some megabytes an hour, and what a
crash left of one can be played up to there.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

import anyio
import msgspec

from tui.snapshot import Outage, Snapshot, Tick

LINE_LIMIT_BYTES: Final = 4 * 2**20
"""Longest line of a recording; a snapshot of a busy node takes 130 kB."""

Publish = Callable[[Tick], None]
"""Takes a tick; returns at once."""


class SnapshotSource(Protocol):
    """Publishes ticks until cancelled; owns all its connections and reconnects by itself."""

    label: str
    """What is being watched, for people: an address or a file."""

    def follow(self, identity: str | None) -> None:
        """Look closer at this transaction from the next tick on, or at none. Who cannot does nothing."""

    async def run(self, publish: Publish) -> None:
        """Publish a tick now and then. Failures of the node are ticks too, never exceptions."""


class RecordedSource:
    """Replays snapshots, one each ``interval_s``, and stays at the last."""

    def __init__(
        self, label: str, open_snapshots: Callable[[], Iterable[Snapshot]], interval_s: float
    ) -> None:
        """:param open_snapshots: gives them in order; they are read as they are played."""
        self.label = label
        self._open_snapshots = open_snapshots
        self._interval_s = interval_s

    def follow(self, identity: str | None) -> None:
        """Nothing: a recording holds what was recorded."""

    async def run(self, publish: Publish) -> None:
        """Publish every snapshot in turn; then the last again and again: it never looks stale."""
        last: Tick = Outage(reason="the recording holds nothing", attempt=1, retry_s=self._interval_s)
        for last in self._open_snapshots():
            publish(last)
            await anyio.sleep(self._interval_s)
        while True:
            publish(last)
            await anyio.sleep(self._interval_s)


class RecordingSource:
    """Publishes what another source does, and writes its snapshots down."""

    def __init__(self, source: SnapshotSource, path: Path) -> None:
        """:param path: a new file; written from ``run`` on, whole lines at a time."""
        self.label = source.label
        self._source = source
        self._path = path

    def follow(self, identity: str | None) -> None:
        """As the source does; the recording has it too."""
        self._source.follow(identity)

    async def run(self, publish: Publish) -> None:
        """Publish until cancelled.

        :raises OSError: the file cannot be written any more.
        """
        encoder = msgspec.json.Encoder()
        with gzip.open(self._path, "xb", compresslevel=6) as file:

            def record(tick: Tick) -> None:
                if isinstance(tick, Snapshot):
                    file.write(encoder.encode(tick) + b"\n")
                    file.flush()  # what is shown is kept, whatever ends the session
                publish(tick)

            await self._source.run(record)


def read_recording(path: Path) -> Iterator[Snapshot]:
    """Read a recording as it is asked for; one that breaks off in the middle of a line ends before it.

    :raises ValueError: not a recording.
    """
    decoder = msgspec.json.Decoder(Snapshot)
    with gzip.open(path, "rb") as file:
        try:
            for line in _read_lines(file):
                yield decoder.decode(line)
        except (gzip.BadGzipFile, zlib.error, msgspec.MsgspecError) as error:
            raise ValueError(f"{path} is not a recording of the dashboard: {error}") from error


def check_recording(path: Path) -> int:
    """Read all of a recording and keep nothing.

    :returns: how many snapshots it holds.
    :raises ValueError: not a recording, or an empty one.
    """
    count = sum(1 for _ in read_recording(path))
    if not count:
        raise ValueError(f"{path} is not a recording of the dashboard: it holds no snapshot")
    return count


def write_recording(path: Path, snapshots: Iterable[Snapshot]) -> None:
    """Write a recording, whole or not at all."""
    draft = path.with_name(path.name + ".part")
    encoder = msgspec.json.Encoder()
    with gzip.open(draft, "wb") as file:
        for snapshot in snapshots:
            file.write(encoder.encode(snapshot) + b"\n")
    draft.replace(path)


def _read_lines(file: gzip.GzipFile) -> Iterator[bytes]:
    while True:
        try:
            line = file.readline(LINE_LIMIT_BYTES)
        except EOFError:  # the writer was cut off: its last block has no end
            return
        if len(line) == LINE_LIMIT_BYTES:
            raise gzip.BadGzipFile("a line is too long")
        if not line.endswith(b"\n"):
            return
        yield line
