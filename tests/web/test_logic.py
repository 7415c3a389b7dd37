"""The page's own logic, run by Node against the same vectors as everything else."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).resolve().parent

NODE: Final = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="there is no Node.js on this machine to run the page's modules")
@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_modules_of_the_page(name: str) -> None:
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--test", name], cwd=HERE, capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n# fail 0" in done.stdout
    assert "\n# pass 0" not in done.stdout
