"""Recordings: written as they are seen, played as they are read, refused when they are something else."""

import gzip
from pathlib import Path

import anyio
import pytest

from tests.tui.scripted import ScriptedSource, record_devnet
from tui.snapshot import Outage, Snapshot, Tick
from tui.sources import (
    LINE_LIMIT_BYTES,
    RecordedSource,
    RecordingSource,
    check_recording,
    read_recording,
    write_recording,
)


async def play(source: RecordedSource | RecordingSource, count: int) -> list[Tick]:
    """The first ticks of a source."""
    ticks: list[Tick] = []
    async with anyio.create_task_group() as tasks:

        def publish(tick: Tick) -> None:
            ticks.append(tick)
            if len(ticks) == count:
                tasks.cancel_scope.cancel()

        tasks.start_soon(source.run, publish)
    return ticks


def test_a_recording_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "recording.gz"
    snapshots = record_devnet(5)
    write_recording(path, snapshots)
    assert check_recording(path) == 5
    assert tuple(read_recording(path)) == snapshots
    assert [entry.name for entry in tmp_path.iterdir()] == ["recording.gz"]


async def test_what_is_seen_is_recorded_and_outages_are_only_shown(tmp_path: Path) -> None:
    path = tmp_path / "session.gz"
    first, second = record_devnet(2)
    outage = Outage(reason="connection refused", attempt=1, retry_s=1.0)
    ticks: list[Tick] = [first, outage, second]
    assert await play(RecordingSource(ScriptedSource(ticks), path), 3) == ticks
    assert tuple(read_recording(path)) == (first, second)


async def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "session.gz"
    path.write_bytes(b"something else")
    with pytest.raises(FileExistsError):
        await RecordingSource(ScriptedSource(), path).run(lambda tick: None)
    assert path.read_bytes() == b"something else"


async def test_a_replay_stays_at_its_end() -> None:
    snapshots = record_devnet(2)
    ticks = await play(RecordedSource("file", lambda: snapshots, 0.0), 4)
    assert ticks == [*snapshots, snapshots[-1], snapshots[-1]]


def test_a_recording_that_was_cut_off_is_played_up_to_there(tmp_path: Path) -> None:
    path = tmp_path / "recording.gz"
    snapshots = record_devnet(40)
    write_recording(path, snapshots)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    played = tuple(read_recording(path))
    assert 0 < len(played) < 40
    assert played == snapshots[: len(played)]


@pytest.mark.parametrize(
    "content",
    [
        b"garbage",
        b"",
        gzip.compress(b"{}"),
        gzip.compress(b'{"node": 1}\n'),
        gzip.compress(bytes(LINE_LIMIT_BYTES + 1)),
        gzip.compress(b"{}\n")[:10] + b"nonsense",
    ],
    ids=["plain", "empty", "no line", "another record", "endless", "damaged"],
)
def test_what_is_no_recording_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.gz is not a recording"):
        check_recording(path)


def test_snapshots_know_which_node_they_show() -> None:
    (snapshot,) = record_devnet(1)
    assert isinstance(snapshot, Snapshot)
    assert snapshot.node.name
