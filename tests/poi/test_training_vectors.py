"""The published table, its blob, and the standing job that it becomes."""

import json
from pathlib import Path
from typing import Any

import cbor2

from tests.docs import second_reading as second
from tools.make_training_vectors import make_vectors

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "poi" / "training.json").read_text(encoding="utf-8")
)


def test_the_published_file_is_what_the_code_computes() -> None:
    assert make_vectors() == VECTORS


def test_the_document_alone_leads_to_the_same_roots_and_ids() -> None:
    """Sections 4.10, 5.2, 5.11 and 5.15, with the small second implementation."""
    version, width, *parts, _ = cbor2.loads(bytes.fromhex(VECTORS["blob"]))
    assert version == 1
    for root, rows, labels in (("training_root", *parts[:2]), ("holdout_root", *parts[2:])):
        leaves = [
            rows[place * width : (place + 1) * width] + labels[place : place + 1]
            for place in range(len(labels))
        ]
        joined = second.hash_array(
            "tangle/dataset", [second.compute_root(leaves), b"uint8", len(labels), width]
        )
        assert joined.hex() == VECTORS[root]
    customer = bytes.fromhex(VECTORS["customer"])
    name = second.hash_array("tangle/market", [customer, VECTORS["sequence"]])
    assert name.hex() == VECTORS["name"]
    parameters = cbor2.loads(bytes.fromhex(VECTORS["parameters"]))
    assert parameters[11] == bytes(32)
    job = [*parameters[:11], name, *parameters[12:]]
    identity = second.hash_array("tangle/job", [job])
    assert identity.hex() == VECTORS["job"]
    weights = second.compute_initial_weights(job, identity)
    assert second.compute_weights_digest(job, identity, 0, weights).hex() == VECTORS["initial_digest"]
