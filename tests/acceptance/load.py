"""A steady load of transfers on real nodes, and a record of everything that its wallets saw become final."""

from collections import Counter
from collections.abc import Sequence

import anyio
from anyio.abc import TaskGroup
from msgspec import Struct

from tangle.api.schemas.transactions import TransactionAnswer
from tangle.client.client import TangleClient
from tangle.client.transport import ClientConfig
from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transfer
from tangle.core.types import Grains, TransactionId
from tests.acceptance.support import wait_until

AMOUNT = Grains(1_000)
PATIENCE = ClientConfig(attempts_max=2, connect_timeout_s=2.0, answer_timeout_s=10.0)
PAUSE_S = 0.5


class SeenFinal(Struct, frozen=True):
    """What a wallet was told about a final transaction; it may never change."""

    status: str
    reason_code: str | None
    fee: int | None
    is_work_counted: bool | None
    checkpoint: int | None
    ordered_index: int | None

    @classmethod
    def of(cls, answer: TransactionAnswer) -> "SeenFinal":
        """The lasting part of an answer."""
        assert answer.is_final
        return cls(
            str(answer.status),
            answer.reason_code,
            answer.fee,
            answer.is_work_counted,
            answer.checkpoint,
            answer.ordered_index,
        )


class RecordedLoad:
    """Wallets that send ``rate`` transactions a second to the nodes in turn, each wallet to one node."""

    def __init__(self, urls: Sequence[str], rate: float, wallets: int, *, seed: int = 1) -> None:
        """:param seed: distinguishes the wallets of one load from those of another."""
        self.urls = urls
        self.keys = [SigningKey(bytes([seed, place + 1]) * 16) for place in range(wallets)]
        self.accepted: list[TransactionId] = []
        self.final: dict[TransactionId, SeenFinal] = {}
        self.latencies_ms: list[float] = []
        self.failures: Counter[str] = Counter()
        self._rate = rate

    async def fund(self) -> None:
        """Have the faucet of the first node fund every wallet, and wait until that is final."""
        async with TangleClient(self.urls[0]) as client:
            identities = [await client.request_faucet(key.public_key) for key in self.keys]
            answers = [await client.wait_transaction(identity, timeout_s=30) for identity in identities]
        assert {answer.status for answer in answers} == {"checkpointed"}
        for url in self.urls:
            async with TangleClient(url) as client:
                await client.get_account(
                    self.keys[-1].public_key, min_checkpoint=int(answers[-1].checkpoint or 0), timeout_s=30
                )

    async def run(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as tasks:
            for place in range(len(self.keys)):
                tasks.start_soon(self._run_wallet, place, tasks)

    async def wait_final(self, count: int, timeout_s: float = 60.0) -> None:
        """Wait until so many more transactions are final."""
        wanted = len(self.final) + count

        async def is_final() -> bool:
            return len(self.final) >= wanted

        await wait_until(is_final, f"{count} final transactions (faults: {self.failures})", timeout_s)

    async def _run_wallet(self, place: int, tasks: TaskGroup) -> None:
        key = self.keys[place]
        recipient = self.keys[(place + 1) % len(self.keys)].public_key
        interval_s = len(self.keys) / self._rate
        async with TangleClient(self.urls[place % len(self.urls)], config=PATIENCE) as client:
            next_s = anyio.current_time() + interval_s * place / len(self.keys)
            while True:
                await anyio.sleep_until(next_s)
                next_s += interval_s
                try:
                    identity = await client.submit_transfer(key, Transfer(recipient, AMOUNT))
                except TangleError as error:
                    self.failures[error.code] += 1
                    await anyio.sleep(PAUSE_S)
                    next_s = max(next_s, anyio.current_time())
                    continue
                self.accepted.append(identity)
                tasks.start_soon(self._watch, client, identity, anyio.current_time())

    async def _watch(self, client: TangleClient, identity: TransactionId, accepted_s: float) -> None:
        try:
            answer = await client.wait_transaction(identity, "checkpointed", timeout_s=30)
        except TangleError as error:
            self.failures[f"watch {error.code}"] += 1
            return
        if answer.is_final:  # a conflict is told when it is ordered, before its certificate
            self.final[identity] = SeenFinal.of(answer)
            self.latencies_ms.append((anyio.current_time() - accepted_s) * 1_000)


async def find_changed(url: str, seen: dict[TransactionId, SeenFinal]) -> dict[str, object]:
    """Final transactions that a node tells otherwise than a wallet was told before, with what it says now."""
    changed: dict[str, object] = {}
    async with TangleClient(url) as client:
        for identity, before in seen.items():
            try:
                answer = await client.get_transaction(identity)
                found: object = SeenFinal.of(answer) if answer.is_final else answer
            except TangleError as error:
                found = error
            if found != before:
                changed[identity.hex()] = (before, found)
    return changed
