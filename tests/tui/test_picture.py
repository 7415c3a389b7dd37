"""The tool that takes pictures."""

from pathlib import Path

from tests.tui.scripted import record_devnet
from tools.make_tui_picture import main
from tui.sources import read_recording, write_recording


def test_a_picture_is_taken_from_a_recording_and_asks_no_server(tmp_path: Path) -> None:
    recording, picture, again = (tmp_path / name for name in ("in.gz", "out.svg", "again.gz"))
    write_recording(recording, record_devnet(3))
    main([str(recording), str(picture), "--size", "80x24", "--press", "3", "--record", str(again)])
    text = picture.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "Intelligence" in text
    assert "font-face" not in text
    assert "url(http" not in text
    assert tuple(read_recording(again)) == record_devnet(3)[-1:]
