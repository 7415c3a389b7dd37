"""The examples run where their framework is installed, and say what is missing where it is not."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from aivm.importers.model_file import decode_model, load_model

ROOT = Path(__file__).resolve().parents[2]

FRAMEWORKS = {"torch": "torch", "tensorflow": "tf2onnx"}
"""Extra, and the package without which its example cannot run."""


@pytest.mark.parametrize("extra", FRAMEWORKS)
def test_an_example_without_its_framework_says_what_to_install(extra: str, tmp_path: Path) -> None:
    code = "\n".join(
        [
            "import sys",
            "from pathlib import Path",
            f"sys.modules[{FRAMEWORKS[extra]!r}] = None  # as if it were not installed",
            f"import examples.import_{extra} as example",
            f"example.main(Path({str(tmp_path / 'digits.cbor')!r}))",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 1
    assert f"pip install 'tangle-node[{extra}]'" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the frameworks warn of their own exporters
@pytest.mark.parametrize("extra", FRAMEWORKS)
def test_an_example_makes_a_program_that_agrees(extra: str, tmp_path: Path) -> None:
    if find_spec(FRAMEWORKS[extra]) is None:
        pytest.skip(f"needs the framework: pip install 'tangle-node[{extra}]'")
    output = tmp_path / "digits.cbor"

    found = import_module(f"examples.import_{extra}").main(output)

    assert found.agreeing >= 0.95 * found.rows
    assert found.correct_after >= found.correct_before - 0.03 * found.rows
    assert load_model(decode_model(output.read_bytes())).plan.cost.macs > 20_000
