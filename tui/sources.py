"""Where ticks come from: the one interface, and a source that replays a recorded session."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import anyio
import msgspec

from tui.snapshot import Snapshot, Tick

RECORDING_LIMIT_BYTES = 64 * 2**20
"""A recording is read into memory as a whole; an hour of ticks is far below this."""

Publish = Callable[[Tick], None]
"""Takes a tick; returns at once."""


class SnapshotSource(Protocol):
    """Publishes ticks until cancelled; owns all its connections and reconnects by itself."""

    label: str
    """What is being watched, for people: an address or a file."""

    async def run(self, publish: Publish) -> None:
        """Publish a tick now and then. Failures of the node are ticks too, never exceptions."""


class RecordedSource:
    """Replays snapshots, one each ``interval_s``, and stays at the last."""

    def __init__(self, label: str, snapshots: Sequence[Snapshot], interval_s: float) -> None:
        self.label = label
        self._snapshots = snapshots
        self._interval_s = interval_s

    async def run(self, publish: Publish) -> None:
        """Publish every snapshot in turn; then the last again and again: it never looks stale."""
        for snapshot in self._snapshots:
            publish(snapshot)
            await anyio.sleep(self._interval_s)
        while self._snapshots:
            publish(self._snapshots[-1])
            await anyio.sleep(self._interval_s)


def read_recording(path: Path) -> tuple[Snapshot, ...]:
    """Read a recording: one snapshot in JSON a line.

    :raises ValueError: too long, or not a recording.
    """
    if path.stat().st_size > RECORDING_LIMIT_BYTES:
        raise ValueError(f"{path} is longer than a recording may be ({RECORDING_LIMIT_BYTES:,} bytes)")
    try:
        return tuple(msgspec.json.Decoder(Snapshot).decode_lines(path.read_bytes()))
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is not a recording of the dashboard: {error}") from error


def write_recording(path: Path, snapshots: Sequence[Snapshot]) -> None:
    """Write a recording, whole or not at all."""
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(msgspec.json.Encoder().encode_lines(snapshots))
    draft.replace(path)
