"""The real computer: a device that cannot be used costs the speed, never the node."""

import os
from pathlib import Path

import pytest

from poi.events import EvaluateRequest
from poi.presets import DIGITS
from poi.weights import compute_effective, compute_initial_master, encode_effective
from tangle.core.types import ChainId, Signature
from tangle.node.computer import InlineComputer, TransactionBatch
from tangle.node.process_computer import AUTO, ProcessComputer, _open
from tests.poi.builders import BACKEND, make_assignments, make_issuer
from tests.poi.tables.builders import FLOWERS_BLOB, FLOWERS_JOB, FLOWERS_PREPARED, open_prepared


def test_a_device_left_to_the_node_gives_way_to_numpy_when_kernels_cannot_be_kept(
    tmp_path: Path,
) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file where the directory should be")
    assert _open(AUTO, in_the_way, (DIGITS,)).name == "numpy"


def test_a_device_that_was_named_is_not_replaced_in_silence(tmp_path: Path) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file where the directory should be")
    with pytest.raises(OSError, match=os.strerror(17)):
        _open("CPU", in_the_way, (DIGITS,))


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.slow  # worker processes take seconds to start
async def test_workers_are_sent_data_of_customers_once_and_compute_the_same(tmp_path: Path) -> None:
    opened = open_prepared(FLOWERS_JOB, FLOWERS_PREPARED)
    weights = encode_effective(compute_effective(FLOWERS_JOB, compute_initial_master(FLOWERS_JOB, opened.id)))
    request = EvaluateRequest(FLOWERS_JOB, 0, weights, tuple(make_assignments(2)), FLOWERS_BLOB)
    chain, signed = ChainId(bytes(8)), (b"body", Signature(bytes(64)), make_issuer(1))
    batch = TransactionBatch(chain, (signed, signed), ((request, (0, 1)),))
    computer, inline = ProcessComputer(2, "numpy", tmp_path, ()), InlineComputer(BACKEND)
    try:
        for _ in range(4):
            assert await computer.prove(request) == await inline.prove(request)
            assert await computer.verify_transactions(batch) == await inline.verify_transactions(batch)
        assert computer.pool.restarts == 0
    finally:
        computer.close()
