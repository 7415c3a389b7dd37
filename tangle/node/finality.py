"""From executed to final: attestations, certificates, and whoever waits for them.

A checkpoint is final for this node when it is executed here and a quorum has attested the same digest. This
room hands blocks to the attester of the committee, advances the certified index without gaps, and wakes the
waiting; committees come and go under it.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio
from msgspec import Struct

from shards.blocks import Block
from shards.certificates import Certificate, Certified, Forked
from tangle.core.errors import TangleError
from tangle.core.types import Digest, TransactionId
from tangle.node.attesting import Attester, ExecutedCheckpoint
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
    """Told each final checkpoint once, in order, when it is on disk; of none where only certificates came
    late."""


class Finality:
    """Attestations in, final checkpoints out."""

    def __init__(
        self,
        *,
        attester: Attester,
        hooks: FinalityHooks,
        certified: int,
    ) -> None:
        """:param attester: of the present committee.
        :param certified: latest checkpoint that was final before a restart.
        """
        self.attester = attester
        self._hooks = hooks
        self._end: int | None = None
        self._highest = certified
        self._taken = certified
        self._executed: deque[ExecutedCheckpoint] = deque()
        self._certificates: dict[int, Certificate] = {}
        self._late: list[Certificate] = []
        self._waiting: dict[TransactionId, list[anyio.Event]] = {}
        self._waiting_checkpoints: list[tuple[int, anyio.Event]] = []
        self._changed = anyio.Event()
        self._forked: StateForked | None = None
        self.executed: int = certified
        """Latest executed checkpoint."""

        self.certified = certified
        """Latest final checkpoint: executed, certified, and on disk, without gaps."""

    @property
    def known(self) -> int:
        """Latest checkpoint of which this node knows a certificate, whether it has executed it or not."""
        return self._highest

    @property
    def is_complete(self) -> bool:
        """Whether every checkpoint of the present committee has a certificate of its own on disk."""
        return self.attester.is_complete and not self._late and not self._certificates

    def begin(self, attester: Attester) -> None:
        """Another committee goes on; all checkpoints of the one before are final."""
        self.attester = attester
        self._end = None

    def on_end(self, index: int) -> None:
        """Checkpoint ``index`` is the last one of the committee: nothing later will cover those before it."""
        self._end = index
        self._changed.set()

    def on_executed(self, executed: ExecutedCheckpoint) -> None:
        """A checkpoint is executed and durable: attest it."""
        index: int = executed.checkpoint.index
        self.executed = index
        self._executed.append(executed)
        self._process(self.attester.on_executed(executed, is_certified=index in self._certificates))
        self.wake(executed.transactions)
        for index, event in self._waiting_checkpoints:
            if index <= self.executed:
                event.set()
        self._changed.set()

    def on_block(self, block: Block) -> None:
        """An accepted block: its attestations count."""
        for outcome in self.attester.on_block(block):
            self._process(outcome)

    def on_certificate(self, certificate: Certificate) -> None:
        """Somebody showed a certificate of the present committee, which has been checked."""
        self._process(self.attester.on_certificate(certificate))

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
            is_ended = self._end is not None and self._highest >= self._end
            if certificate is None and index > self._highest - OWN_CERTIFICATE_MARGIN and not is_ended:
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
