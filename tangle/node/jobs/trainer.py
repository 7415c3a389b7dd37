"""Evaluates for customers whose models wait, on a network where nobody else sends enough.

Work travels in transactions. While a paid model's open generation lacks evaluations, this node sends the
smallest transfers there are, from its account to itself: which job each one's work is for is drawn as always,
and counted work is paid as always. Whoever sends real transfers does the same for free.
"""

from collections.abc import Callable
from typing import Final, Protocol

import anyio
import structlog
from msgspec import Struct

from tangle.core.errors import TangleError
from tangle.core.transactions import Operation, Transfer
from tangle.core.types import Grains, PublicKey, TransactionId
from tangle.ledger.board import StandingEntry

PAUSE_S: Final = 0.05
"""Between two transfers: twenty a second, which a node at rest hardly notices and which wait for one another
in a short chain."""

REFUSED_PAUSE_S: Final = 5.0
"""After one that was refused: the account may be empty, or the node busy with what matters more."""

PENDING_MAX: Final = 64
"""Own transactions on their way, beyond which none is added: what is ordered late counts late."""

log = structlog.get_logger("jobs")


class Sender(Protocol):
    """Sends operations of the node's account; ``Clerk`` is one."""

    @property
    def account(self) -> PublicKey:
        """Whose operations these are."""

    async def submit(self, operation: Operation) -> TransactionId:
        """Send one, with its work."""


class TrainerSetting(Struct, frozen=True):
    """What the trainer sees of the node."""

    get_board: Callable[[], tuple[StandingEntry, ...]]
    """The standing jobs after the latest checkpoint."""

    count_pending: Callable[[PublicKey], int]
    """An account's transactions that are not ordered."""


class Trainer:
    """Sends while a customer waits."""

    def __init__(self, setting: TrainerSetting, sender: Sender) -> None:
        self._setting = setting
        self._sender = sender
        self.sent_total = 0

    async def run(self) -> None:
        """Look and send until cancelled."""
        while True:
            await anyio.sleep(PAUSE_S)
            if not self.is_needed():
                continue
            try:
                await self._sender.submit(Transfer(self._sender.account, Grains(1)))
                self.sent_total += 1
            except TangleError as error:
                log.info("evaluation-refused", code=error.code, reason=str(error))
                await anyio.sleep(REFUSED_PAUSE_S)

    def is_needed(self) -> bool:
        """Whether a paid model lacks evaluations, and what was sent before is mostly ordered."""
        if self._setting.count_pending(self._sender.account) >= PENDING_MAX:
            return False
        return any(
            entry.paid_by is not None
            and entry.budget
            and entry.state.evaluations < entry.state.opened.job.population
            for entry in self._setting.get_board()
        )
