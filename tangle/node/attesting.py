"""Attestations of one committee: the own ones on their way into a block, and those of all others as they are
counted. A new committee has a new one of these; what a quorum signed goes to ``Finality``, which goes on.
"""

from collections import deque

from msgspec import Struct

from shards.blocks import Attestation, Block
from shards.certificates import Attestations, Certificate, Certified, Forked
from shards.checkpoints import Checkpoint, sign_attestation
from shards.committee import Committee
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Digest, TransactionId


class ExecutedCheckpoint(Struct, frozen=True):
    """A checkpoint executed here, and what it ordered."""

    checkpoint: Checkpoint
    digest: Digest
    transactions: tuple[TransactionId, ...]


class Attester:
    """Signs and counts for the committee of one epoch."""

    def __init__(self, committee: Committee, chain: ChainId, key: SigningKey | None, certified: int) -> None:
        """:param key: this validator's; none for who is not of the committee.
        :param certified: latest checkpoint that is final already.
        """
        self.attestations = Attestations(committee, certified)
        self._committee = committee
        self._chain = chain
        self._key = key
        self._own: deque[Attestation] = deque()
        self._attested: dict[int, int] = {}

    @property
    def has_attestations(self) -> bool:
        """Whether own attestations wait for a block."""
        return bool(self._own)

    def on_executed(self, executed: ExecutedCheckpoint, *, is_certified: bool) -> Forked | None:
        """A checkpoint is executed and durable: attest it.

        :param is_certified: a quorum signed it already. Then it needs no further signature: a validator that
            was away long would otherwise fill its blocks with old ones while its weight is needed for new
            ones.
        """
        checkpoint, digest = executed.checkpoint, executed.digest
        if self._key is not None and not is_certified:
            signed = sign_attestation(digest, checkpoint.index, checkpoint.shard, self._key, self._chain)
            self._own.append(signed)
        return self.attestations.process_own(checkpoint.index, digest)

    def on_block(self, block: Block) -> list[Certified | Forked]:
        """An accepted block: its attestations count. Answers what they lead to."""
        author = block.reference.author
        outcomes = []
        for attestation in block.body.attestations:
            self._attested[author] = max(self._attested.get(author, 0), attestation.index)
            outcome = self.attestations.process_attestation(author, attestation)
            if outcome is not None:
                outcomes.append(outcome)
        return outcomes

    def on_certificate(self, certificate: Certificate) -> Certified | Forked | None:
        """Somebody showed a certificate of this committee, which has been checked."""
        return self.attestations.process_certificate(certificate)

    def get_attested(self, author: int) -> int:
        """Highest checkpoint that a validator attested since this committee, or this process, began."""
        return self._attested.get(author, 0)

    def take_attestations(self, limit: int) -> tuple[Attestation, ...]:
        """Own attestations for the next own block; each is given once."""
        return tuple(self._own.popleft() for _ in range(min(limit, len(self._own))))
