"""Checkpoints, certificates and the aggregator of attestations."""

from itertools import permutations

import pytest
from msgspec.structs import replace

from shards.blocks import Attestation
from shards.certificates import (
    LATE_MAX,
    OPEN_PER_AUTHOR_MAX,
    Attestations,
    AuthorSignature,
    Certificate,
    Certified,
    Forked,
    decode_certificate,
    encode_certificate,
    verify_certificate,
)
from shards.checkpoints import (
    SupplyTotals,
    check_supply,
    compute_checkpoint_digest,
    decode_checkpoint,
    encode_checkpoint,
    sign_attestation,
)
from shards.errors import InvalidCertificate, SupplyBroken
from tangle.core.errors import InvalidSignature, UnsupportedVersion
from tangle.core.types import ChainId, CheckpointIndex, Digest, Shard
from tests.drawing.blocks import make_committee, make_keys
from tests.shards.samples import CHAIN, SHARD, make_certificate, make_checkpoint

COMMITTEE = make_committee(4)
KEYS = make_keys(4)
CHECKPOINT = make_checkpoint(COMMITTEE)
DIGEST = compute_checkpoint_digest(CHECKPOINT)
OTHER = Digest(b"o" * 32)


def attest(author: int, index: int = 1, digest: Digest = DIGEST) -> Attestation:
    return sign_attestation(digest, CheckpointIndex(index), SHARD, KEYS[author], CHAIN)


def test_checkpoints_survive_encoding_and_their_digest_binds_every_field() -> None:
    assert decode_checkpoint(encode_checkpoint(CHECKPOINT)) == CHECKPOINT
    changed = [
        replace(CHECKPOINT, ordered_count=1),
        replace(CHECKPOINT, epoch=1),
        replace(CHECKPOINT, models=()),
    ]
    assert len({DIGEST, *map(compute_checkpoint_digest, changed)}) == 4


def test_a_checkpoint_of_another_version_is_refused() -> None:
    with pytest.raises(UnsupportedVersion):
        decode_checkpoint(encode_checkpoint(replace(CHECKPOINT, version=2)))


def test_the_supply_adds_up_or_the_node_stops() -> None:
    check_supply(CHECKPOINT.supply)
    for name in SupplyTotals.__struct_fields__:
        off_by_one = replace(CHECKPOINT.supply, **{name: getattr(CHECKPOINT.supply, name) + 1})
        with pytest.raises(SupplyBroken):
            check_supply(off_by_one)


def test_every_quorum_makes_a_certificate() -> None:
    for authors in permutations(range(4), 3):
        gathered = Attestations(COMMITTEE)
        assert gathered.process_attestation(authors[0], attest(authors[0])) is None
        assert gathered.process_attestation(authors[1], attest(authors[1])) is None
        outcome = gathered.process_attestation(authors[2], attest(authors[2]))
        assert isinstance(outcome, Certified)
        verify_certificate(outcome.certificate, COMMITTEE, CHAIN, SHARD)
        assert decode_certificate(encode_certificate(outcome.certificate)) == outcome.certificate


def test_one_author_counts_once() -> None:
    gathered = Attestations(COMMITTEE)
    for _ in range(5):
        assert gathered.process_attestation(0, attest(0)) is None
    gathered.process_attestation(1, attest(1))
    assert gathered.process_attestation(1, attest(1, digest=OTHER)) is None
    assert isinstance(gathered.process_attestation(2, attest(2)), Certified)


def test_other_digests_do_not_count() -> None:
    gathered = Attestations(COMMITTEE)
    gathered.process_attestation(0, attest(0, digest=OTHER))
    gathered.process_attestation(1, attest(1))
    assert gathered.process_attestation(2, attest(2)) is None
    outcome = gathered.process_attestation(3, attest(3))
    assert isinstance(outcome, Certified)
    assert [part.author for part in outcome.certificate.signatures] == [1, 2, 3]


def test_late_attestations_change_nothing() -> None:
    gathered = Attestations(COMMITTEE)
    outcomes = [gathered.process_attestation(author, attest(author)) for author in range(4)]
    assert isinstance(outcomes[2], Certified)
    assert outcomes[3] is None
    assert gathered.last_certified == 1


def test_a_checkpoint_can_be_certified_after_its_successor() -> None:
    gathered = Attestations(COMMITTEE)
    gathered.process_attestation(0, attest(0, 1))
    gathered.process_attestation(1, attest(1, 1))
    for author in range(3):
        gathered.process_attestation(author, attest(author, 2))
    assert gathered.last_certified == 2
    assert isinstance(gathered.process_attestation(3, attest(3, 1)), Certified)
    assert gathered.last_certified == 2


@pytest.mark.parametrize("own_first", [True, False])
def test_a_node_that_executed_differently_learns_it(own_first: bool) -> None:
    gathered = Attestations(COMMITTEE)
    outcomes: list[object] = []
    if own_first:
        outcomes.append(gathered.process_own(CheckpointIndex(1), OTHER))
    outcomes += [gathered.process_attestation(author, attest(author)) for author in range(3)]
    if not own_first:
        outcomes.append(gathered.process_own(CheckpointIndex(1), OTHER))
    assert [outcome for outcome in outcomes if isinstance(outcome, Forked)] == [
        Forked(CheckpointIndex(1), OTHER, DIGEST)
    ]


def test_an_equal_own_digest_is_no_fork() -> None:
    gathered = Attestations(COMMITTEE)
    assert gathered.process_own(CheckpointIndex(1), DIGEST) is None
    assert gathered.process_attestation(0, attest(0)) is None
    assert gathered.process_attestation(1, attest(1)) is None
    assert isinstance(gathered.process_attestation(2, attest(2)), Certified)
    assert gathered.last_certified == 1


def test_memory_stays_bounded_when_one_author_attests_everything() -> None:
    gathered = Attestations(COMMITTEE)
    sample = attest(0)
    for index in range(1, OPEN_PER_AUTHOR_MAX * 3):
        gathered.process_attestation(0, replace(sample, index=CheckpointIndex(index)))
    assert len(gathered._open[0]) == OPEN_PER_AUTHOR_MAX
    for author in range(1, 3):
        gathered.process_attestation(author, attest(author))
    assert gathered.last_certified == 1, "the lowest are kept"


def test_memory_stays_bounded_over_many_checkpoints() -> None:
    gathered = Attestations(COMMITTEE)
    for index in range(1, LATE_MAX * 4):
        gathered.process_own(CheckpointIndex(index), DIGEST)
        for author in range(4):
            gathered.process_attestation(
                author, Attestation(CheckpointIndex(index), DIGEST, attest(0).signature)
            )
    assert sum(map(len, gathered._open)) == 0
    assert len(gathered._done) <= LATE_MAX
    assert not gathered._own
    assert not gathered._certified


GOOD = make_certificate(COMMITTEE, CHECKPOINT)
PARTS = GOOD.signatures


@pytest.mark.parametrize(
    "signatures",
    [
        PARTS[:2],
        (PARTS[0], PARTS[0], PARTS[1], PARTS[2]),
        (PARTS[1], PARTS[0], PARTS[2]),
        (*PARTS, AuthorSignature(4, PARTS[0].signature)),
    ],
)
def test_a_certificate_without_a_proper_quorum_is_refused(signatures: tuple[AuthorSignature, ...]) -> None:
    with pytest.raises(InvalidCertificate):
        verify_certificate(replace(GOOD, signatures=signatures), COMMITTEE, CHAIN, SHARD)


@pytest.mark.parametrize(
    ("certificate", "chain", "shard"),
    [
        (replace(GOOD, digest=OTHER), CHAIN, SHARD),
        (replace(GOOD, index=CheckpointIndex(2)), CHAIN, SHARD),
        (replace(GOOD, signatures=(*PARTS[:2], AuthorSignature(2, PARTS[2].signature))), CHAIN, SHARD),
        (GOOD, ChainId(b"another!"), SHARD),
        (GOOD, CHAIN, Shard(1)),
    ],
)
def test_signatures_bind_everything(certificate: Certificate, chain: ChainId, shard: Shard) -> None:
    with pytest.raises(InvalidSignature):
        verify_certificate(certificate, COMMITTEE, chain, shard)


def test_weight_decides_and_not_the_number_of_signers() -> None:
    heavy = make_committee(4, weights=[7, 1, 1, 1])
    verify_certificate(replace(GOOD, signatures=PARTS[:1]), heavy, CHAIN, SHARD)
    with pytest.raises(InvalidCertificate):
        verify_certificate(replace(GOOD, signatures=PARTS[1:]), heavy, CHAIN, SHARD)
