"""Receipts in one file: whatever is changed in one is found, offline, by whoever reads it."""

import base64
import json
from functools import cache

import pytest
from msgspec.structs import replace

from aivm.verification.serving import encode_served
from aivm.verification.trace import Commitment, Context, Trace
from poi.countersigning import Sealed, compute_result_digest, sign_shown
from poi.receipts.check import Negligible
from poi.receipts.errors import MissingMaterial
from poi.receipts.record import (
    VERSION,
    Countersigned,
    Level,
    Receipt,
    SignedReplica,
    encode_receipt,
)
from poi.replication import compute_seal
from shards.certificates import AuthorSignature, Certificate
from shards.checkpoints import compute_checkpoint_digest, sign_attestation
from shards.epochs import EpochEnd
from tangle.client.receipt_file import (
    FILE_SIZE_MAX,
    encode_receipt_file,
    make_job_receipt,
    verify_receipt_file,
)
from tangle.core.errors import InvalidSignature, MalformedEncoding, OversizeEncoding, TangleError
from tangle.core.genesis import Validator, compute_chain_id
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Digest, PublicKey, Signature
from tests.aivm.verification.builders import make_wide_graph
from tests.api.ledger_double import VALIDATOR, make_genesis
from tests.drawing.blocks import make_committee
from tests.shards.samples import make_checkpoint

CONTEXT = Context(Digest(b"j" * 32), PublicKey(b"w" * 32), 3)

OTHER_CHAIN = ChainId(b"12345678")


@cache
def make_run() -> tuple[Commitment, bytes]:
    """A worker's claim and what it serves."""
    program, tensors = make_wide_graph()
    return Trace(program, tensors, CONTEXT).commitment, encode_served(program, tensors)


@cache
def make_file() -> bytes:
    """The receipt of that run."""
    program, tensors = make_wide_graph()
    commitment, served = make_run()
    inputs = tensors[: len(program.inputs)]
    receipt, outputs = make_job_receipt(program.bound, commitment, inputs, served)
    return encode_receipt_file(receipt, program.bound, inputs, outputs, served)


@cache
def make_countersigned_file(signer: bytes = b"v", chain: ChainId = OTHER_CHAIN) -> bytes:
    """A receipt of the same run that one validator signed."""
    program, tensors = make_wide_graph()
    key, salt = SigningKey(signer * 32), Digest(b"s" * 32)
    trace = Trace(program, tensors, Context(CONTEXT.task, key.public_key, CONTEXT.epoch))
    seal = compute_seal(CONTEXT.task, key.public_key, compute_result_digest(trace.commitment), salt)
    seals = (Sealed(key.public_key, seal),)
    replica = SignedReplica(trace.commitment, salt, sign_shown(key, chain, seals, trace.commitment, salt))
    evidence = Countersigned(seals, 1, (replica,))
    receipt = encode_receipt(Receipt(VERSION, trace.commitment, trace.open_outputs(), evidence))
    outputs = tuple(tensors[number] for number in program.outputs)
    return encode_receipt_file(receipt, program.bound, tensors[: len(program.inputs)], outputs)


def test_signatures_of_validators_need_to_be_known_as_such() -> None:
    with pytest.raises(MissingMaterial):
        verify_receipt_file(make_countersigned_file())
    genesis = make_genesis()
    with pytest.raises(TangleError):
        verify_receipt_file(make_countersigned_file(), genesis)  # it signed for another chain


def test_validators_of_later_epochs_are_known_by_the_ends_of_epochs() -> None:
    genesis, newcomer = make_genesis(), SigningKey(b"n" * 32)
    chain = compute_chain_id(genesis)
    checkpoint = replace(
        make_checkpoint(make_committee(4)),
        chain=chain,
        epoch=1,
        committee_epoch=0,
        next_committee=(Validator(newcomer.public_key, 1),),
    )
    digest = compute_checkpoint_digest(checkpoint)
    signed = sign_attestation(digest, checkpoint.index, checkpoint.shard, VALIDATOR, chain)
    certificate = Certificate(checkpoint.index, digest, (AuthorSignature(0, signed.signature),))
    file = make_countersigned_file(b"n", chain)
    with pytest.raises(TangleError):
        verify_receipt_file(file, genesis)
    checked = verify_receipt_file(file, genesis, [EpochEnd(checkpoint, certificate)])
    assert checked.commitment.context.worker == newcomer.public_key
    forged = replace(certificate, signatures=(AuthorSignature(0, Signature(bytes(64))),))
    with pytest.raises(InvalidSignature):
        verify_receipt_file(file, genesis, [EpochEnd(checkpoint, forged)])


def test_a_receipt_needs_nothing_but_its_file() -> None:
    checked = verify_receipt_file(make_file())
    program, tensors = make_wide_graph()
    assert checked.report.level is Level.PROJECTED
    assert isinstance(checked.report.error_bound, Negligible)
    assert checked.report.error_bound.error_bits >= 120
    assert checked.commitment.context == CONTEXT
    for number, output in zip(program.outputs, checked.outputs, strict=True):
        assert (output == tensors[number]).all()


def test_a_run_that_is_not_right_gets_no_receipt() -> None:
    program, tensors = make_wide_graph()
    commitment, served = make_run()
    inputs = tensors[: len(program.inputs)]
    assert served, "the run has products that only their worker can serve"
    for wrong in (b"", served[:-1], bytes([served[0] ^ 1]) + served[1:]):
        with pytest.raises(TangleError):
            make_job_receipt(program.bound, commitment, inputs, wrong)
    other = inputs[0].copy()
    other.flat[0] ^= 1
    with pytest.raises(TangleError):
        make_job_receipt(program.bound, commitment, (other, *inputs[1:]), served)


@pytest.mark.parametrize("field", ["receipt", "package", "inputs", "outputs", "served"])
def test_no_part_of_the_file_can_be_changed(field: str) -> None:
    file = json.loads(make_file())
    is_list = isinstance(file[field], list)
    content = base64.b64decode(file[field][0] if is_list else file[field])
    for place in (0, len(content) // 2, len(content) - 2):  # the last byte of a receipt is its number of bits
        wrong = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        changed = base64.b64encode(wrong).decode()
        forged = file | {field: [changed, *file[field][1:]] if is_list else changed}
        with pytest.raises(TangleError):
            verify_receipt_file(json.dumps(forged).encode())


def test_what_is_no_receipt_file_is_refused() -> None:
    whole = make_file()
    for data in (
        b"",
        b"{}",
        b"\xff",
        b"[]",
        whole[:-20],
        whole.replace(b"tangle-receipt-1", b"tangle-receipt-2"),
    ):
        with pytest.raises(MalformedEncoding):
            verify_receipt_file(data)
    with pytest.raises(OversizeEncoding):
        verify_receipt_file(b" " * (FILE_SIZE_MAX + 1))
    file = json.loads(whole)
    for field in ("inputs", "outputs"):
        with pytest.raises(TangleError):
            verify_receipt_file(json.dumps(file | {field: []}).encode())
