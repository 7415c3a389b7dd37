"""A validator's signed word on the latest block that it knows of an author.

A session proves the key of a node, and a node may have any key: that it speaks for a validator shows in a
signature with the validator's own key. The asker's challenge is signed too, so an answer of an earlier time
or to somebody else proves nothing. Source: protocol 6.5.
"""

from typing import Final

from shards.blocks import BlockReference
from shards.committee import Committee
from shards.errors import UnknownAuthor
from tangle.core.encoding import encode
from tangle.core.errors import TangleError
from tangle.core.hashing import LATEST
from tangle.core.signing import verify_signature
from tangle.core.types import ChainId, Digest
from tangle.net.ledger_messages import GetOwnLatest, OwnLatest
from tangle.node.committee_driver import CommitteeSetting

NO_DIGEST: Final = Digest(bytes(32))
"""Stands for a block that is not known."""


class NotValidator(TangleError):
    """The node that was asked has no validator's key; its word proves nothing."""

    code = "not-validator"

    def __init__(self) -> None:
        super().__init__("this node is not a validator: ask one of the committee")


class OtherEpoch(TangleError):
    """The node that was asked follows the committee of another epoch."""

    code = "epoch-other"

    def __init__(self, asked: int, followed: int) -> None:
        self.asked = asked
        self.followed = followed
        super().__init__(f"this node follows epoch {followed}, not {asked}: ask again, or another one")


def vouch(request: GetOwnLatest, latest: BlockReference | None, setting: CommitteeSetting) -> OwnLatest:
    """Answer ``request`` in the name of this node's validator.

    :param latest: newest block of the author that is known here.
    :raises OtherEpoch: this node follows the committee of another epoch.
    :raises NotValidator: this node observes.
    """
    if request.epoch != setting.committee.epoch:
        raise OtherEpoch(request.epoch, setting.committee.epoch)
    key = setting.key
    voucher = None if key is None else setting.committee.index_of(key.public_key)
    if key is None or voucher is None:
        raise NotValidator
    round_number, digest = (0, NO_DIGEST) if latest is None else (latest.round, latest.digest)
    signature = key.sign(LATEST, setting.chain, _compute_body(request, round_number, digest))
    return OwnLatest(request.request, round_number, digest, voucher, signature)


def check_voucher(request: GetOwnLatest, answer: OwnLatest, committee: Committee, chain: ChainId) -> None:
    """Check that the validator that ``answer`` names gave it to ``request``.

    :raises UnknownAuthor: there is no such validator.
    :raises InvalidSignature: it did not sign this.
    """
    if answer.voucher >= len(committee):
        raise UnknownAuthor(answer.voucher, len(committee))
    public_key = committee.validators[answer.voucher].public_key
    body = _compute_body(request, answer.round, answer.digest)
    verify_signature(LATEST, chain, body, answer.signature, public_key)


def _compute_body(request: GetOwnLatest, round_number: int, digest: Digest) -> bytes:
    return encode([request.shard, request.epoch, request.public_key, request.challenge, round_number, digest])
