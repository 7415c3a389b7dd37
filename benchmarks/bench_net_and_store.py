"""Figures of the peer sessions and of the store, on this machine: ``python -m
benchmarks.bench_net_and_store``.

The store writes 400-byte transactions with their index entries, durable, a given number per batch, one batch
after the other and, in the last line, many batches at once (group commit). Sessions run over TCP on loopback,
both ends in this process, so that one core does the work of two nodes.
"""

import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import ByteStream, SocketAttribute

from tangle.core.signing import SigningKey
from tangle.core.types import ChainId
from tangle.net.addresses import Address
from tangle.net.handshake import Handshake, Role
from tangle.net.messages import Message, Transactions
from tangle.net.network import TcpNetwork
from tangle.net.session import Session, establish
from tangle.store.keys import TransactionPlace, compute_sequence_key, encode_place
from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.store.store import Table, WriteBatch

CHAIN: Final = ChainId(b"bench-01")
SECONDS: Final = 3.0
"""How long each figure is measured."""


def make_batch(first: int, size: int) -> WriteBatch:
    """``size`` new transactions and their index entries."""
    batch = WriteBatch()
    for number in range(first, first + size):
        batch.put(Table.TRANSACTIONS, compute_sequence_key(number), os.urandom(32) + bytes(368))
        batch.put(Table.TRANSACTION_INDEX, os.urandom(32), encode_place(TransactionPlace(number, None)))
    return batch


async def measure_store(root: Path, size: int, writers: int) -> str:
    """Durable transactions per second with ``writers`` tasks that commit ``size`` of them each time."""
    with closing(open_lmdb_store(root, CHAIN, group_wait_ms=0 if writers == 1 else 20)) as store:
        written = 0

        async def write(deadline: float) -> None:
            nonlocal written
            while time.perf_counter() < deadline:
                first, written = written, written + size
                await store.commit(make_batch(first, size))

        started = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            async with anyio.create_task_group() as writing:
                for _ in range(writers):
                    writing.start_soon(write, started + SECONDS)
            store.stop()
        rate = written / (time.perf_counter() - started)
        puts = 2 * rate
        figures = store.statistics()
        return (
            f"{rate:10,.0f} transactions/s  {puts:9,.0f} puts/s  {figures.groups / SECONDS:5.0f} groups/s  "
            f"worst {figures.worst_write_ms:.1f} ms  {measure_reads(store, written)}"
        )


def measure_reads(store: LmdbStore, written: int) -> str:
    """Direct reads per second."""
    started, count = time.perf_counter(), 20_000
    for index in range(count):
        store.get(Table.TRANSACTIONS, compute_sequence_key(index * 7 % written))
    return f"{count / (time.perf_counter() - started):,.0f} reads/s"


def measure_handshake() -> str:
    """Time of both sides together, without a network."""
    alice, bob = SigningKey(b"a" * 32), SigningKey(b"b" * 32)
    started, count = time.perf_counter(), 500
    for _ in range(count):
        initiator = Handshake(Role.INITIATOR, alice, CHAIN, os.urandom(32))
        responder = Handshake(Role.RESPONDER, bob, CHAIN, os.urandom(32))
        responder.receive(initiator.receive(responder.receive(initiator.start())))
    return f"{(time.perf_counter() - started) / count * 1_000:.2f} ms, both sides"


async def with_sessions(use: Callable[[Session, Session], Awaitable[str]]) -> str:
    """Two sessions over TCP."""
    network = TcpNetwork()
    accepted: list[Session] = []
    arrived = anyio.Event()

    async def serve(stream: ByteStream) -> None:
        accepted.append(await establish(stream, Role.RESPONDER, SigningKey(b"b" * 32), CHAIN, os.urandom(32)))
        arrived.set()
        await accepted[0].run()

    async with await network.listen(Address(b"127.0.0.1", 0)) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(SocketAttribute.local_port)
        stream = await network.dial(Address(b"127.0.0.1", port))
        session = await establish(stream, Role.INITIATOR, SigningKey(b"a" * 32), CHAIN, os.urandom(32))
        tasks.start_soon(session.run)
        await arrived.wait()
        result = await use(session, accepted[0])
        tasks.cancel_scope.cancel()
    return result


async def measure_throughput(sender: Session, receiver: Session, message: Message) -> str:
    """Messages one way until the time is over."""
    stop = time.perf_counter() + SECONDS

    async def send() -> None:
        while time.perf_counter() < stop:
            await sender.send(message)
        await sender.close()

    received = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        started = time.perf_counter()
        async for _ in receiver:
            received += 1
        elapsed_s = time.perf_counter() - started
    megabytes = receiver.statistics().bytes_received / 1e6
    return f"{received / elapsed_s:10,.0f} messages/s  {megabytes / elapsed_s:8.1f} MB/s"


async def run() -> None:
    """Print everything."""
    for size, writers in ((1, 1), (100, 1), (1_000, 1), (10, 64)):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
            figure = await measure_store(Path(directory), size, writers)
        print(f"store, {writers:2} writers, batches of {size:5}: {figure}")
    print(f"handshake: {measure_handshake()}")
    for name, message in {
        "1 transaction of 400 B": Transactions((bytes(400),)),
        "25 transactions of 400 B": Transactions((bytes(400),) * 25),
        "240 transactions of 4 KiB": Transactions((bytes(4_096),) * 240),
    }.items():

        async def use(sender: Session, receiver: Session, message: Message = message) -> str:
            return await measure_throughput(sender, receiver, message)

        print(f"session, {name:25}: {await with_sessions(use)}")


if __name__ == "__main__":
    anyio.run(run)
