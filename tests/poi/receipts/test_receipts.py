"""Receipts of every level: verified offline from bytes; nothing altered, missing or unrecorded passes."""

from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from aivm.verification.errors import InvalidProofOfProduct, MissingData, WrongCommitment, WrongTensor
from aivm.verification.proving import prove_run
from aivm.verification.trace import Context, Trace
from poi.receipts.check import (
    Agreement,
    ErrorBound,
    Facts,
    FormOnly,
    Materials,
    Negligible,
    Sampled,
    Survived,
    verify_receipt,
)
from poi.receipts.errors import MissingMaterial, ReservedLevel, UnrecordedFact, UnsupportedClaim
from poi.receipts.record import (
    RECEIPT_SIZE_MAX,
    Admitted,
    Bound,
    Disputed,
    Evidence,
    Level,
    Projected,
    Proven,
    Receipt,
    Replicated,
    SpotChecked,
    decode_receipt,
    encode_receipt,
)
from tangle.core.errors import MalformedEncoding, OversizeEncoding, TangleError
from tangle.core.types import Digest, Milliseconds, PublicKey
from tests.aivm.verification.builders import CONTEXT, change, make_layered
from tests.poi.receipts.builders import (
    COMMITMENT,
    PROGRAM,
    TENSORS,
    TRACE,
    WORKERS,
    alter_materials,
    make_disputed,
    make_evidence,
    make_liar,
    make_materials,
    make_receipt,
    make_replica,
    make_replicated,
    make_spot_checked,
)

LEVELS = range(7)
BOUNDS: list[ErrorBound] = [
    FormOnly(),
    FormOnly(),
    Sampled(4, 86),
    Negligible(60, 1, is_public=False),
    Agreement(3, 4),
    Survived(),
    Negligible(106, 1, is_public=True),
]


def verify(evidence: Evidence, materials: Materials | None = None) -> Any:
    return verify_receipt(encode_receipt(make_receipt(evidence)), materials or make_materials(evidence))


@pytest.mark.parametrize("level", LEVELS)
def test_receipts_of_every_level_are_verified(level: int) -> None:
    evidence = make_evidence(level)
    data = encode_receipt(make_receipt(evidence))
    report = verify_receipt(data, make_materials(evidence))
    assert report.level == level == make_receipt(evidence).level
    assert report.error_bound == BOUNDS[level]
    assert report.receipt_bytes == len(data)
    assert report.work_macs == 260 * (270 * 260 + 260 * 4)
    assert report.check_macs * 10 < report.work_macs
    assert decode_receipt(data) == make_receipt(evidence)


def test_level_seven_is_reserved() -> None:
    plain = cbor2.loads(encode_receipt(make_receipt(Bound())))
    plain[3] = [7, b"a proof of tomorrow"]
    with pytest.raises(ReservedLevel):
        decode_receipt(cbor2.dumps(plain))


@pytest.mark.parametrize("change_", [[], 5, [[0]], [1, b"", [], [7.5]], [2, b"", [], [0]]], ids=str)
def test_what_is_no_receipt_is_refused(change_: object) -> None:
    with pytest.raises(MalformedEncoding):
        decode_receipt(cbor2.dumps(change_))


def test_a_receipt_that_is_too_long_is_refused() -> None:
    with pytest.raises(OversizeEncoding):
        decode_receipt(bytes(RECEIPT_SIZE_MAX + 1))


@given(st.sampled_from(LEVELS[1:]), st.data())
@settings(max_examples=400)
def test_no_altered_byte_passes_for_the_same_result(level: int, data: st.DataObject) -> None:
    evidence = make_evidence(level)
    good = encode_receipt(make_receipt(evidence))
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + bytes([good[place] ^ data.draw(st.integers(1, 255))]) + good[place + 1 :]
    try:
        report = verify_receipt(bad, make_materials(evidence))
    except TangleError:
        return
    # What is left are true variants: another bound, another majority asked for.
    receipt = decode_receipt(bad)
    assert report.level == receipt.level
    assert (receipt.commitment.outputs, receipt.commitment.root) == (COMMITMENT.outputs, COMMITMENT.root)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "context",
    [
        Context(Digest(bytes(32)), CONTEXT.worker, CONTEXT.epoch),
        Context(CONTEXT.task, WORKERS[1], CONTEXT.epoch),
        Context(CONTEXT.task, CONTEXT.worker, CONTEXT.epoch + 1),
    ],
    ids=["task", "worker", "epoch"],
)
def test_a_receipt_about_something_else_is_refused(level: int, context: Context) -> None:
    evidence = make_evidence(level)
    with pytest.raises(WrongCommitment):
        verify(evidence, alter_materials(evidence, context=context))


@pytest.mark.parametrize("level", LEVELS)
def test_another_program_input_or_output_is_refused(level: int) -> None:
    evidence = make_evidence(level)
    other = make_layered((270, 260, 4), 260, seed=5)[0]
    wrong_input, wrong_output = change(TENSORS, 0)[:1], change(TENSORS, len(TENSORS) - 1)[-1:]
    for changes in ({"program": other}, {"inputs": wrong_input}, {"outputs": wrong_output}):
        with pytest.raises(WrongCommitment):
            verify(evidence, alter_materials(evidence, **changes))
    with pytest.raises(WrongCommitment):
        verify(evidence, alter_materials(evidence, outputs=(TENSORS[-1].reshape(-1),)))
    with pytest.raises(WrongCommitment):
        verify(evidence, alter_materials(evidence, outputs=(TENSORS[-1],) * 2))


@pytest.mark.parametrize("level", LEVELS[1:])
def test_outputs_that_are_not_of_the_trace_are_refused(level: int) -> None:
    evidence = make_evidence(level)
    receipt = replace(make_receipt(evidence), outputs=())
    with pytest.raises(WrongCommitment):
        verify_receipt(encode_receipt(receipt), make_materials(evidence))
    claim = replace(COMMITMENT, outputs=(Digest(bytes(32)),))
    receipt = replace(make_receipt(evidence), commitment=claim)
    with pytest.raises(WrongCommitment):
        verify_receipt(encode_receipt(receipt), alter_materials(evidence, outputs=()))


def test_level_zero_shows_nothing() -> None:
    receipt = Receipt(1, COMMITMENT, TRACE.open_outputs(), Admitted())
    with pytest.raises(UnsupportedClaim):
        verify_receipt(encode_receipt(receipt), make_materials(Admitted()))


@pytest.mark.parametrize("level", [2, 3, 4, 5])
def test_what_the_ledger_does_not_know_supports_nothing(level: int) -> None:
    evidence = make_evidence(level)
    with pytest.raises(UnrecordedFact):
        verify(evidence, alter_materials(evidence, facts=Facts()))


@pytest.mark.parametrize("level", [3, 6])
def test_inputs_and_served_tensors_are_needed_where_products_are_judged(level: int) -> None:
    evidence = make_evidence(level)
    with pytest.raises(MissingMaterial):
        verify(evidence, alter_materials(evidence, inputs=()))
    with pytest.raises(MissingData):
        verify(evidence, alter_materials(evidence, served={}))
    wrong = {PROGRAM.first: change(TENSORS, PROGRAM.first, 5)[PROGRAM.first]}
    with pytest.raises((WrongTensor, InvalidProofOfProduct)):
        verify(evidence, alter_materials(evidence, served=wrong))


def test_public_challenges_need_more_bits() -> None:
    assert verify(Projected(b"", 120)).error_bound == Negligible(120, 1, is_public=True)
    with pytest.raises(UnsupportedClaim):
        verify(Projected(b"", 119))


def test_a_spot_check_that_shows_too_little_or_too_much_is_refused() -> None:
    evidence = make_spot_checked()
    with pytest.raises(MissingData):
        verify(replace(evidence, openings=evidence.openings[1:]))
    with pytest.raises(WrongCommitment):
        verify(replace(evidence, openings=(*evidence.openings, evidence.openings[0])))
    with pytest.raises((MissingData, WrongCommitment)):
        verify(replace(evidence, count=5))


def test_a_missing_or_foreign_proof_is_refused() -> None:
    evidence = make_evidence(6)
    assert isinstance(evidence, Proven)
    with pytest.raises(MissingData):
        verify(Proven(()))
    with pytest.raises(UnsupportedClaim):
        verify(Proven(evidence.proofs * 2))
    with pytest.raises(UnsupportedClaim):
        verify(Proven(prove_run(TRACE, TENSORS, 1)))
    moved = replace(evidence.proofs[0], group=1)
    with pytest.raises(MissingData):
        verify(Proven((moved,)))


def test_replicas_must_agree_be_assigned_and_count_once() -> None:
    with pytest.raises(UnsupportedClaim):
        verify(make_replicated(wrong=(1,)))
    with pytest.raises(UnsupportedClaim):
        verify(make_replicated(wrong=(1, 2, 3), silent=()))
    good = make_replicated()
    with pytest.raises(UnsupportedClaim):
        verify(replace(good, replicas=good.replicas * 2))
    with pytest.raises(UnsupportedClaim):
        verify(replace(make_replicated(silent=(0,))))
    stranger = make_replica(PublicKey(b"\x99" * 32))
    with pytest.raises(TangleError):
        verify(replace(good, replicas=(*good.replicas, stranger)))
    with pytest.raises(TangleError):
        verify(replace(good, needed=2))


def test_a_dispute_must_be_over_and_won_and_about_this() -> None:
    good = make_evidence(5)
    assert isinstance(good, Disputed)
    with pytest.raises(UnsupportedClaim):
        verify(replace(good, moves=good.moves[:-1]))
    with pytest.raises(UnsupportedClaim):
        verify(
            replace(good, terms=replace(good.terms, commitment=replace(COMMITMENT, root=Digest(bytes(32)))))
        )
    with pytest.raises(TangleError):
        verify(replace(good, moves=good.moves[1:]))


def test_a_silent_challenger_leaves_a_receipt_too() -> None:
    assert verify(make_disputed(make_liar(), is_challenger_silent=True)).error_bound == Survived()


def test_a_refuted_claim_has_no_receipt() -> None:
    good = make_evidence(5)
    assert isinstance(good, Disputed)
    silent = replace(good, moves=(), ended_ms=Milliseconds(good.began_ms + 901))
    assert verify(silent).error_bound == Survived()  # both were silent: the claim stands
    challenger_moves = tuple(move for move in good.moves[:2] if move.side == 1)
    with pytest.raises(UnsupportedClaim, match="refuted"):
        verify(replace(silent, moves=challenger_moves))


@pytest.mark.parametrize("kind", [Admitted, Bound, SpotChecked, Projected, Replicated, Disputed, Proven])
def test_the_tag_is_the_level(kind: type) -> None:
    evidence = next(make_evidence(level) for level in LEVELS if isinstance(make_evidence(level), kind))
    assert cbor2.loads(encode_receipt(make_receipt(evidence)))[3][0] == make_receipt(evidence).level
    assert len(Level) == 8


def test_a_lie_gets_no_receipt_of_a_level_that_looks() -> None:
    lie = Trace(PROGRAM, change(TENSORS, PROGRAM.first, 7), CONTEXT)
    receipt = Receipt(1, lie.commitment, lie.open_outputs(), Projected(b"", 120))
    served = {PROGRAM.first: change(TENSORS, PROGRAM.first, 7)[PROGRAM.first]}
    materials = Materials(PROGRAM, CONTEXT, TENSORS[:1], TENSORS[-1:], served)
    with pytest.raises(WrongTensor):
        verify_receipt(encode_receipt(receipt), materials)
