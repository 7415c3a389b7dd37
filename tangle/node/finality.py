"""From executed to final: attestations, certificates, and whoever waits for them.

A checkpoint is final for this node when it is executed here and a quorum has attested the same digest. This
room gathers attestations from accepted blocks, advances the certified index without gaps, and wakes the
waiting.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio
from msgspec import Struct

from shards.blocks import Attestation, Block
from shards.certificates import Attestations, Certificate, Certified, Forked
from shards.checkpoints import Checkpoint, sign_attestation
from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Digest, TransactionId
from tangle.node.views import TransactionStatus, WaitTimeout

OWN_CERTIFICATE_MARGIN: Final = 32
"""Checkpoints that may be certified after one before that one is final without a certificate of its own."""


class StateForked(TangleError):
    """A quorum certified another checkpoint than this node executed: its state cannot be trusted."""

    code = "state-forked"

    def __init__(self, index: int, own: Digest, certified: Digest) -> None:
        self.index = index
        self.own = own
        self.certified = certified
        super().__init__(
            f"checkpoint {index} is certified as {certified.hex()} but this node executed {own.hex()}; "
            "it stops here: keep its home for analysis and start from a fresh one"
        )


class ExecutedCheckpoint(Struct, frozen=True):
    """A checkpoint executed here, and what it ordered."""

    checkpoint: Checkpoint
    digest: Digest
    transactions: tuple[TransactionId, ...]


class FinalCheckpoint(Struct, frozen=True):
    """An executed checkpoint that a quorum signed."""

    executed: ExecutedCheckpoint
    certificate: Certificate | None
    """Its own certificate; none where only a later checkpoint's covers it."""


class FinalityHooks(Struct, frozen=True):
    """What finality does to the rest of the node."""

    store: Callable[[Sequence[FinalCheckpoint], Sequence[Certificate]], Awaitable[None]]
    """Makes checkpoints final on disk, in order, and keeps certificates that came late; durable on return."""

    on_final: Callable[[Sequence[FinalCheckpoint]], None]
    """Told each final checkpoint once, in order, when it is on disk."""


class Finality:
    """Attestations in, final checkpoints out."""

    def __init__(
        self,
        *,
        chain: ChainId,
        attestations: Attestations,
        key: SigningKey | None,
        hooks: FinalityHooks,
        certified: int,
    ) -> None:
        """:param certified: latest checkpoint that was final before a restart."""
        self._chain = chain
        self._attestations = attestations
        self._key = key
        self._hooks = hooks
        self._highest = certified
        self._taken = certified
        self._executed: deque[ExecutedCheckpoint] = deque()
        self._certificates: dict[int, Certificate] = {}
        self._late: list[Certificate] = []
        self._attested: dict[int, int] = {}
        self._own: deque[Attestation] = deque()
        self._waiting: dict[TransactionId, list[anyio.Event]] = {}
        self._waiting_checkpoints: list[tuple[int, anyio.Event]] = []
        self._changed = anyio.Event()
        self._forked: StateForked | None = None
        self.executed = certified
        """Latest executed checkpoint."""

        self.certified = certified
        """Latest final checkpoint: executed, certified, and on disk, without gaps."""

    @property
    def has_attestations(self) -> bool:
        """Whether own attestations wait for a block."""
        return bool(self._own)

    def on_executed(self, executed: ExecutedCheckpoint) -> None:
        """A checkpoint is executed and durable: attest it."""
        checkpoint, digest = executed.checkpoint, executed.digest
        self.executed = checkpoint.index
        self._executed.append(executed)
        # What the others have certified already needs no further signature: a validator that was away long
        # would otherwise fill its blocks with old ones while its weight is needed for the new.
        if self._key is not None and checkpoint.index not in self._certificates:
            signed = sign_attestation(digest, checkpoint.index, checkpoint.shard, self._key, self._chain)
            self._own.append(signed)
        self._process(self._attestations.process_own(checkpoint.index, digest))
        self.wake(executed.transactions)
        for index, event in self._waiting_checkpoints:
            if index <= self.executed:
                event.set()
        self._changed.set()

    def on_block(self, block: Block) -> None:
        """An accepted block: its attestations count."""
        author = block.reference.author
        for attestation in block.body.attestations:
            self._attested[author] = max(self._attested.get(author, 0), attestation.index)
            self._process(self._attestations.process_attestation(author, attestation))

    def get_attested(self, author: int) -> int:
        """Highest checkpoint that a validator attested since this node started."""
        return self._attested.get(author, 0)

    def take_attestations(self, limit: int) -> tuple[Attestation, ...]:
        """Own attestations for the next own block; each is given once."""
        return tuple(self._own.popleft() for _ in range(min(limit, len(self._own))))

    async def run(self) -> None:
        """Make checkpoints final until cancelled.

        :raises StateForked: a quorum certified something else than this node executed.
        """
        while True:
            self._changed = anyio.Event()
            if self._forked is not None:
                raise self._forked
            final, late = self._take_final(), self._late
            if not final and not late:
                await self._changed.wait()
                continue
            self._late = []
            await self._hooks.store(final, late)
            for checkpoint in final:
                self.certified = checkpoint.executed.checkpoint.index
            self._hooks.on_final(final)
            for checkpoint in final:
                self.wake(checkpoint.executed.transactions)

    async def wait_transaction(
        self,
        identity: TransactionId,
        status: TransactionStatus,
        find_status: Callable[[], tuple[TransactionStatus, bool]],
        timeout_s: float,
    ) -> None:
        """Wait until the transaction has come as far as ``status``, or failed for good.

        :param find_status: its status and whether that is final.
        :raises WaitTimeout: it has not in ``timeout_s``.
        """
        with anyio.move_on_after(timeout_s):
            while True:
                now, is_final = find_status()
                if is_final or _RANK[now] >= _RANK[status]:
                    return
                event = anyio.Event()
                self._waiting.setdefault(identity, []).append(event)
                try:
                    await event.wait()
                finally:
                    self._forget_waiter(identity, event)
        raise WaitTimeout(f"{status} of transaction {identity.hex()}", timeout_s)

    async def wait_checkpoint(self, index: int, timeout_s: float) -> None:
        """Wait until checkpoint ``index`` is executed here.

        :raises WaitTimeout: it is not in ``timeout_s``.
        """
        with anyio.move_on_after(timeout_s):
            while self.executed < index:
                event = anyio.Event()
                self._waiting_checkpoints.append((index, event))
                try:
                    await event.wait()
                finally:
                    self._waiting_checkpoints = [e for e in self._waiting_checkpoints if e[1] is not event]
            return
        raise WaitTimeout(f"checkpoint {index}", timeout_s)

    def wake(self, identities: Sequence[TransactionId]) -> None:
        """Something happened to these transactions."""
        if self._waiting:
            for identity in identities:
                for event in self._waiting.get(identity, ()):
                    event.set()

    def _process(self, outcome: Certified | Forked | None) -> None:
        match outcome:
            case None:
                pass
            case Certified(certificate):
                self._highest = max(self._highest, certificate.index)
                if certificate.index > self._taken:
                    self._certificates[certificate.index] = certificate
                else:
                    self._late.append(certificate)
                self._changed.set()
            case Forked(index, own, certified):
                self._forked = StateForked(index, own, certified)
                self._changed.set()

    def _take_final(self) -> list[FinalCheckpoint]:
        final: list[FinalCheckpoint] = []
        while self._executed:
            index = self._executed[0].checkpoint.index
            certificate = self._certificates.pop(index, None)
            # Each checkpoint names the one before, so a certificate covers all earlier ones; their own
            # usually comes too, and with it the shorter proof, so a while is given to it.
            if certificate is None and index > self._highest - OWN_CERTIFICATE_MARGIN:
                break
            final.append(FinalCheckpoint(self._executed.popleft(), certificate))
            self._taken = index
        return final

    def _forget_waiter(self, identity: TransactionId, event: anyio.Event) -> None:
        waiters = self._waiting.get(identity)
        if waiters is not None:
            waiters[:] = [other for other in waiters if other is not event]
            if not waiters:
                del self._waiting[identity]


_RANK = {
    TransactionStatus.WAITING: 0,
    TransactionStatus.ATTACHED: 1,
    TransactionStatus.ORDERED: 2,
    TransactionStatus.CHECKPOINTED: 3,
    TransactionStatus.CONFLICTING: 2,
    TransactionStatus.EXPIRED: 3,
}
"""How far along the way each status is."""
