"""Attestations of one committee: the own ones on their way into a block, and those of all others as they are
counted. A new committee has a new one of these; what a quorum signed goes to ``Finality``, which goes on.

Every checkpoint needs a certificate of its own: proofs of its transactions and bundles of its receipts hold
it. A later one's makes it final and no more. So what lacks one is attested again after a while, as often as
necessary, and so is what another validator attests again, which lacks the certificate then. Signatures are
deterministic: signing again says nothing new. Source: protocol 6.3.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from shards.blocks import Attestation, Block
from shards.certificates import LATE_MAX, Attestations, Certificate, Certified, Forked
from shards.checkpoints import Checkpoint, sign_attestation
from shards.committee import Committee
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Digest, TransactionId

REPEAT_INTERVAL: Final = 16
"""Own blocks between two that attest the same checkpoint: a quorum's first attestations are counted
everywhere within a few."""

REPEATS_PER_BLOCK: Final = 4
"""Attestations of a block that are not new: most of the room stays for new ones."""

SIGNABLE_MAX: Final = 4_096
"""Executed checkpoints that may be attested again: a node this far ahead of the quorum lets the oldest go."""


class ExecutedCheckpoint(Struct, frozen=True):
    """A checkpoint executed here, and what it ordered."""

    checkpoint: Checkpoint
    digest: Digest
    transactions: tuple[TransactionId, ...]


class Attester:
    """Signs and counts for the committee of one epoch."""

    def __init__(
        self,
        committee: Committee,
        chain: ChainId,
        key: SigningKey | None,
        certified: int,
        lacking: Sequence[ExecutedCheckpoint] = (),
    ) -> None:
        """:param key: this validator's; none for who is not of the committee.
        :param certified: latest checkpoint that is final already.
        :param lacking: checkpoints of this committee up to that one without a certificate of their own here.
        """
        self.attestations = Attestations(
            committee, certified, [executed.checkpoint.index for executed in lacking]
        )
        self._committee = committee
        self._chain = chain
        self._key = key
        self._own: deque[Attestation] = deque()
        self._attested: dict[int, int] = {}
        self._signable: dict[int, ExecutedCheckpoint] = {}
        self._blocks = 0
        self._given: dict[int, int] = {}
        """When the own attestation was given last, in own blocks; nothing where it never was."""

        self._wanted: set[int] = set()
        """Checkpoints that another validator attested again."""

        for executed in lacking:
            self._keep(executed)
            self.attestations.process_own(executed.checkpoint.index, executed.digest)

    @property
    def has_attestations(self) -> bool:
        """Whether own attestations wait for a block."""
        return bool(self._own)

    @property
    def is_complete(self) -> bool:
        """Whether every checkpoint that was executed here has a certificate of its own, those left out that
        are too old for one.
        """
        return all(map(self.attestations.is_closed, self._signable))

    def on_executed(self, executed: ExecutedCheckpoint, *, is_certified: bool) -> Forked | None:
        """A checkpoint is executed and durable: attest it.

        :param is_certified: a quorum signed it already. Then it needs no further signature: a validator that
            was away long would otherwise fill its blocks with old ones while its weight is needed for new
            ones.
        """
        checkpoint, digest = executed.checkpoint, executed.digest
        self._keep(executed)
        if self._key is not None and not is_certified:
            self._own.append(self._sign(executed, self._key))
            self._given[checkpoint.index] = self._blocks
        return self.attestations.process_own(checkpoint.index, digest)

    def on_block(self, block: Block) -> list[Certified | Forked]:
        """An accepted block: its attestations count. Answers what they lead to."""
        author = block.reference.author
        outcomes = []
        for attestation in block.body.attestations:
            if attestation.index <= self._attested.get(author, 0):
                self._on_repeat(attestation.index)
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
        """Own attestations for the next own block, by ascending index: new ones, each of which is given once,
        and some that are given again.
        """
        self._blocks += 1
        taken = [self._own.popleft() for _ in range(min(limit, len(self._own)))]
        for attestation in taken:
            self._given[attestation.index] = self._blocks
        if self._key is not None and len(taken) < limit:
            taken += self._take_repeats(min(REPEATS_PER_BLOCK, limit - len(taken)), self._key)
        return tuple(sorted(taken, key=lambda attestation: attestation.index))

    def _on_repeat(self, index: int) -> None:
        # What was given a moment ago is on its way: validators would answer each other for ever.
        if index in self._signable and self._get_rest(index) >= REPEAT_INTERVAL // 2:
            self._wanted.add(index)

    def _take_repeats(self, limit: int, key: SigningKey) -> list[Attestation]:
        new = {attestation.index for attestation in self._own}
        due = [index for index in self._signable if index not in new and self._is_due(index)]
        # Those that wait longest first, so that none that nobody completes keeps out the others.
        due.sort(key=lambda index: (self._given.get(index, -REPEAT_INTERVAL), index))
        for index in due[:limit]:
            self._given[index] = self._blocks
            self._wanted.discard(index)
        return [self._sign(self._signable[index], key) for index in due[:limit]]

    def _is_due(self, index: int) -> bool:
        is_needed = index in self._wanted or not self.attestations.is_closed(index)
        return is_needed and self._get_rest(index) >= REPEAT_INTERVAL

    def _get_rest(self, index: int) -> int:
        """Own blocks since it was given last."""
        return self._blocks - self._given.get(index, -REPEAT_INTERVAL)

    def _keep(self, executed: ExecutedCheckpoint) -> None:
        index = executed.checkpoint.index
        self._signable[index] = ExecutedCheckpoint(executed.checkpoint, executed.digest, ())
        oldest = max(self.attestations.last_certified - LATE_MAX, index - SIGNABLE_MAX)
        while self._signable and (first := next(iter(self._signable))) <= oldest:
            del self._signable[first]
            self._given.pop(first, None)
            self._wanted.discard(first)

    def _sign(self, executed: ExecutedCheckpoint, key: SigningKey) -> Attestation:
        checkpoint = executed.checkpoint
        return sign_attestation(executed.digest, checkpoint.index, checkpoint.shard, key, self._chain)
