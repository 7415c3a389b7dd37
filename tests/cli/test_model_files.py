"""``tangle model quantize``, ``inspect`` and ``run`` on good and bad files; no node runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tangle.cli.failures import ExitStatus
from tests.aivm.importers.networks import make_dense, make_residual, quantize_with_onnxruntime
from tests.cli.builders import Terminal

ROWS = np.random.default_rng(1).normal(size=(40, 64)).astype(np.float32)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal with a home that holds nothing."""
    return Terminal(tmp_path / "home")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A float model."""
    path = tmp_path / "dense.onnx"
    path.write_bytes(make_dense().SerializeToString())
    return path


def write_table(path: Path, *, is_labelled: bool) -> Path:
    """Rows as text, a header first when there are labels."""
    head = ",".join([*(f"p{place}" for place in range(64)), "label"]) + "\n" if is_labelled else ""
    table = np.column_stack([ROWS, np.arange(len(ROWS)) % 10]) if is_labelled else ROWS
    lines = [",".join(f"{number:g}" for number in row) for row in table]
    path.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_table_with_labels_calibrates_and_compares(terminal: Terminal, model: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "rows.csv", is_labelled=True)
    output = tmp_path / "dense.cbor"

    record = terminal.run_json(
        "model", "quantize", str(model), "--calibration", str(table), "--output", str(output)
    )

    assert record["macs"] == 64 * 48 + 48 * 10
    assert record["comparison"]["rows"] == 40
    assert record["comparison"]["agreeing"] >= 36
    assert record["comparison"]["correct_before"] is not None
    inspected = terminal.run_json("model", "inspect", str(output))
    assert inspected["program"] == record["program"]
    assert inspected["layers"][0]["operator"] == "matmul"
    plain = write_table(tmp_path / "plain.csv", is_labelled=False)
    answers = terminal.run_json(
        "model", "run", str(output), "--input", str(plain), "--output", str(tmp_path / "y.npy")
    )
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), answers["outputs"]["y"], rtol=1e-6)


def test_a_quantised_model_needs_no_data(terminal: Terminal, tmp_path: Path) -> None:
    rows = np.random.default_rng(2).normal(size=(16, 3, 8, 8)).astype(np.float32)
    data = quantize_with_onnxruntime(
        make_residual(), rows, tmp_path, is_qdq=False, is_signed=True, is_per_channel=True
    )
    path = tmp_path / "stored.onnx"
    path.write_bytes(data)
    output = tmp_path / "stored.cbor"

    record = terminal.run_json("model", "quantize", str(path), "--output", str(output))

    assert record["comparison"] is None
    assert output.stat().st_size == record["size_bytes"]


def refuse(terminal: Terminal, *arguments: str) -> dict[str, Any]:
    """The one error of a command that fails."""
    result = terminal.run("--json", "model", *arguments)
    assert result.exit_code == ExitStatus.FAILED, result.output
    assert result.stdout == ""
    error: dict[str, Any] = json.loads(result.stderr)["error"]
    return error


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (np.where(np.arange(64) == 3, np.nan, ROWS), "calibration-invalid"),
        (ROWS[:, :3], "calibration-invalid"),
        (ROWS[:0], "calibration-invalid"),
    ],
    ids=["nan", "narrow", "empty"],
)
def test_bad_calibration_data(terminal: Terminal, model: Path, tmp_path: Path, rows: Any, code: str) -> None:
    np.savez(tmp_path / "bad.npz", x=rows)
    output = tmp_path / "none.cbor"
    arguments = ("quantize", str(model), "--calibration", str(tmp_path / "bad.npz"), "--output", str(output))
    assert refuse(terminal, *arguments)["code"] == code
    assert not output.exists(), "nothing is written by a command that fails"


@pytest.mark.parametrize("name", ["rows.npz", "rows.npy", "rows.csv", "rows.txt"])
def test_files_that_hold_no_numbers(terminal: Terminal, model: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x93NUMPY nonsense \xff\xfe")
    arguments = (
        "quantize",
        str(model),
        "--calibration",
        str(tmp_path / name),
        "--output",
        str(tmp_path / "o"),
    )
    assert refuse(terminal, *arguments)["code"] == "calibration-invalid"


def test_pickles_inside_data_are_not_read(terminal: Terminal, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    arguments = ("--calibration", str(tmp_path / "objects.npy"), "--output", str(tmp_path / "o"))
    assert refuse(terminal, "quantize", str(model), *arguments)["code"] == "calibration-invalid"


def test_a_float_model_needs_data(terminal: Terminal, model: Path, tmp_path: Path) -> None:
    error = refuse(terminal, "quantize", str(model), "--output", str(tmp_path / "o"))
    assert error["code"] == "calibration-invalid"
    assert "--calibration" in error["message"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.onnx", b"\xff\xff", "model-malformed"),
        ("a.safetensors", b"\x01", "model-malformed"),
        ("a.pt", b"PK", "import-refused"),
        ("a.bin", b"", "import-refused"),
    ],
)
def test_files_that_are_no_models(
    terminal: Terminal, tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert refuse(terminal, "quantize", str(tmp_path / name), "--output", str(tmp_path / "o"))["code"] == code


def test_model_files_and_inputs_that_do_not_fit(terminal: Terminal, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "good.npz", x=ROWS)
    output = tmp_path / "dense.cbor"
    terminal.run_json(
        "model", "quantize", str(model), "--calibration", str(tmp_path / "good.npz"), "--output", str(output)
    )
    np.save(tmp_path / "wide.npy", np.zeros((2, 65)))
    wide = refuse(terminal, "run", str(output), "--input", str(tmp_path / "wide.npy"))
    assert wide["code"] == "program-input-wrong"
    (tmp_path / "cut.cbor").write_bytes(output.read_bytes()[:-3])
    assert refuse(terminal, "inspect", str(tmp_path / "cut.cbor"))["code"] == "encoding-malformed"
