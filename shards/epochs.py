"""From one committee to the next: an epoch ends with a checkpoint that names whoever goes on.

The committee of an epoch signs that checkpoint. So whoever knows one committee can follow all later ones,
with nothing but these checkpoints and their certificates: that is a light client. Source: protocol 5.16.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.certificates import Certificate, verify_certificate
from shards.checkpoints import CHECKPOINT_VERSION, Checkpoint, compute_checkpoint_digest
from shards.committee import Committee
from shards.errors import BrokenEpochChain
from tangle.core.encoding import decode, encode
from tangle.core.errors import UnsupportedVersion, WrongChain
from tangle.core.genesis import Genesis
from tangle.core.types import ChainId, Natural, Shard

LEADING_SHARD: Final = Shard(0)
"""The shard whose commits end epochs, and whose checkpoints name the next committee."""

EPOCH_CHAIN_VERSION: Final = 1
"""The only version so far."""

EPOCH_ENDS_MAX: Final = 65_536
"""Most ends in one file: a hundred years of days, or seven of hours."""

EPOCH_CHAIN_SIZE_MAX: Final = 256 * 1024 * 1024
"""Longest file of epoch ends in bytes; ten years of days with a committee of 50 have 20 MB."""


class EpochEnd(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last checkpoint of an epoch in the leading shard, and the signatures of its committee."""

    checkpoint: Checkpoint
    """It names the next committee."""

    certificate: Certificate
    """Signed by the committee whose epoch ends."""


class EpochChain(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Ends of epochs one after the other, as a file holds them."""

    version: Natural
    """Format version, ``EPOCH_CHAIN_VERSION``."""

    ends: Annotated[tuple[EpochEnd, ...], Meta(max_length=EPOCH_ENDS_MAX)]
    """In order, beginning with the end of epoch 0."""


def make_genesis_committee(genesis: Genesis) -> Committee:
    """The committee of epoch 0."""
    return Committee(0, genesis.validators)


def is_epoch_end(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint is the last one of its committee's epoch: in the leading shard time says so; the
    others name whoever goes on, always.
    """
    if checkpoint.shard == LEADING_SHARD:
        return checkpoint.epoch > checkpoint.committee_epoch
    return bool(checkpoint.next_committee)


def find_leading_end(checkpoints: Iterable[Checkpoint], epoch: int) -> Checkpoint | None:
    """Of what another shard is told, the leading shard's last checkpoint of committee ``epoch``."""
    return next(
        (
            checkpoint
            for checkpoint in checkpoints
            if checkpoint.shard == LEADING_SHARD
            and checkpoint.committee_epoch == epoch
            and is_epoch_end(checkpoint)
        ),
        None,
    )


def make_next_committee(
    committee: Committee, checkpoint: Checkpoint, leading: Checkpoint | None = None
) -> Committee:
    """The committee that goes on after an epoch's last checkpoint, in the shard that it is of.

    :param leading: the last checkpoint of that epoch in the leading shard, where this one is of another.
    """
    leading = leading or checkpoint
    validators = leading.next_committee or committee.validators
    return Committee(leading.epoch, validators, compute_checkpoint_digest(checkpoint))


def verify_epoch_end(end: EpochEnd, committee: Committee, chain: ChainId) -> Committee:
    """Check that ``committee`` ended its epoch so; answers the one that goes on.

    :raises UnsupportedVersion, WrongChain: not a checkpoint of this chain.
    :raises BrokenEpochChain: it does not end the epoch of this committee.
    :raises InvalidCertificate, InvalidSignature: no quorum signed it.
    """
    checkpoint, certificate = end.checkpoint, end.certificate
    if checkpoint.version != CHECKPOINT_VERSION:
        raise UnsupportedVersion("checkpoint", checkpoint.version, CHECKPOINT_VERSION)
    if checkpoint.chain != chain:
        raise WrongChain(checkpoint.chain, chain)
    if checkpoint.shard != LEADING_SHARD:
        raise BrokenEpochChain(committee.epoch, f"a checkpoint of shard {checkpoint.shard} ends no epoch")
    if checkpoint.committee_epoch != committee.epoch:
        raise BrokenEpochChain(committee.epoch, f"the checkpoint is of epoch {checkpoint.committee_epoch}")
    if checkpoint.epoch <= committee.epoch:
        raise BrokenEpochChain(committee.epoch, "the checkpoint is not the last one of its epoch")
    if (certificate.index, certificate.digest) != (checkpoint.index, compute_checkpoint_digest(checkpoint)):
        raise BrokenEpochChain(committee.epoch, "the certificate is for another checkpoint")
    verify_certificate(certificate, committee, chain, checkpoint.shard)
    return make_next_committee(committee, checkpoint)


def follow_epochs(committee: Committee, ends: Iterable[EpochEnd], chain: ChainId) -> tuple[Committee, ...]:
    """``committee`` and all that came after it, in order.

    :param committee: one that is trusted, such as that of the genesis.
    :param ends: the end of its epoch and those that follow.
    :raises TangleError: the first end that does not hold; see ``verify_epoch_end``.
    """
    committees = [committee]
    for end in ends:
        committees.append(verify_epoch_end(end, committees[-1], chain))
    return tuple(committees)


def encode_epoch_chain(ends: Iterable[EpochEnd]) -> bytes:
    """The canonical bytes of a file."""
    return encode(EpochChain(EPOCH_CHAIN_VERSION, tuple(ends)))


def decode_epoch_chain(data: bytes) -> tuple[EpochEnd, ...]:
    """Decode a file strictly; ``follow_epochs`` tells whether it holds.

    :raises MalformedEncoding, OversizeEncoding, UnsupportedVersion: see each.
    """
    chain = decode(EpochChain, data, limit=EPOCH_CHAIN_SIZE_MAX)
    if chain.version != EPOCH_CHAIN_VERSION:
        raise UnsupportedVersion("epochs", chain.version, EPOCH_CHAIN_VERSION)
    return chain.ends
