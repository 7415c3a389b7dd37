"""What a worker can still do to the world, asked of a real one; and what the pool tells of it.

Some means are the kernel's to offer: where it has no Landlock or allows no namespaces, the test expects the
worker to say so, and the rest to hold.
"""

import ctypes
import json
import os
import socket
from pathlib import Path

import pytest

from tangle.node.sandbox import landlock
from tangle.node.sandbox.process import CACHE_VARIABLES, KEPT_VARIABLES
from tangle.node.sandbox.watch import measure
from tangle.node.sandbox.wire import Ready
from tests.node.sandbox.building import do, open_pool, verify_honest
from tests.node.sandbox.hostile import Trick


def find_version() -> int:
    version = ctypes.CDLL(None).syscall(landlock.CREATE_RULESET, None, 0, landlock.VERSION_FLAG)
    return max(0, int(version))


async def test_a_worker_reaches_nothing_that_it_does_not_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANGLE_PASSPHRASE", "secret")
    secret = tmp_path / "home" / "key"
    secret.parent.mkdir()
    secret.write_text("secret")
    cache = tmp_path / "cache"
    cache.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = {"secret": str(secret), "port": server.getsockname()[1]}
        (cache / "target").write_text(json.dumps(target))
        async with open_pool(cache) as pool:
            ready = await pool.warm()
            assert isinstance(ready, Ready)
            verify_honest(await do(pool, Trick.PROBE), Trick.PROBE)
    found = json.loads((cache / "found").read_text())
    assert ready.landlock == find_version()
    if ready.landlock >= 1:
        for attempt in ("read a file", "write a file", "remove a file"):
            assert found[attempt] == "PermissionError"
        assert secret.read_text() == "secret"
        assert found["read the node's memory"] == "PermissionError"
    if ready.landlock >= landlock.TCP_VERSION or ready.has_own_network:
        assert found["connect"] in ("PermissionError", "OSError")
    if ready.landlock >= landlock.SCOPE_VERSION:
        assert found["signal the node"] == "PermissionError"
    if ready.has_own_network:
        assert found["send a datagram"] == "OSError"
    if os.getuid() != 0 or ready.has_own_network:
        assert found["become root"] in ("PermissionError", "OSError")
    assert found["take more memory"] == "ValueError"
    assert int(found["privileges"], 16) == 0
    assert found["no new privileges"] == "1"
    allowed = {*KEPT_VARIABLES.split(), *CACHE_VARIABLES.split()}
    assert set(found["environment"].split()) <= {
        *allowed,
        "OPENBLAS_NUM_THREADS",
        "PYTHONDONTWRITEBYTECODE",
        "LC_CTYPE",
    }
    assert found["files"] == "/dev/null /dev/null /dev/null"


def test_a_process_that_is_gone_takes_nothing() -> None:
    usage = measure(2**22 + 1)  # over the largest id that Linux gives
    assert (usage.memory_bytes, usage.cpu_s, usage.processes) == (0, 0.0, ())


def test_this_process_and_its_children_are_measured() -> None:
    usage = measure(os.getpid())
    assert usage.processes[0] == os.getpid()
    assert usage.memory_bytes > 10 << 20
    assert usage.cpu_s > 0
