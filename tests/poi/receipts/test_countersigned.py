"""Level 4 without a ledger's record: workers that sealed towards each other, and signed what they showed."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from aivm.verification.trace import Context, Trace
from poi.countersigning import (
    Sealed,
    compute_result_digest,
    sign_seal,
    sign_shown,
    verify_sealed,
    verify_shown,
)
from poi.errors import InvalidReplication, WrongSeal
from poi.receipts.check import Agreement, Facts, Materials, verify_receipt
from poi.receipts.errors import MissingMaterial, UnrecordedFact, UnsupportedClaim
from poi.receipts.record import Countersigned, Level, Receipt, SignedReplica, decode_receipt, encode_receipt
from poi.replication import compute_seal
from tangle.core.errors import InvalidSignature, TangleError
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Digest
from tests.aivm.verification.builders import CONTEXT, change, make_layered

PROGRAM, TENSORS = make_layered((4, 3), 2)
CHAIN: Final = ChainId(b"\x01" * 8)
KEYS: Final = sorted((SigningKey(bytes([number]) * 32) for number in (1, 2, 3)), key=lambda k: k.public_key)
COMMITTEE: Final = frozenset(key.public_key for key in KEYS)


def make_trace(key: SigningKey, *, is_wrong: bool = False) -> Trace:
    tensors = change(TENSORS, len(TENSORS) - 1) if is_wrong else TENSORS
    return Trace(PROGRAM, tensors, Context(CONTEXT.task, key.public_key, 0))


def make_salt(key: SigningKey) -> Digest:
    return Digest(key.public_key[::-1])


def make_seal(key: SigningKey, *, is_wrong: bool = False) -> Sealed:
    result = compute_result_digest(make_trace(key, is_wrong=is_wrong).commitment)
    return Sealed(key.public_key, compute_seal(CONTEXT.task, key.public_key, result, make_salt(key)))


def make_receipt(wrong: tuple[int, ...] = (), silent: tuple[int, ...] = (), needed: int = 2) -> Receipt:
    """All three seal; those that are not silent show."""
    seals = tuple(make_seal(key, is_wrong=place in wrong) for place, key in enumerate(KEYS))
    replicas = []
    for place, key in enumerate(KEYS):
        if place not in silent:
            commitment = make_trace(key, is_wrong=place in wrong).commitment
            signature = sign_shown(key, CHAIN, seals, commitment, make_salt(key))
            replicas.append(SignedReplica(commitment, make_salt(key), signature))
    claim = next(make_trace(key) for place, key in enumerate(KEYS) if place not in (*wrong, *silent))
    evidence = Countersigned(seals, needed, tuple(replicas))
    return Receipt(1, claim.commitment, claim.open_outputs(), evidence)


def verify(receipt: Receipt, **facts: Any) -> Any:
    known = Facts(**{"chain": CHAIN, "committee": COMMITTEE, **facts})
    materials = Materials(PROGRAM, receipt.commitment.context, TENSORS[:1], TENSORS[-1:], facts=known)
    return verify_receipt(encode_receipt(receipt), materials)


def change_evidence(receipt: Receipt, **changes: Any) -> Receipt:
    return replace(receipt, evidence=replace(receipt.evidence, **changes))


@pytest.mark.parametrize(
    ("wrong", "silent", "agreeing"), [((), (), 3), ((0,), (), 2), ((), (2,), 2)], ids=str
)
def test_two_of_three_are_enough(wrong: tuple[int, ...], silent: tuple[int, ...], agreeing: int) -> None:
    report = verify(make_receipt(wrong, silent))
    assert report.level == Level.REPLICATED
    assert report.error_bound == Agreement(agreeing, 3)


@pytest.mark.parametrize(("wrong", "silent"), [((0,), (1,)), ((), (0, 1))], ids=str)
def test_one_of_three_is_not(wrong: tuple[int, ...], silent: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedClaim):
        verify(make_receipt(wrong, silent))
    with pytest.raises(InvalidReplication):
        verify(make_receipt(wrong, silent, needed=1))


def test_it_needs_the_chain_and_its_validators() -> None:
    with pytest.raises(MissingMaterial):
        verify(make_receipt(), chain=None)
    with pytest.raises(InvalidSignature):
        verify(make_receipt(), chain=ChainId(b"\x02" * 8))
    with pytest.raises(UnrecordedFact):
        verify(make_receipt(), committee=frozenset(sorted(COMMITTEE)[1:]))


def test_a_copied_result_has_no_seal() -> None:
    good = make_receipt()
    assert isinstance(good.evidence, Countersigned)
    seals, replicas = good.evidence.seals, good.evidence.replicas
    late = make_seal(KEYS[0], is_wrong=True)  # what the copier had sealed before it saw the others
    with pytest.raises(WrongSeal):
        verify(change_evidence(good, seals=(late, *seals[1:])))
    with pytest.raises(InvalidSignature):
        verify(change_evidence(good, seals=seals[:2], replicas=replicas[:2]))
    with pytest.raises(InvalidReplication):
        verify(change_evidence(good, seals=seals[1:]))


def test_workers_count_once_and_in_order() -> None:
    good = make_receipt()
    assert isinstance(good.evidence, Countersigned)
    replicas = good.evidence.replicas
    with pytest.raises(UnsupportedClaim):
        verify(change_evidence(good, replicas=(replicas[0], replicas[0])))
    with pytest.raises(InvalidReplication):
        verify(change_evidence(good, seals=good.evidence.seals[::-1]))
    with pytest.raises(UnsupportedClaim):
        verify(change_evidence(good, replicas=replicas[1:]))


def test_a_seal_comes_from_its_worker() -> None:
    sealed = make_seal(KEYS[0])
    signature = sign_seal(KEYS[0], CHAIN, CONTEXT.task, sealed.seal)
    verify_sealed(sealed, CHAIN, CONTEXT.task, signature)
    for false in (replace(sealed, worker=KEYS[1].public_key), replace(sealed, seal=Digest(bytes(32)))):
        with pytest.raises(InvalidSignature):
            verify_sealed(false, CHAIN, CONTEXT.task, signature)
    with pytest.raises(InvalidSignature):
        verify_sealed(sealed, CHAIN, Digest(bytes(32)), signature)
    # A signature under a seal never passes for one under a result.
    with pytest.raises(InvalidSignature):
        verify_shown((sealed,), make_trace(KEYS[0]).commitment, make_salt(KEYS[0]), CHAIN, signature)


@given(st.data())
@settings(max_examples=300)
def test_no_altered_byte_passes_for_another_result(data: st.DataObject) -> None:
    receipt = make_receipt()
    good = encode_receipt(receipt)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + bytes([good[place] ^ data.draw(st.integers(1, 255))]) + good[place + 1 :]
    facts = Facts(chain=CHAIN, committee=COMMITTEE)
    materials = Materials(PROGRAM, receipt.commitment.context, TENSORS[:1], TENSORS[-1:], facts=facts)
    try:
        verify_receipt(bad, materials)
    except TangleError:
        return
    assert decode_receipt(bad).commitment == receipt.commitment  # only how many were needed may vary
