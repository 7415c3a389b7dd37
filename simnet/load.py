"""Wallets: they prepare, sign and send through whichever node answers, and remember what was accepted."""

from collections.abc import Sequence
from typing import Final

import anyio
from msgspec import Struct

from poi.market.operations import encode_operation
from shards.epochs import LEADING_SHARD
from simnet.chance import Chance, make_chance, make_key
from simnet.founding import FOUNDER_STAKE, count_stakers
from simnet.homes import make_staker_key, make_trader_key, make_wallet_key
from simnet.staking import Staker, compute_ghost_stake
from simnet.trading import Trader
from simnet.world import Member, World
from tangle.core.errors import TangleError
from tangle.core.genesis import compute_chain_id
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    TRANSACTION_VERSION,
    MarketCall,
    Operation,
    Transaction,
    TransactionBody,
    Transfer,
    sign_transaction,
)
from tangle.core.types import CheckpointIndex, Grains, PublicKey, Shard, TransactionId
from tangle.core.types import Sequence as SequenceNumber
from tangle.node.parts import MARKET_SHARD
from tangle.node.service import Service
from tangle.node.views import PreparedTransaction

PATIENCE_S: Final = 5.0
"""How long a wallet waits for a node; a node that was killed never answers."""

TRADES_PER_SECOND: Final = 3.0
"""How often each trader wants something; what it wants follows from what the market is like then."""

STAKES_PER_SECOND: Final = 1.0
"""How often each staker wants something: several times an epoch."""

STAKER_FEE_SHARE: Final = 2
"""How often a transfer's usual fee a staker pays at most: proving a key takes a hundred bytes."""

TRADER_FEE_SHARE: Final = 8
"""How often a transfer's usual fee a trader pays at most: calls of the market are longer."""

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

    fee_share = 1
    """How often a transfer's usual fee it pays at most."""

    def __init__(self, world: World, name: str, key: SigningKey, chance: Chance) -> None:
        self.name = name
        self.key = key
        self.chance = chance
        self._world = world

    async def send(self, members: Sequence[Member], recipients: Sequence[PublicKey]) -> list[Accepted]:
        """Send something to the first member; with a second, another thing of the same number to it.

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
        transaction = self._sign(prepared, self._choose(service, recipients))
        try:
            (outcome,) = await service.submit((transaction.encoded,))
        except TangleError as error:
            return transaction, error.code
        return transaction, "accepted" if outcome.error is None else outcome.error.code

    def _choose(self, _service: Service, recipients: Sequence[PublicKey]) -> Operation:
        recipient, amount = self.chance.choice(recipients), self.chance.randint(1, AMOUNT_MAX)
        return Transfer(recipient, Grains(amount))

    def _sign(self, prepared: PreparedTransaction, operation: Operation) -> Transaction:
        assert prepared.work is not None, "it was asked for"
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain=prepared.chain,
            shard=Shard(prepared.shard),
            issuer=self.key.public_key,
            sequence=SequenceNumber(prepared.sequence),
            anchor=CheckpointIndex(prepared.anchor),
            parents=prepared.parents,
            operation=operation,
            work=prepared.work,
            max_fee=Grains(self.fee_share * prepared.suggested_max_fee),
        )
        return sign_transaction(body, self.key)


class TradingWallet(Wallet):
    """An account that uses the market and sends nothing else."""

    fee_share = TRADER_FEE_SHARE

    def __init__(self, world: World, name: str, key: SigningKey, chance: Chance) -> None:
        super().__init__(world, name, key, chance)
        self._trader = Trader(key.public_key, chance)

    def _choose(self, service: Service, recipients: Sequence[PublicKey]) -> Operation:
        machine = service.node.executor.machine
        return MarketCall(encode_operation(self._trader.choose(machine.market, machine.state.timestamp_ms)))


class StakingWallet(Wallet):
    """An account that stakes and sends nothing else."""

    fee_share = STAKER_FEE_SHARE

    def __init__(self, world: World, index: int) -> None:
        """:param index: among the accounts that stake."""
        options, rules = world.options, world.genesis.parameters.staking
        key, chance = make_staker_key(options, index), make_chance(options.seed, "staker", index)
        super().__init__(world, f"staker{index}", key, chance)
        node = options.founders + index
        is_run = bool(options.founders) and node < options.nodes
        names = ("validator", node) if is_run else ("ghost", index)
        target = FOUNDER_STAKE if is_run else compute_ghost_stake(rules)
        chain = compute_chain_id(world.genesis)
        self._staker = Staker(key.public_key, make_key(options.seed, *names), target, chain, chance)

    async def send(self, members: Sequence[Member], recipients: Sequence[PublicKey]) -> list[Accepted]:
        """As others do, but only once its last operation is ordered: what it wants follows from its stake, so
        asking twice would bind twice as much.
        """
        nodes = [member.node for member in self._world.get_honest(LEADING_SHARD) if member.node is not None]
        if any(node.book.count_pending(self.key.public_key) for node in nodes):
            return []
        return await super().send(members, recipients)

    def _choose(self, service: Service, recipients: Sequence[PublicKey]) -> Operation:
        executor = service.node.executor
        machine, account = executor.machine, executor.read_account(self.key.public_key)
        return self._staker.choose(machine.stakes, account.stake, machine.state.epoch)


class Load:
    """All wallets of one shard: what they send goes to accounts of every shard."""

    def __init__(self, world: World, shard: int = 0) -> None:
        self.accepted: list[Accepted] = []
        self.refused = 0
        self._world = world
        self._shard = shard
        options = world.options
        self.wallets = [
            Wallet(
                world,
                f"wallet{index}",
                make_wallet_key(options, index),
                make_chance(options.seed, "wallet", index),
            )
            for index in range(shard, options.wallets, options.shards)
        ]
        self.traders = [
            TradingWallet(
                world,
                f"trader{index}.{shard}",
                make_trader_key(options, index, shard),
                make_chance(options.seed, "trader", shard, index),
            )
            for index in range(options.traders if shard == MARKET_SHARD else 0)
        ]
        stakers = range(count_stakers(options) if shard == LEADING_SHARD else 0)
        self.stakers = [StakingWallet(world, index) for index in stakers]
        self._accounts = [make_wallet_key(options, index).public_key for index in range(options.wallets)]

    async def run(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as tasks:
            for index, wallet in enumerate(self.wallets):
                tasks.start_soon(self._send_forever, index, wallet)
            for trader in self.traders:
                tasks.start_soon(self._call_forever, trader, TRADES_PER_SECOND)
            for staker in self.stakers:
                tasks.start_soon(self._call_forever, staker, STAKES_PER_SECOND)

    async def probe(self, member: Member) -> Accepted:
        """Send one transfer through ``member``; tries until it is accepted."""
        wallet = self.wallets[member.index % len(self.wallets)]
        while True:
            accepted = await wallet.send([member], self._accounts)
            if accepted:
                self.accepted += accepted
                return accepted[0]
            await anyio.sleep(1 / 4)

    async def _call_forever(self, wallet: Wallet, calls_per_second: float) -> None:
        while True:
            await anyio.sleep(wallet.chance.expovariate(calls_per_second))
            accepted = await wallet.send([wallet.chance.choice(self._world.get_honest(self._shard))], ())
            self.accepted += accepted
            self.refused += not accepted

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
