"""From one committee to the next, by the last checkpoints of epochs alone."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from shards.certificates import AuthorSignature, Certificate
from shards.checkpoints import Checkpoint, compute_checkpoint_digest, sign_attestation
from shards.committee import Committee
from shards.epochs import (
    EpochEnd,
    decode_epoch_chain,
    encode_epoch_chain,
    follow_epochs,
    make_next_committee,
    verify_epoch_end,
)
from shards.errors import BrokenEpochChain, InvalidCertificate
from tangle.core.encoding import encode
from tangle.core.errors import InvalidSignature, MalformedEncoding, UnsupportedVersion, WrongChain
from tangle.core.genesis import Validator
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, CheckpointIndex, Shard
from tests.drawing.blocks import make_keys
from tests.shards.samples import CHAIN, make_checkpoint

KEYS = make_keys(8)


def make_committee(epoch: int, keys: Sequence[SigningKey]) -> Committee:
    return Committee(epoch, tuple(Validator(key.public_key, 1) for key in keys))


FIRST = make_committee(0, KEYS[:4])


def sign(checkpoint: Checkpoint, keys: Sequence[SigningKey]) -> Certificate:
    digest = compute_checkpoint_digest(checkpoint)
    index = CheckpointIndex(checkpoint.index)
    signed = [sign_attestation(digest, index, checkpoint.shard, key, CHAIN) for key in keys]
    parts = tuple(AuthorSignature(author, each.signature) for author, each in enumerate(signed))
    return Certificate(index, digest, parts)


def make_end(
    committee_epoch: int,
    epoch: int,
    signers: Sequence[SigningKey],
    next_keys: Sequence[SigningKey] | None = None,
) -> EpochEnd:
    """The end of an epoch; without keys the same validators go on."""
    elected = () if next_keys is None else make_committee(epoch, next_keys).validators
    checkpoint = replace(
        make_checkpoint(FIRST),
        committee_epoch=committee_epoch,
        epoch=epoch,
        index=CheckpointIndex(10 * epoch),
        next_committee=elected,
    )
    return EpochEnd(checkpoint, sign(checkpoint, signers))


ENDS = (
    make_end(0, 1, KEYS[:4]),
    make_end(1, 4, KEYS[:4], KEYS[2:7]),
    make_end(4, 5, KEYS[2:7], KEYS[7:]),
)
"""The same go on; three epochs without anybody, and then others; and at last one alone."""


def test_committees_follow_from_the_first() -> None:
    committees = follow_epochs(FIRST, ENDS, CHAIN)
    assert [committee.epoch for committee in committees] == [0, 1, 4, 5]
    keys = [[validator.public_key for validator in committee.validators] for committee in committees]
    expected = [KEYS[:4], KEYS[:4], KEYS[2:7], KEYS[7:]]
    assert keys == [[key.public_key for key in each] for each in expected]


def test_the_published_chain() -> None:
    vector = json.loads((Path(__file__).parents[1] / "vectors" / "committee" / "epochs.json").read_text())
    assert encode_epoch_chain(ENDS).hex() == vector["ends"]
    first = [[member.public_key.hex(), member.weight] for member in FIRST.validators]
    assert (first, CHAIN.hex()) == (vector["committee"], vector["chain"])
    followed = follow_epochs(FIRST, decode_epoch_chain(bytes.fromhex(vector["ends"])), CHAIN)
    assert vector["committees"] == [
        [each.epoch, [[member.public_key.hex(), member.weight] for member in each.validators]]
        for each in followed
    ]


def test_whoever_knows_a_later_committee_goes_on_from_there() -> None:
    committees = follow_epochs(FIRST, ENDS, CHAIN)
    assert follow_epochs(committees[1], ENDS[1:], CHAIN)[-1].validators == committees[-1].validators


def test_a_committee_begins_on_the_checkpoint_before_it() -> None:
    following = make_next_committee(FIRST, ENDS[0].checkpoint)
    assert following.origin == compute_checkpoint_digest(ENDS[0].checkpoint)
    assert (following.epoch, following.validators) == (1, FIRST.validators)


def test_files_keep_ends_as_they_are() -> None:
    assert decode_epoch_chain(encode_epoch_chain(ENDS)) == ENDS
    with pytest.raises(UnsupportedVersion):
        decode_epoch_chain(encode([2, []]))
    with pytest.raises(MalformedEncoding):
        decode_epoch_chain(encode_epoch_chain(ENDS)[:-1])


def test_a_missing_end_is_noticed() -> None:
    with pytest.raises(BrokenEpochChain):
        follow_epochs(FIRST, (ENDS[0], ENDS[2]), CHAIN)


def test_ends_out_of_order_are_refused() -> None:
    with pytest.raises(BrokenEpochChain):
        follow_epochs(FIRST, (ENDS[1], ENDS[0]), CHAIN)


def test_only_the_committee_itself_ends_its_epoch() -> None:
    stranger = make_end(0, 1, KEYS[4:8])
    with pytest.raises(InvalidSignature):
        verify_epoch_end(stranger, FIRST, CHAIN)
    few = make_end(0, 1, KEYS[:2])
    with pytest.raises(InvalidCertificate):
        verify_epoch_end(few, FIRST, CHAIN)


def test_other_chains_end_no_epochs_here() -> None:
    with pytest.raises(WrongChain):
        verify_epoch_end(ENDS[0], FIRST, ChainId(b"another!"))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda end: EpochEnd(replace(end.checkpoint, shard=Shard(1)), end.certificate),
        lambda end: EpochEnd(replace(end.checkpoint, epoch=0), end.certificate),
        lambda end: EpochEnd(replace(end.checkpoint, ordered_total=4), end.certificate),
        lambda end: EpochEnd(end.checkpoint, replace(end.certificate, index=CheckpointIndex(9))),
    ],
    ids=["of another shard", "not the last one", "changed", "certificate of another"],
)
def test_a_checkpoint_that_ends_nothing_is_refused(wrong: Callable[[EpochEnd], EpochEnd]) -> None:
    with pytest.raises(BrokenEpochChain):
        verify_epoch_end(wrong(ENDS[0]), FIRST, CHAIN)
