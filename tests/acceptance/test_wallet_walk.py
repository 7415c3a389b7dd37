"""The walk of a person through the real command line: words, faucet, a transfer, its proof, and what a proof
with any byte changed is worth.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from shards.proofs import verify_transaction_proof
from tangle.core.errors import TangleError
from tests.acceptance.support import TERMINAL, NetworkUnderTest, found_devnet, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BYTES_APART = 97
"""Distance of the changed bytes that go through the whole command, which takes a moment each time."""


class Person:
    """Somebody at a terminal with a home of their own."""

    def __init__(self, home: Path, network: NetworkUnderTest) -> None:
        home.mkdir()
        (home / "password").write_text("correct horse battery\n")
        self.home = home
        self.environment = {
            **TERMINAL,
            "TANGLE_HOME": str(home),
            "TANGLE_URL": network.urls[0],
            "TANGLE_PASSWORD_FILE": str(home / "password"),
            "NO_COLOR": "1",
        }

    async def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        """``tangle ARGUMENTS``, whatever comes of it."""
        return await anyio.run_process(
            [sys.executable, "-m", "tangle.cli", *arguments],
            env=self.environment | environment,
            check=False,
        )

    async def do(self, *arguments: str) -> Any:
        """``tangle --json ARGUMENTS``, which must succeed: its one object."""
        done = await self.run("--json", *arguments)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)


async def test_words_faucet_send_proof_verify(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    network = found_devnet(tmp_path / "net", 4)
    with running(network):
        await network.wait_ready()
        person = Person(tmp_path / "person", network)
        made = await person.do("wallet", "new", "alice")
        assert len(made["words"].split()) == 24
        words = person.home / "words"
        words.write_text(made["words"])
        again = await person.do("wallet", "import", "again", "--words-file", str(words))
        assert again["address"] == made["address"]
        bob = await person.do("wallet", "new", "bob")
        await person.do("faucet", "alice")
        assert (await person.do("wallet", "balance", "alice"))["balance"] == "100000000000"
        done = await person.do("wallet", "send", "alice", bob["address"], "1.5")
        sent = done["transaction"]
        record_property("seconds to final", done["elapsed_s"])
        assert (await person.do("wallet", "balance", "bob"))["balance"] == "1500000000"
        history = await person.do("wallet", "history", "bob")
        assert sent["id"] in json.dumps(history)
        proof = tmp_path / "one.proof"
        await person.do("tx", "proof", sent["id"], "--output", str(proof))
        shown = await person.do("tx", "show", sent["id"])
        assert shown["status"] == "checkpointed"
        overdrawn = await person.run("wallet", "send", "bob", made["address"], "1000")
        assert (overdrawn.returncode, overdrawn.stdout) == (1, b"")
        assert b"funds" in overdrawn.stderr
        assert await network.stop() == [0] * 4
    await check_proof(person, network, proof)


async def check_proof(person: Person, network: NetworkUnderTest, proof: Path) -> None:
    """The proof holds without any node, and no byte of it may be changed."""
    genesis = str(network.devnet.root / "genesis.cbor")
    nowhere = {"TANGLE_URL": "http://127.0.0.1:9"}
    held = await person.run("verify", str(proof), "--genesis", genesis, **nowhere)
    assert held.returncode == 0, held.stderr.decode()
    for spoilt in spoil(proof, network):
        refused = await person.run("verify", str(spoilt), "--genesis", genesis, **nowhere)
        assert (refused.returncode, refused.stdout) == (1, b"")
        assert refused.stderr.count(b"\n") == 1, refused.stderr.decode()
        assert refused.stderr.startswith(b"tangle: ")


def spoil(proof: Path, network: NetworkUnderTest) -> Iterator[Path]:
    """Check here that the proof holds with no byte changed; give some such proofs to the command too."""
    whole = proof.read_bytes()
    spoilt = proof.with_suffix(".spoilt")
    for place in range(len(whole)):
        changed = whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :]
        with pytest.raises(TangleError):
            verify_transaction_proof(changed, network.genesis)
        if place % BYTES_APART == 0:
            spoilt.write_bytes(changed)
            yield spoilt
    for changed in (whole[:-1], whole + b"\x00", b""):
        spoilt.write_bytes(changed)
        yield spoilt
