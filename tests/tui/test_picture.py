"""The tool that takes pictures, and the recordings that it reads and writes."""

from pathlib import Path

import pytest

from tests.tui.scripted import record_devnet
from tools.make_tui_picture import main
from tui.sources import read_recording, write_recording


def test_a_picture_is_taken_from_a_recording_and_asks_no_server(tmp_path: Path) -> None:
    recording, picture, again = (tmp_path / name for name in ("in.jsonl", "out.svg", "again.jsonl"))
    write_recording(recording, record_devnet(3))
    main([str(recording), str(picture), "--size", "80x24", "--press", "3", "--record", str(again)])
    text = picture.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "Intelligence" in text
    assert "font-face" not in text
    assert "url(http" not in text
    assert read_recording(again) == record_devnet(3)[-1:]


def test_a_recording_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "recording.jsonl"
    snapshots = record_devnet(5)
    write_recording(path, snapshots)
    assert read_recording(path) == snapshots
    assert [entry.name for entry in tmp_path.iterdir()] == ["recording.jsonl"]


@pytest.mark.parametrize("content", [b"garbage", b"{}", b'{"node": 1}\n'])
def test_what_is_no_recording_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.txt is not a recording"):
        read_recording(path)


def test_an_endless_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(ValueError, match="longer than a recording may be"):
        read_recording(path)
