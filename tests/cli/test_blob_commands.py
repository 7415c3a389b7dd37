"""``tangle blob`` against a real node: put, get, list, pin, unpin, gc, and what is refused."""

from pathlib import Path

import pytest

from tangle.core.blob_id import format_blob_id, make_blob_id
from tangle.core.chunk_tree import PIECE_SIZE, compute_tree
from tangle.core.types import Digest
from tests.cli.builders import Terminal

CONTENT = b"".join(bytes([index]) * PIECE_SIZE for index in range(5)) + b"the rest"
ID = format_blob_id(compute_tree(CONTENT).id)
UNKNOWN = format_blob_id(make_blob_id(Digest(bytes(32))))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(CONTENT)
    return path


def test_a_file_goes_in_and_comes_out(node: Terminal, file: Path, tmp_path: Path) -> None:
    assert node.run("blob", "put", str(file)).stdout == ID + "\n"
    assert node.run("blob", "id", str(file)).stdout == ID + "\n"
    out = tmp_path / "out"
    record = node.run_json("blob", "get", ID, "-o", str(out))
    assert (record["size"], out.read_bytes()) == (len(CONTENT), CONTENT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "out"]
    status, said = node.fail("blob", "get", ID, "-o", str(out))
    assert status == 1
    assert "--force" in said
    node.run_json("blob", "get", ID, "-o", str(out), "--force")


def test_pins_decide_what_is_collected(node: Terminal, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    node.run_json("blob", "put", str(file), "--id", ID)
    name = node.run_json("blob", "put", str(other), "--no-pin")["id"]
    listed = {item["id"]: item for item in node.run_json("blob", "list")["blobs"]}
    assert (listed[ID]["is_pinned"], listed[name]["is_pinned"]) == (True, False)
    shown = node.run("blob", "list").stdout
    assert ID in shown
    assert "4.3 GB in use" in shown
    assert node.run_json("blob", "gc")["blobs"] == 1
    assert node.run_json("blob", "unpin", ID)["is_pinned"] is False
    assert node.run_json("blob", "pin", ID)["is_pinned"] is True
    assert node.run_json("blob", "status", ID)["state"] == "whole"
    assert node.run_json("blob", "gc")["blobs"] == 0
    node.run_json("blob", "unpin", ID)
    assert node.run_json("blob", "gc")["size_bytes"] > str(len(CONTENT))
    assert node.run_json("blob", "list")["blobs"] == []


def test_what_is_refused(node: Terminal, file: Path, tmp_path: Path) -> None:
    for arguments, expected in (
        (("status", UNKNOWN), "not kept by this node"),
        (("pin", UNKNOWN), "not kept by this node"),
        (("status", "nonsense"), "is no content id"),
        (("put", str(file), "--id", UNKNOWN), "nothing was kept"),
        (("put", str(tmp_path / "missing")), "does not exist"),
    ):
        _, said = node.fail("blob", *arguments)
        assert expected in said
    status, said = node.fail("blob", "fetch", UNKNOWN, "--timeout", "0.3")
    assert status == 4
    node.run_json("blob", "unpin", UNKNOWN)
    assert node.run_json("blob", "list")["blobs"] == []


def test_no_node(terminal: Terminal, file: Path) -> None:
    assert terminal.fail("blob", "put", str(file))[0] == 3
