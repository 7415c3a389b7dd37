"""The transfer in JavaScript, run as a reader would run it."""

import subprocess
from pathlib import Path
from typing import Final

import anyio
import pytest

from tests.acceptance.support import NodeUnderTest

EXAMPLE: Final = Path(__file__).resolve().parent.parent.parent / "examples" / "transfer.mjs"


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_transfer_without_a_line_of_python(node: NodeUnderTest, node_js: str) -> None:
    done = await anyio.run_process([node_js, str(EXAMPLE), node.url], stderr=subprocess.STDOUT, check=False)
    shown = done.stdout.decode()
    assert done.returncode == 0, shown
    assert "status   checkpointed" in shown
    assert "holds 2 MST at checkpoint" in shown
