"""The real computer: requests go to worker processes, each with a backend of its own.

A worker starts with numpy, which needs no compiler and is there in a moment; beside it another one opens the
device, builds the kernels and passes the conformance vectors, which can take many seconds the first time, and
then takes its place. The bits are the same, so nobody notices but the clock. Where the operator left the
choice of device to the node and it fails, or there is no compiler, the node stays with numpy and says so.
"""

import fcntl
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from msgspec.structs import replace

from aivm.backends.discovery import find_compiler
from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.opening import NUMPY, open_backend
from aivm.backends.protocol import Backend
from aivm.backends.selective import SelectiveBackend
from aivm.conformance.stamp import ensure_conformance
from poi.errors import UnknownDataset
from poi.events import EvaluateAnswer, EvaluateRequest
from poi.job import StandingJob
from poi.shelf import JobShelf
from poi.worker import evaluate, prepare
from shards.blocks import SignatureClaim
from tangle.core.types import ChainId
from tangle.node import computer
from tangle.node.computer import TransactionBatch, TransactionVerdict, describe_backend
from tangle.node.pool import ComputeFailed, ComputePool, Priority

AUTO: Final = "auto"
"""Device name that lets the worker choose: tinygrad's processor device where there is a compiler, else numpy.
"""

log = structlog.get_logger("computer")

_backend: Backend | None = None
"""This worker process's backend: tinygrad is not thread-safe, so there is one, used from one thread."""

_shelf: Final = JobShelf()
"""Data of jobs that were sent to this worker process."""


class ProcessComputer:
    """A ``Computer`` over a ``ComputePool``."""

    def __init__(self, workers: int, device: str, cache: Path, jobs: Sequence[StandingJob]) -> None:
        """:param device: ``auto``, ``numpy`` or a tinygrad device name.
        :param cache: directory for compiled kernels.
        :param jobs: standing jobs whose data are loaded and whose kernels are built at start.
        """
        self.pool = ComputePool(workers, partial(_initialize_worker, NUMPY, cache, tuple(jobs)))
        self._upgrade = partial(_initialize_worker, device, cache, tuple(jobs))
        self._choice = device
        self._device = describe_backend(NumpyBackend())
        self.evaluations: Counter[str] = Counter()
        """Evaluations since the start, own and checked, by the device that computed them."""

    @property
    def device(self) -> str:
        """What the workers compute on now."""
        return self._device

    async def run(self) -> None:
        """Bring the workers to their device, and back to it after a crash, until cancelled.

        :raises ComputeFailed: the device that the operator named cannot be used.
        """
        if self._choice == NUMPY:
            return
        try:
            await self.pool.keep_upgraded(self._upgrade, _describe, self._on_upgraded)
        except ComputeFailed as error:
            if self._choice != AUTO:
                raise
            log.warning("device-unusable", reason=str(error))

    def _on_upgraded(self, device: str) -> None:
        self._device = device
        log.info("device-ready", device=device)

    async def verify_transactions(self, batch: TransactionBatch) -> tuple[TransactionVerdict, ...]:
        """Check signatures and recompute work."""
        lean = replace(batch, work=tuple((_strip(request), places) for request, places in batch.work))
        verdicts = await self.pool.call(_verify_transactions, lean, Priority.TRANSACTION)
        if verdicts is None:
            verdicts = await self.pool.call(_verify_transactions, batch, Priority.TRANSACTION)
        assert verdicts is not None, "a whole batch has all data"
        self.evaluations[self._device] += sum(len(verdict.results) for verdict in verdicts)
        return verdicts

    async def verify_signatures(self, chain: ChainId, claims: Sequence[SignatureClaim]) -> tuple[bool, ...]:
        """Check signatures of blocks and attestations."""
        return await self.pool.call(_verify_signatures, (chain, tuple(claims)), Priority.BLOCK)

    async def prove(self, request: EvaluateRequest) -> EvaluateAnswer:
        """Do the work of one transaction."""
        answer = await self.pool.call(_prove, _strip(request), Priority.PROVE)
        if answer is None:
            answer = await self.pool.call(_prove, request, Priority.PROVE)
        assert answer is not None, "a whole request has all data"
        self.evaluations[self._device] += sum(map(len, answer.results))
        return answer

    def close(self) -> None:
        """Stop the workers."""
        self.pool.close()


def _initialize_worker(device: str, cache: Path, jobs: tuple[StandingJob, ...]) -> None:
    global _backend  # noqa: PLW0603  # a worker process has one backend and nowhere else to keep it
    _backend = _open(device, cache, jobs)


@contextmanager
def _take_turn(cache: Path) -> Iterator[None]:
    # Nodes that share a cache build the same kernels: the first does, the others then find them.
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def _open(device: str, cache: Path, jobs: tuple[StandingJob, ...]) -> Backend:
    if device == NUMPY:
        return _prepare(NumpyBackend(), jobs)
    try:
        with _take_turn(cache):
            backend = open_backend("CPU" if device == AUTO else device, os.environ, cache)
            ensure_conformance(backend, find_compiler(os.environ).version, cache)
            return _prepare(SelectiveBackend(backend), jobs)
    except Exception as error:
        # An operator who named a device must know that it cannot be used. Where the choice was left to the
        # node, nothing that goes wrong with a device (no compiler, a full disk for its kernels) may cost the
        # node.
        if device != AUTO:
            raise
        log.warning("device-unusable", reason=f"{type(error).__name__}: {error}")
        return _prepare(NumpyBackend(), jobs)


def _prepare(backend: Backend, jobs: tuple[StandingJob, ...]) -> Backend:
    for job in jobs:
        prepare(job, backend)
    return backend


def _get_backend() -> Backend:
    assert _backend is not None, "a worker opens its backend before its first call"
    return _backend


def _describe(_: None) -> str:
    return describe_backend(_get_backend())


def _strip(request: EvaluateRequest) -> EvaluateRequest:
    """Without the job's data: most workers have had them."""
    return replace(request, data=b"") if request.data else request


def _verify_transactions(batch: TransactionBatch) -> tuple[TransactionVerdict, ...] | None:
    """None where this worker needs the data of a job."""
    try:
        return computer.verify_transactions(batch, _get_backend(), _shelf)
    except UnknownDataset:
        return None


def _verify_signatures(request: tuple[ChainId, tuple[SignatureClaim, ...]]) -> tuple[bool, ...]:
    return computer.verify_signatures(*request)


def _prove(request: EvaluateRequest) -> EvaluateAnswer | None:
    """None where this worker needs the data of the job."""
    try:
        return evaluate(request, _get_backend(), _shelf)
    except UnknownDataset:
        return None
