"""The specification suffices: its rules, written down once more from the document alone, give the same bytes.

``second_reading.py`` imports nothing of the project. What it computes is compared with the project's records.
"""

import json
from typing import Any, Final

import cbor2
import pytest

from aivm.backends.numpy_backend import NumpyBackend
from poi.presets import DIGITS
from shards.bundles import decode_bundle, verify_bundle
from shards.checkpoints import compute_checkpoint_digest
from shards.committee import Committee
from shards.proofs import verify_transaction_proof
from shards.receipt_proofs import verify_receipt_proof
from tangle.core.encoding import encode
from tangle.core.genesis import (
    GENESIS_VERSION,
    Allocation,
    BoardEntry,
    Genesis,
    Validator,
    compute_chain_id,
    decode_genesis,
    encode_genesis,
)
from tangle.core.parameters import DEVNET
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Grains, Milliseconds, PublicKey, Shard
from tangle.ledger.board import start_board
from tangle.ledger.effects import decode_effect, encode_effect
from tangle.ledger.machine import make_genesis_checkpoint
from tangle.ledger.state import make_genesis_state
from tests.docs import second_reading as second
from tests.docs.reading import ROOT

SEEDS: Final = [bytes([number]) * 32 for number in range(1, 5)]

KEYS: Final = [SigningKey(seed).public_key for seed in SEEDS]


def load_vectors(path: str) -> Any:
    return json.loads((ROOT / "tests" / "vectors" / path).read_text(encoding="utf-8"))


def make_genesis() -> Genesis:
    return Genesis(
        version=GENESIS_VERSION,
        name=b"second",
        timestamp_ms=Milliseconds(1_700_000_000_000),
        parameters=DEVNET,
        validators=tuple(Validator(key, weight) for weight, key in enumerate(KEYS, 1)),
        allocations=tuple(
            Allocation(key, Grains(1_000 + place), Grains(10 * place)) for place, key in enumerate(KEYS)
        ),
        board=(BoardEntry(1, encode(DIGITS)),),
    )


def test_names_of_committee_records() -> None:
    vectors = load_vectors("committee/encodings.json")
    chain = bytes.fromhex("766563746f727321")
    assert [
        second.encode([0, author, second.hash_array("tangle/block", [chain, 0, 0, author, bytes(32)])]).hex()
        for author in range(4)
    ] == vectors["genesis_references"]
    for name, purpose in (
        ("block", "tangle/block"),
        ("checkpoint", "tangle/check"),
        ("commit", "tangle/commit"),
    ):
        found = second.compute_hash(purpose, bytes.fromhex(vectors[name])).hex()
        assert found == vectors[f"{name}_digest"]


def test_leaders() -> None:
    vectors = load_vectors("committee/encodings.json")
    drawn = [second.draw_leaders([1, 1, 1, 1], 0, 0, number, 4) for number in range(1, 9)]
    assert drawn == [list(leaders) for leaders in vectors["leaders"]]


def test_a_certificate() -> None:
    vectors = load_vectors("committee/encodings.json")
    index, digest, signatures = cbor2.loads(bytes.fromhex(vectors["certificate"]))
    chain = bytes.fromhex("766563746f727321")
    second.verify_certificate(index, digest, signatures, [(key, 1) for key in KEYS], chain, 0)
    signatures[0][1] = signatures[1][1]
    with pytest.raises(second.Refused):
        second.verify_certificate(index, digest, signatures, [(key, 1) for key in KEYS], chain, 0)


def test_the_genesis_checkpoint() -> None:
    genesis = make_genesis()
    board, _ = start_board(genesis, NumpyBackend())
    state, _ = make_genesis_state(genesis, Shard(0))
    checkpoint = make_genesis_checkpoint(compute_chain_id(genesis), Shard(0), state, board)
    digits = load_vectors("poi/digits.json")
    work = (bytes.fromhex(digits["job"]), bytes.fromhex(digits["initial_digest"]), digits["initial_score"])
    found = second.compute_genesis_checkpoint_digest(encode_genesis(genesis), [work])
    assert found == compute_checkpoint_digest(checkpoint)


def test_a_proof_that_a_network_gave_out() -> None:
    vector = load_vectors("proofs/transfer.json")
    proof, genesis = bytes.fromhex(vector["proof"]), bytes.fromhex(vector["genesis"])
    effect = second.verify_proof(proof, genesis)
    assert effect[0].hex() == vector["transaction"]
    assert effect[1:4] == [vector["status"], vector["fee"], vector["work_counted"]]
    assert [[change[0].hex(), *change[1:]] for change in effect[4]] == vector["changes"]
    proven = verify_transaction_proof(proof, decode_genesis(genesis))
    assert encode_effect(decode_effect(proven.effect)) == second.encode(effect)


def test_a_bundle_between_shards_and_a_proof_of_a_receipt() -> None:
    vector = load_vectors("receipts/bundle.json")
    chain, bits, target = bytes.fromhex(vector["chain"]), vector["shard_bits"], vector["target"]
    validators = [(bytes.fromhex(key), weight) for key, weight in vector["validators"]]
    encoded = bytes.fromhex(vector["bundle"])
    identity, receipts = second.verify_bundle(encoded, validators, chain, target, bits)
    assert identity.hex() == vector["id"]
    stated = [[*each[:3], bytes.fromhex(each[3]), each[4]] for each in vector["receipts"]]
    assert receipts == stated
    committee = Committee(0, tuple(Validator(PublicKey(key), weight) for key, weight in validators))
    reference = verify_bundle(decode_bundle(encoded), committee, ChainId(chain), Shard(target), bits)
    assert [reference.source, reference.index, reference.digest.hex()] == vector["reference"]
    assert second.verify_bundle(bytes.fromhex(vector["empty"]), validators, chain, 3, bits)[1] == []
    proof = bytes.fromhex(vector["proof"])
    assert second.verify_receipt_proof(proof, validators, chain, bits) == stated[-1]
    verify_receipt_proof(proof, ChainId(chain), bits, lambda shard, epoch: committee)
    changed = cbor2.loads(encoded)
    changed[3][0][4] += 1
    with pytest.raises(second.Refused):
        second.verify_bundle(second.encode(changed), validators, chain, target, bits)


def test_works_of_the_digits_job() -> None:
    digits = load_vectors("poi/digits.json")
    job = cbor2.loads(bytes.fromhex(digits["parameters"]))
    identity = second.hash_array("tangle/job", [job])
    assert identity.hex() == digits["job"]
    weights = second.compute_initial_weights(job, identity)
    assert second.compute_weights_digest(job, identity, 0, weights).hex() == digits["initial_digest"]
    for number, generation in enumerate(digits["generations"]):
        assert second.compute_batch(job, identity, number, 1_437) == generation["batch"]
        votes = []
        for work in generation["works"]:
            issuer = bytes.fromhex(work["issuer"])
            seed = second.hash_array("tangle/seed", [identity, number, issuer, work["sequence"]])
            assert seed.hex() == work["seed"]
            votes += list(
                zip(second.draw_signs(job, seed, len(work["results"])), work["results"], strict=True)
            )
        weights = second.fold(job, weights, votes)
        digest = second.compute_weights_digest(job, identity, number + 1, weights)
        assert digest.hex() == generation["next_digest"]


def test_prices() -> None:
    vectors = load_vectors("ledger/fees.json")
    for market in vectors["markets"]:
        found = second.Market(market["parameters"], market["market"])
        for weight, timestamp_ms, expected in market["checkpoints"]:
            found.move(weight, timestamp_ms)
            assert found.get_figures() == expected
