"""A process that is told its parent's id leaves when that process is gone, also when it went before anyone
looked.
"""

import subprocess
import sys

import anyio

from tangle.node.runtime import _stop_with_parent

NOBODY = 2**22 + 1
"""No process has this id: it is above the highest that Linux gives."""


def test_a_worker_whose_parent_was_gone_before_it_looked_leaves() -> None:
    code = f"from tangle.node.pool import _exit_with_parent; _exit_with_parent({NOBODY})"
    assert subprocess.run([sys.executable, "-c", code], timeout=15, check=False).returncode == 1


async def test_a_node_whose_supervisor_was_gone_before_it_looked_stops() -> None:
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_stop_with_parent, NOBODY, tasks.cancel_scope)
            await anyio.sleep_forever()
