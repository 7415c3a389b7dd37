"""Raw limits of this machine: what no node can be faster than, whatever its own code costs.

Each is a few lines around one library. Every other stage is read beside one of them, taken in the same run
right before and right after it.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import blake2b
from multiprocessing import get_context
from time import perf_counter, process_time
from typing import Final

import anyio
import cbor2
import lmdb
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

from benchmarks.http_load import count_reads, wait_ready
from tangle.cli.bench.records import Clock, Conditions, Pass, Plan, Stage
from tangle.cli.bench.running import time_passes

SIZE: Final = 400
"""Bytes of an item: a transaction, a little long."""

BODY: Final = [1, b"c" * 8, 0, b"k" * 32, 7, 9, [b"p" * 32, b"q" * 32], [1, b"r" * 32, 10**9], b"w" * 180]
"""An array of what a transaction holds."""

BARE_PORT: Final = 34_275
"""Port of the bare HTTP server."""


def verify(count: int) -> float:
    """Check one signature over and over; answers the processor seconds."""
    public, secret = crypto_sign_seed_keypair(b"r" * 32)
    signed = crypto_sign(b"x" * SIZE, secret)
    begun_s = process_time()
    for _ in range(count):
        crypto_sign_open(signed, public)
    return process_time() - begun_s


def measure_verify(plan: Plan) -> Sequence[Pass]:
    """On one process."""
    count = plan.scale(4_000, 500)
    return time_passes(plan, count, lambda: partial(verify, count))


def measure_verify_twice(plan: Plan) -> Sequence[Pass]:
    """On two processes together."""
    count = plan.scale(8_000, 500)
    passes = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(verify, [10, 10]))
        for _ in range(plan.passes):
            begun_s = perf_counter()
            cpu_s = sum(pool.map(verify, [count, count]))
            passes.append(Pass(2 * count, perf_counter() - begun_s, cpu_s))
    return passes


def measure_hash(plan: Plan) -> Sequence[Pass]:
    """blake2b-256."""
    count, data = plan.scale(100_000, 5_000), os.urandom(SIZE)

    def run() -> None:
        for _ in range(count):
            blake2b(data, digest_size=32).digest()

    return time_passes(plan, count, lambda: run)


def measure_cbor(plan: Plan) -> Sequence[Pass]:
    """Read, write again, compare: what strict decoding is at least."""
    count, data = plan.scale(20_000, 2_000), cbor2.dumps(BODY)

    def run() -> None:
        for _ in range(count):
            assert cbor2.dumps(cbor2.loads(data)) == data

    return time_passes(plan, count, lambda: run)


def measure_puts(plan: Plan, *, batch: int, batches: int) -> Sequence[Pass]:
    """Puts in order, each batch on the disk before the next begins."""
    path = plan.scratch / f"puts-{batch}"
    path.mkdir(exist_ok=True)
    environment = lmdb.open(str(path), map_size=1 << 32)
    number = environment.stat()["entries"]

    def run() -> None:
        nonlocal number
        for _ in range(batches):
            with environment.begin(write=True) as transaction:
                for _ in range(batch):
                    transaction.put(number.to_bytes(8, "big"), bytes(SIZE), append=True)
                    number += 1

    with environment:
        return time_passes(plan, batch * batches, lambda: run)


def measure_bare_http(plan: Plan) -> Sequence[Pass]:
    """A bare aiohttp route on uvloop, in a process of its own, asked by four connections that write ahead."""
    command = [sys.executable, "-m", "benchmarks.bare_server", str(BARE_PORT)]
    server = subprocess.Popen(command)
    try:
        return anyio.run(_ask_bare, plan, server.pid)
    finally:
        server.terminate()
        server.wait(30)


async def _ask_bare(plan: Plan, pid: int) -> Sequence[Pass]:
    await wait_ready(f"http://127.0.0.1:{BARE_PORT}/")
    seconds = 0.3 if plan.is_quick else 1.0
    return [await count_reads(BARE_PORT, "/", seconds, [pid]) for _ in range(plan.passes)]


LIMITS: Final = (
    Stage("verify-raw", "PyNaCl checks of one signature, one process", "signatures", measure_verify),
    Stage(
        "verify-raw-2",
        "PyNaCl checks of one signature, two processes together",
        "signatures",
        measure_verify_twice,
        clock=Clock.WALL,
    ),
    Stage("hash-raw", "blake2b-256 of 400 bytes", "hashes", measure_hash, conditions=Conditions(bytes=SIZE)),
    Stage("cbor-raw", "cbor2: read, write again and compare", "items", measure_cbor),
    Stage(
        "puts-raw",
        "LMDB puts in order, 1,000 in a synced transaction",
        "puts",
        lambda plan: measure_puts(plan, batch=1_000, batches=plan.scale(30, 3)),
        clock=Clock.WALL,
        conditions=Conditions(bytes=SIZE, is_synced=True),
    ),
    Stage(
        "commits-raw",
        "LMDB transactions of one put, each synced",
        "commits",
        lambda plan: measure_puts(plan, batch=1, batches=plan.scale(300, 20)),
        clock=Clock.WALL,
        conditions=Conditions(bytes=SIZE, is_synced=True),
    ),
    Stage(
        "http-raw",
        "a bare aiohttp route on uvloop that answers 1,000 bytes",
        "requests",
        measure_bare_http,
        clock=Clock.WALL,
        conditions=Conditions(bytes=1_000),
    ),
)
"""All of them."""
