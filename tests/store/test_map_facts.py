"""What a store says of its maps and readers: one that lags, and one that was killed."""

import signal
import subprocess
import sys
from pathlib import Path

from tangle.store.lmdb_environment import parse_readers
from tangle.store.store import WRITE_BOUNDS_S, Environment
from tests.store.files import open_store
from tests.store.test_lmdb_store import ROOT
from tests.store.test_store import running
from tests.store.writer import make_numbered_batch

LOOKER = """
import sys
from pathlib import Path
from tangle.store.snapshot import open_snapshot
from tests.store.writer import CHAIN
with open_snapshot(Path(sys.argv[1]), CHAIN):
    print("looking", flush=True)
    sys.stdin.read()
"""


def test_the_listing_of_readers_is_read() -> None:
    listing = "    pid     thread     txnid\n     29185 7f2d9482db80 12\n     29186 7f2d9482db80 -\n"
    assert parse_readers(listing) == [12, 0]
    assert parse_readers("(no active readers)\n") == []


async def test_a_reader_beside_lags_and_is_cleared_once_it_is_killed(tmp_path: Path) -> None:
    async with running(open_store(tmp_path)) as store:
        await store.commit(make_numbered_batch(0))
        command = [sys.executable, "-c", LOOKER, str(tmp_path)]
        with subprocess.Popen(  # noqa: ASYNC220 -- its one line is what the test waits for
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as looker:
            assert looker.stdout is not None
            assert looker.stdout.readline() == "looking\n"
            for number in range(1, 8):
                await store.commit(make_numbered_batch(number))
            facts = store.statistics().maps[Environment.HISTORY]
            assert facts.oldest_reader_lag >= 7
            assert facts.map_bytes >= facts.used_pages * facts.page_bytes
            looker.send_signal(signal.SIGKILL)
        facts = store.statistics().maps[Environment.HISTORY]
        assert facts.stale_readers_cleared == 1
        assert facts.oldest_reader_lag < 7
        figures = store.statistics()
        assert sum(figures.write_counts) == figures.groups
        assert len(figures.write_counts) == len(WRITE_BOUNDS_S) + 1
        assert figures.write_total_s > 0
