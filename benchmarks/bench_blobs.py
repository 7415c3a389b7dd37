"""Blobs: megabytes a second into a store, between processes over loopback, and out of a store.

Each node is a process with its sessions, its room for blobs and a directory, and nothing of the ledger. Every
piece is hashed on the way in, checked by whoever gives it, encrypted, and checked by whoever gets it; a blob
counts as fetched when it is durable.

    python -m benchmarks.bench_blobs [--megabytes 200] [--sources 2]
"""

import argparse
import hashlib
import logging
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
import structlog

from tangle.core.blob_id import BlobId
from tangle.core.chunk_tree import PIECE_SIZE
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Shard
from tangle.net.addresses import Address
from tangle.net.errors import PeerSilent
from tangle.net.ledger_messages import LedgerRequest, ShardStatus
from tangle.net.messages import Announce, Hello, Response
from tangle.net.network import TcpNetwork
from tangle.node.blobs import BlobRoom, open_blob_room
from tangle.node.clock import SystemClock
from tangle.node.peer import Peer
from tangle.node.peering import Peering, PeeringConfig
from tangle.node.randomness import SystemRandomness
from tangle.store.blob_files import DiskBlobFiles

CHAIN = ChainId(b"blobtest")

QUOTA_BYTES = 1 << 33


class NoLedger:
    """A node that has nothing but blobs."""

    def make_hello(self) -> Hello:
        """How far it is: nowhere."""
        return Hello(1, (ShardStatus(Shard(0), 0, 0, 0),), 0, b"bench/0", False)

    def on_transactions(self, items: Sequence[bytes], peer: Peer) -> None:
        """Not looked at."""

    def on_announce(self, message: Announce, peer: Peer) -> None:
        """Not looked at."""

    def on_blocks(self, items: Sequence[bytes], peer: Peer) -> None:
        """Not looked at."""

    def answer(self, request: LedgerRequest) -> Response:
        """There is no answer."""
        raise PeerSilent(0)

    def on_connected(self, peer: Peer) -> None:
        """Nothing to say."""

    def on_behind(self, peer: Peer) -> None:
        """Nothing to show."""


def make_peering(number: int, ports: Sequence[int]) -> Peering:
    """Sessions of node ``number``, which dials ``ports``."""
    addresses = tuple(Address(b"127.0.0.1", port) for port in ports)
    return Peering(
        network=TcpNetwork(),
        config=PeeringConfig(Address(b"127.0.0.1", 0), addresses, 16, 0),
        chain=CHAIN,
        shard=Shard(0),
        key=SigningKey(bytes([number]) * 32),
        clock=SystemClock(),
        randomness=SystemRandomness(),
        hooks=NoLedger(),
    )


def make_content(megabytes: int) -> bytes:
    """The same bytes in every process, no two pieces alike."""
    return hashlib.shake_256(b"blobs").digest(megabytes * 1_000_000)


async def open_room(peering: Peering, directory: Path) -> BlobRoom:
    """A room on disk."""
    return await open_blob_room(DiskBlobFiles(directory), peering, SystemClock(), quota_bytes=QUOTA_BYTES)


def run_source(number: int, megabytes: int, directory: Path, pipe: Connection) -> None:
    """A process that has the blob; tells its id, its port and how long keeping it took."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    async def run() -> None:
        peering = make_peering(number, ())
        async with anyio.create_task_group() as tasks:
            port = await tasks.start(peering.run)
            room = await open_room(peering, directory)
            await tasks.start(room.run)
            content = make_content(megabytes)
            begun_s = time.perf_counter()
            blob = await room.put(content, is_pinned=True)
            pipe.send((blob, port, time.perf_counter() - begun_s))
            await anyio.to_thread.run_sync(pipe.recv)
            tasks.cancel_scope.cancel()

    anyio.run(run)


async def fetch(blob: BlobId, ports: Sequence[int], directory: Path, megabytes: int) -> None:
    """Fetch it from all of them, read it back, and print how fast."""
    peering = make_peering(len(ports) + 1, ports)
    async with anyio.create_task_group() as tasks:
        await tasks.start(peering.run)
        room = await open_room(peering, directory)
        await tasks.start(room.run)
        while len(peering.get_peers()) < len(ports):  # noqa: ASYNC110 -- sessions come up by themselves
            await anyio.sleep(0.01)
        begun_s = time.perf_counter()
        await room.obtain(blob)
        fetched_s = time.perf_counter() - begun_s
        begun_s = time.perf_counter()
        async for _ in room.read(blob):
            pass
        read_s = time.perf_counter() - begun_s
        tasks.cancel_scope.cancel()
    print(f"fetch from {len(ports)}: {megabytes / fetched_s:.0f} MB/s; read: {megabytes / read_s:.0f} MB/s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--sources", type=int, default=2)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as directory:
        sources = []
        for number in range(1, options.sources + 1):
            here, there = processes.Pipe()
            arguments = (number, options.megabytes, Path(directory, str(number)), there)
            process = processes.Process(target=run_source, args=arguments)
            process.start()
            sources.append((process, here, *here.recv()))
            print(f"put: {options.megabytes / sources[-1][4]:.0f} MB/s")
        for count in range(1, options.sources + 1):
            ports = [port for _, _, _, port, _ in sources[:count]]
            anyio.run(fetch, sources[0][2], ports, Path(directory, f"sink {count}"), options.megabytes)
        for process, here, *_ in sources:
            here.send("stop")
            process.join()
    resident_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    print(f"pieces of {PIECE_SIZE >> 10} KiB; memory of who fetched: {resident_mb:.0f} MB")


if __name__ == "__main__":
    main()
