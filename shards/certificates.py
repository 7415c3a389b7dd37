"""Certificates: a quorum's signatures under one checkpoint, gathered from blocks and checked by anyone.

A certified checkpoint is final. A node that computed another digest for the same index has executed
differently: it learns so here and must stop.
"""

from collections.abc import Collection
from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.blocks import Attestation, AuthorIndex, compute_attestation_body
from shards.committee import Committee
from shards.errors import InvalidCertificate
from tangle.core.encoding import decode, encode
from tangle.core.genesis import VALIDATORS_MAX
from tangle.core.hashing import ATTESTATION
from tangle.core.signing import verify_signature
from tangle.core.types import ChainId, CheckpointIndex, Digest, Shard, Signature

CERTIFICATE_SIZE_MAX: Final = 20_480
"""Longest encoded certificate in bytes: 256 signatures fit."""

OPEN_PER_AUTHOR_MAX: Final = 512
"""Uncertified checkpoints that one validator may have attested. More means that it is far ahead of the
quorum or faulty; its highest ones are let go, and come again if they are needed still."""

LATE_MAX: Final = 512
"""How far below the newest certified checkpoint one may still be completed: validators that were away
attest anew from where they are, so a checkpoint can reach its quorum after its successor. At a checkpoint a
second, validators may be eight minutes apart."""

UNCOMPARED_MAX: Final = 4096
"""Certified digests kept for comparing with one's own, and own ones for comparing with the quorum's. A node
further behind compares only the newest; each digest names the one before, so a difference shows in all
later ones too."""


class AuthorSignature(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One validator's part of a certificate."""

    author: AuthorIndex
    """Place in the committee."""

    signature: Signature
    """Signature over shard, index and digest."""


class Certificate(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A quorum's signatures under one checkpoint."""

    index: CheckpointIndex
    """Which checkpoint."""

    digest: Digest
    """Its hash."""

    signatures: Annotated[tuple[AuthorSignature, ...], Meta(min_length=1, max_length=VALIDATORS_MAX)]
    """By ascending author."""


class Certified(Struct, frozen=True):
    """A checkpoint reached a quorum. Store the certificate; what it covers is final."""

    certificate: Certificate
    """The certificate, with the signatures known so far."""


class Forked(Struct, frozen=True):
    """The own checkpoint differs from the certified one. Write both down and stop."""

    index: CheckpointIndex
    """Which checkpoint."""

    own: Digest
    """What this node computed."""

    certified: Digest
    """What the quorum signed."""


def encode_certificate(certificate: Certificate) -> bytes:
    """The canonical bytes of a certificate."""
    return encode(certificate)


def decode_certificate(data: bytes) -> Certificate:
    """Decode a certificate strictly; ``verify_certificate`` tells whether it holds.

    :raises MalformedEncoding, OversizeEncoding: see each.
    """
    return decode(Certificate, data, limit=CERTIFICATE_SIZE_MAX)


def verify_certificate(certificate: Certificate, committee: Committee, chain: ChainId, shard: Shard) -> None:
    """Check that a quorum signed.

    :raises InvalidCertificate: an author is unknown, repeated or out of order, or the weight is below a
        quorum.
    :raises InvalidSignature: one of the signatures does not verify.
    """
    authors = [part.author for part in certificate.signatures]
    if authors != sorted(set(authors)):
        raise InvalidCertificate(certificate.index, "authors are repeated or out of order")
    if authors[-1] >= len(committee):
        raise InvalidCertificate(certificate.index, f"author {authors[-1]} is not in the committee")
    weight = committee.compute_weight(set(authors))
    if weight < committee.quorum:
        raise InvalidCertificate(certificate.index, f"weight {weight} is below the quorum {committee.quorum}")
    body = compute_attestation_body(shard, certificate.index, certificate.digest)
    for part in certificate.signatures:
        public_key = committee.validators[part.author].public_key
        verify_signature(ATTESTATION, chain, body, part.signature, public_key)


class Attestations:
    """Gathers attestations whose signatures are verified. Memory is bounded per author and in total."""

    def __init__(self, committee: Committee, last_certified: int = 0, lacking: Collection[int] = ()) -> None:
        """:param last_certified: newest checkpoint that is certified already; 0 is the genesis checkpoint.
        :param lacking: earlier ones without a certificate of their own, which are counted for still.
        """
        self.last_certified = last_certified
        self._committee = committee
        self._open: list[dict[int, Attestation]] = [{} for _ in range(len(committee))]
        self._done = set(range(max(1, last_certified - LATE_MAX + 1), last_certified + 1)).difference(lacking)
        self._certified: dict[int, Digest] = {}
        self._own: dict[int, Digest] = {}

    def process_attestation(self, author: int, attestation: Attestation) -> Certified | Forked | None:
        """Count one attestation; the first of an author for a checkpoint is the one that counts.

        :returns: the certificate when this one completes a quorum; a fork when the quorum's digest is not
            the own
            one. Late attestations of a certified checkpoint change nothing.
        """
        index = attestation.index
        given = self._open[author]
        if self.is_closed(index) or index in given:
            return None
        given[index] = attestation
        if len(given) > OPEN_PER_AUTHOR_MAX:
            del given[max(given)]
        certificate = self._assemble(index, attestation.digest)
        return self._settle(certificate) if certificate is not None else None

    def process_certificate(self, certificate: Certificate) -> Certified | Forked | None:
        """Take a certificate of this committee that came whole, and was verified.

        :returns: as for ``process_attestation``.
        """
        return None if self.is_closed(certificate.index) else self._settle(certificate)

    def process_own(self, index: CheckpointIndex, digest: Digest) -> Forked | None:
        """Register what this node computed; a fork when the quorum has certified something else."""
        certified = self._certified.pop(index, None)
        if certified is not None:
            return Forked(index, digest, certified) if certified != digest else None
        self._own[index] = digest
        _trim(self._own)
        return None

    def is_closed(self, index: int) -> bool:
        """Whether a checkpoint is certified, or so old that nothing is counted for it any more."""
        return index <= self.last_certified - LATE_MAX or index in self._done or index == 0

    def _assemble(self, index: CheckpointIndex, digest: Digest) -> Certificate | None:
        parts = [
            (author, given[index])
            for author, given in enumerate(self._open)
            if index in given and given[index].digest == digest
        ]
        if self._committee.compute_weight({author for author, _ in parts}) < self._committee.quorum:
            return None
        signatures = tuple(AuthorSignature(author, attestation.signature) for author, attestation in parts)
        return Certificate(index, digest, signatures)

    def _settle(self, certificate: Certificate) -> Certified | Forked:
        index = certificate.index
        self.last_certified = max(self.last_certified, index)
        self._done.add(index)
        self._done = {done for done in self._done if done > self.last_certified - LATE_MAX}
        for given in self._open:
            for closed in [open_index for open_index in given if self.is_closed(open_index)]:
                del given[closed]
        own = self._own.pop(index, None)
        if own is None:
            self._certified[index] = certificate.digest
            _trim(self._certified)
        elif own != certificate.digest:
            return Forked(index, own, certificate.digest)
        return Certified(certificate)


def _trim(digests: dict[int, Digest]) -> None:
    if len(digests) > UNCOMPARED_MAX:
        del digests[min(digests)]
