"""A modest demonstration load: a few wallets that send each other small amounts at a steady rate.

Each wallet is an ordinary client of the API: the faucet funds it, a node prepares its transactions and
does their work, it signs and sends. What it measures is what a wallet sees: from the accepted POST to the
certified checkpoint.
"""

from collections.abc import Sequence
from typing import Final

import anyio
from anyio.abc import TaskGroup

from tangle.client.client import TangleClient
from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transfer
from tangle.core.types import Grains
from tangle.node.meters import LatencyMeter, RateMeter

WALLETS_MAX: Final = 64
"""Most wallets of the demonstration; each sends a few transactions a second."""

RATE_PER_WALLET: Final = 4.0
"""Transactions a second that one wallet manages beside waiting for its node to do the work."""

AMOUNT: Final = Grains(1_000)
"""Grains in each demonstration transfer."""

RETRY_S: Final = 1.0
"""Pause after a node did not answer."""


class DemoLoad:
    """Keeps ``rate`` transactions a second coming, spread over all nodes."""

    def __init__(self, urls: Sequence[str], rate: float, seeds: Sequence[bytes]) -> None:
        """:param seeds: 32 random bytes for each wallet; ``compute_wallet_count`` says how many."""
        self._urls = urls
        self._rate = rate
        self._keys = [SigningKey(seed) for seed in seeds]
        self.finality = LatencyMeter()
        self.sent = RateMeter()
        self.failures: dict[str, int] = {}

    async def run(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as tasks:
            for place in range(len(self._keys)):
                tasks.start_soon(self._run_wallet, place, tasks)

    async def _run_wallet(self, place: int, tasks: TaskGroup) -> None:
        key = self._keys[place]
        interval_s = len(self._keys) / self._rate
        async with TangleClient(self._urls[place % len(self._urls)]) as client:
            await self._fund(client, key)
            next_s = anyio.current_time() + interval_s * place / len(self._keys)
            while True:
                await anyio.sleep_until(next_s)
                # Open loop: a slow answer does not lower the load, it makes the next ones follow at once.
                next_s += interval_s
                recipient = self._keys[(place + 1) % len(self._keys)].public_key
                try:
                    begun_s = anyio.current_time()
                    sent = await client.submit_transfer(key, Transfer(recipient, AMOUNT))
                    self.sent.add(1, anyio.current_time())
                except (TangleError, OSError) as error:
                    self._count(error)
                    await anyio.sleep(RETRY_S)
                    next_s = max(next_s, anyio.current_time())
                    continue
                tasks.start_soon(self._watch, client, sent, begun_s)

    async def _fund(self, client: TangleClient, key: SigningKey) -> None:
        while True:
            try:
                identity = await client.request_faucet(key.public_key)
                await client.wait_transaction(identity, "checkpointed", timeout_s=30)
            except (TangleError, OSError) as error:
                self._count(error)
                await anyio.sleep(RETRY_S)
            else:
                return

    async def _watch(self, client: TangleClient, identity: bytes, begun_s: float) -> None:
        try:
            await client.wait_transaction(identity, "checkpointed", timeout_s=30)
        except (TangleError, OSError) as error:
            self._count(error)
            return
        now_s = anyio.current_time()
        self.finality.add((now_s - begun_s) * 1000, now_s)

    def _count(self, error: Exception) -> None:
        code = getattr(error, "code", type(error).__name__)
        self.failures[code] = self.failures.get(code, 0) + 1


def compute_wallet_count(rate: float) -> int:
    """Wallets that a load of ``rate`` transactions a second needs."""
    return min(WALLETS_MAX, max(2, round(rate / RATE_PER_WALLET)))
