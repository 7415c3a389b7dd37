"""The published receipts, one of every level, of the published run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.layered import LayeredShape
from aivm.verification.layered import LayeredProgram
from aivm.verification.trace import Context
from poi.receipts.check import Facts, Materials, verify_receipt
from poi.receipts.record import decode_receipt, encode_receipt
from tangle.core.errors import TangleError
from tangle.core.types import Digest, PublicKey

FOLDER = Path(__file__).parents[2] / "vectors" / "verification"
RUN: dict[str, Any] = json.loads((FOLDER / "run.json").read_text())
RECEIPTS: list[dict[str, Any]] = json.loads((FOLDER / "receipts.json").read_text())


def read_digests(texts: list[str]) -> frozenset[Digest]:
    return frozenset(Digest(bytes.fromhex(text)) for text in texts)


def make_materials(vector: dict[str, Any]) -> Materials:
    shape = LayeredShape(tuple(RUN["sizes"]), tuple(RUN["shifts"]))
    weights = tuple(
        np.frombuffer(bytes.fromhex(data), np.int8).reshape(each)
        for data, each in zip(RUN["weights"], shape.matrix_shapes, strict=True)
    )
    rows = np.frombuffer(bytes.fromhex(RUN["rows"]), np.uint8).reshape(-1, RUN["sizes"][0])
    (commitment_id,) = read_digests([RUN["commitment_id"]])
    (task,) = read_digests([RUN["task"]])
    return Materials(
        LayeredProgram(shape, weights, len(rows)),
        Context(task, PublicKey(bytes.fromhex(RUN["worker"])), RUN["epoch"]),
        (rows,),
        facts=Facts(
            frozenset({(commitment_id, bytes.fromhex(vector["beacon"]))}),
            read_digests(vector["seals"]),
            read_digests(vector["disputes"]),
        ),
    )


@pytest.mark.parametrize("vector", RECEIPTS, ids=lambda vector: f"level {vector['level']}")
def test_published_receipts(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["receipt"])
    report = verify_receipt(data, make_materials(vector))
    assert report.level == vector["level"]
    assert type(report.error_bound).__name__ == vector["error_bound"]
    assert encode_receipt(decode_receipt(data)) == data


@pytest.mark.parametrize("vector", RECEIPTS, ids=lambda vector: f"level {vector['level']}")
def test_published_receipts_are_of_no_other_result(vector: dict[str, Any]) -> None:
    materials = make_materials(vector)
    rows = materials.inputs[0].copy()
    rows[0, 0] ^= 1
    with pytest.raises(TangleError):
        verify_receipt(
            bytes.fromhex(vector["receipt"]), Materials(materials.program, materials.context, (rows,))
        )


def test_there_is_one_of_every_level() -> None:
    assert [vector["level"] for vector in RECEIPTS] == list(range(7))
