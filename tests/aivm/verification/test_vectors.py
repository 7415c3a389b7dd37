"""The published vectors of verification, which were computed without the code under test."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.layered import LayeredShape
from aivm.verification import field
from aivm.verification.challenges import compute_seed, draw_elements, draw_places, draw_vectors
from aivm.verification.freivalds import Product, prepare, verify_prepared
from aivm.verification.layered import LayeredProgram
from aivm.verification.projection import compute_projection
from aivm.verification.spot import draw_chunks
from aivm.verification.sumcheck import prove_product, verify_product_proof
from aivm.verification.trace import Commitment, Context, Trace, compute_commitment_id
from aivm.verification.traced import run_traced
from tangle.core.encoding import decode, encode
from tangle.core.types import Digest, PublicKey

FOLDER = Path(__file__).parents[2] / "vectors" / "verification"
ARITHMETIC: dict[str, Any] = json.loads((FOLDER / "arithmetic.json").read_text())
RUN: dict[str, Any] = json.loads((FOLDER / "run.json").read_text())


def read_product(vector: dict[str, Any]) -> Product:
    left, right = (np.array(vector[name], np.int8) for name in ("left", "right"))
    return Product(left, right, np.array(vector["result"], np.int32))


def read_digest(text: str) -> Digest:
    return Digest(bytes.fromhex(text))


def test_field() -> None:
    left, right = (
        np.array([vector[name] for vector in ARITHMETIC["field"]], np.uint64) for name in ("left", "right")
    )
    for name, operation in (
        ("sum", field.add),
        ("difference", field.subtract),
        ("product", field.multiply),
    ):
        assert operation(left, right).tolist() == [vector[name] for vector in ARITHMETIC["field"]]


@pytest.mark.parametrize("vector", ARITHMETIC["seeds"], ids=lambda vector: str(vector["place"]))
def test_seeds(vector: dict[str, Any]) -> None:
    seed = compute_seed(read_digest(vector["commitment"]), bytes.fromhex(vector["beacon"]), *vector["place"])
    assert seed.hex() == vector["seed"]
    assert draw_elements(seed, len(vector["elements"])).tolist() == vector["elements"]


@pytest.mark.parametrize("vector", ARITHMETIC["places"], ids=lambda vector: str(vector["size"]))
def test_places(vector: dict[str, Any]) -> None:
    drawn = draw_places(bytes.fromhex(vector["seed"]), vector["size"], vector["count"])
    assert list(drawn) == vector["places"]


def test_freivalds() -> None:
    vector = ARITHMETIC["freivalds"]
    product = read_product(vector)
    vectors = draw_vectors(bytes.fromhex(vector["seed"]), 4, 2)
    prepared = prepare(product.right, vectors)
    assert vectors.T.tolist() == vector["vectors"]
    assert prepared.products.T.tolist() == vector["right_projections"]
    assert compute_projection(product.result, vectors).T.tolist() == vector["projections"]
    verify_prepared(product.left, product.result, prepared)


def test_sumcheck() -> None:
    vector = ARITHMETIC["sumcheck"]
    product, statement = read_product(vector), read_digest(vector["statement"])
    proof = prove_product(product, statement)
    assert [[list(each) for each in run] for run in proof.runs] == vector["runs"]
    verify_product_proof(product, statement, proof)


def test_a_run_and_its_commitment() -> None:
    shape = LayeredShape(tuple(RUN["sizes"]), tuple(RUN["shifts"]))
    weights = tuple(
        np.frombuffer(bytes.fromhex(data), np.int8).reshape(each)
        for data, each in zip(RUN["weights"], shape.matrix_shapes, strict=True)
    )
    rows = np.frombuffer(bytes.fromhex(RUN["rows"]), np.uint8).reshape(-1, RUN["sizes"][0])
    program = LayeredProgram(shape, weights, len(rows))
    context = Context(read_digest(RUN["task"]), PublicKey(bytes.fromhex(RUN["worker"])), RUN["epoch"])
    commitment = Trace(program, run_traced(program, (rows,)), context).commitment
    assert program.program_id.hex() == RUN["program_id"]
    assert commitment.inputs[0].hex() == RUN["tensor_ids"]["0"]
    assert commitment.outputs[0].hex() == RUN["tensor_ids"]["5"]
    assert commitment.root.hex() == RUN["root"]
    assert encode(commitment).hex() == RUN["commitment"]
    assert compute_commitment_id(commitment).hex() == RUN["commitment_id"]
    assert decode(Commitment, bytes.fromhex(RUN["commitment"]), limit=10_000) == commitment
    drawn = draw_chunks(program, commitment, bytes.fromhex(RUN["beacon"]), RUN["count"])
    assert [list(place) for place in drawn] == RUN["drawn"]
