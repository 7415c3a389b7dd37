"""Wallets: they prepare, sign and send through whichever node answers, and remember what was accepted."""

from collections.abc import Sequence
from typing import Final

import anyio
from msgspec import Struct

from simnet.chance import Chance, make_chance
from simnet.homes import make_wallet_key
from simnet.world import Member, World
from tangle.core.errors import TangleError
from tangle.core.transactions import (
    TRANSACTION_VERSION,
    Transaction,
    TransactionBody,
    Transfer,
    sign_transaction,
)
from tangle.core.types import CheckpointIndex, Grains, PublicKey, Shard, TransactionId
from tangle.core.types import Sequence as SequenceNumber
from tangle.node.service import Service
from tangle.node.views import PreparedTransaction

PATIENCE_S: Final = 5.0
"""How long a wallet waits for a node; a node that was killed never answers."""

AMOUNT_MAX: Final = 1_000_000
"""Most grains of one transfer."""


class Accepted(Struct, frozen=True):
    """A transaction that a node said is durable."""

    id: TransactionId
    node: int
    disks_lost: int
    """Of that node at the time: a disk that is taken away later excuses it."""

    at_s: float
    """When it was sent."""


class Wallet:
    """One account."""

    def __init__(self, world: World, index: int) -> None:
        self.name = f"wallet{index}"
        self.key = make_wallet_key(world.options, index)
        self.chance: Chance = make_chance(world.options.seed, "wallet", index)
        self._world = world

    async def send(self, members: Sequence[Member], recipients: Sequence[PublicKey]) -> list[Accepted]:
        """Send one transfer to the first member; with a second, another transfer of the same number to it.

        Answers what was accepted; a node that is down, full or slow accepts nothing.
        """
        accepted = []
        sequence = None
        for member in members:
            service = member.service
            if service is None:
                continue
            begun_s, lost = anyio.current_time(), member.disks_lost
            with anyio.move_on_after(PATIENCE_S):
                transaction, outcome = await self._send_one(service, recipients, sequence)
                sequence = transaction.body.sequence
                identity = transaction.id
                self._world.log.write(self.name, "sent", to=member.name, id=identity.hex(), outcome=outcome)
                if outcome == "accepted":
                    accepted.append(Accepted(identity, member.index, lost, begun_s))
        return accepted

    async def _send_one(
        self, service: Service, recipients: Sequence[PublicKey], sequence: int | None
    ) -> tuple[Transaction, str]:
        prepared = await service.prepare(self.key.public_key, with_work=True, sequence=sequence)
        recipient, amount = self.chance.choice(recipients), self.chance.randint(1, AMOUNT_MAX)
        transaction = self._sign(prepared, recipient, amount)
        try:
            (outcome,) = await service.submit((transaction.encoded,))
        except TangleError as error:
            return transaction, error.code
        return transaction, "accepted" if outcome.error is None else outcome.error.code

    def _sign(self, prepared: PreparedTransaction, recipient: PublicKey, amount: int) -> Transaction:
        assert prepared.work is not None, "it was asked for"
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain=prepared.chain,
            shard=Shard(prepared.shard),
            issuer=self.key.public_key,
            sequence=SequenceNumber(prepared.sequence),
            anchor=CheckpointIndex(prepared.anchor),
            parents=prepared.parents,
            operation=Transfer(recipient, Grains(amount)),
            work=prepared.work,
            max_fee=Grains(prepared.suggested_max_fee),
        )
        return sign_transaction(body, self.key)


class Load:
    """All wallets of one shard: what they send goes to accounts of their own shard."""

    def __init__(self, world: World, shard: int = 0) -> None:
        self.accepted: list[Accepted] = []
        self.refused = 0
        self._world = world
        self._shard = shard
        options = world.options
        self.wallets = [Wallet(world, index) for index in range(shard, options.wallets, options.shards)]
        self._accounts = [wallet.key.public_key for wallet in self.wallets]

    async def run(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as tasks:
            for index, wallet in enumerate(self.wallets):
                tasks.start_soon(self._send_forever, index, wallet)

    async def probe(self, member: Member) -> Accepted:
        """Send one transfer through ``member``; tries until it is accepted."""
        wallet = self.wallets[member.index % len(self.wallets)]
        while True:
            accepted = await wallet.send([member], self._accounts)
            if accepted:
                self.accepted += accepted
                return accepted[0]
            await anyio.sleep(1 / 4)

    async def _send_forever(self, index: int, wallet: Wallet) -> None:
        options, chance = self._world.options, wallet.chance
        due_s = anyio.current_time()
        while True:
            # Settled wallets keep to their times, whatever an answer takes: the rate is what was asked for.
            begin_s = due_s if options.is_settled else anyio.current_time()
            due_s = begin_s + chance.expovariate(options.rate / options.wallets)
            await anyio.sleep_until(due_s)
            members = self._world.get_honest(self._shard)
            if options.is_settled:
                members = [members[index % len(members)]]
            is_double = chance.random() < options.double_spends
            chosen = [chance.choice(members) for _ in range(1 + is_double)]
            accepted = await wallet.send(chosen, self._accounts)
            self.accepted += accepted
            self.refused += len(chosen) - len(accepted)
