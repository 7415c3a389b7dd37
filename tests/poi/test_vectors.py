"""The published vectors, read back with hashes and evaluations done again by hand."""

import json
from hashlib import blake2b, shake_256
from pathlib import Path
from typing import Any

import cbor2

from aivm.conformance.plain import compute_plain_result
from poi.dataset import load_dataset
from poi.evolution import open_job
from poi.job import compute_job_id, decode_job
from poi.presets import DIGITS
from poi.weights import compute_effective, compute_initial_master
from tools.make_work_vectors import make_vectors

FILE = Path(__file__).parents[1] / "vectors" / "poi" / "digits.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())


def test_the_published_file_is_what_the_code_computes() -> None:
    assert make_vectors() == VECTORS


def test_the_job_is_the_devnet_preset() -> None:
    job = decode_job(bytes.fromhex(VECTORS["parameters"]))
    assert job == DIGITS
    assert compute_job_id(job).hex() == VECTORS["job"]


def test_the_first_evaluation_done_by_hand() -> None:
    first = VECTORS["generations"][0]
    work = first["works"][1]
    message = cbor2.dumps([bytes.fromhex(VECTORS["job"]), 0, bytes.fromhex(work["issuer"]), work["sequence"]])
    seed = blake2b(message, digest_size=32, person=b"tangle/seed").digest()
    assert seed.hex() == work["seed"]
    stream = shake_256(seed).digest(36)
    dataset, opened = load_dataset(DIGITS.dataset), open_job(DIGITS)
    weights = compute_effective(DIGITS, compute_initial_master(DIGITS, opened.id))
    for index, claimed in enumerate(work["results"]):
        bits = [
            1 if byte >> place & 1 else -1
            for byte in stream[18 * index : 18 * index + 18]
            for place in range(8)
        ]
        computed = compute_plain_result(
            [dataset.rows[place].tolist() for place in first["batch"]],
            [int(dataset.labels[place]) for place in first["batch"]],
            [matrix.tolist() for matrix in weights],
            [8],
            8,
            (8_000, 1_000),
            ([bits[0:64], bits[96:128]], [bits[64:96], bits[128:138]]),
        )
        assert computed == claimed
