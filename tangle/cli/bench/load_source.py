"""Where the load tool's transactions come from: wallets of one seed, funded, and their signed transfers.

The wallets send each other small amounts in turns, each building on its own transaction before, with the AI
work done here. Facts of the ledger (anchor, generation, price) are read anew between chunks: transactions
signed long before they are sent expire.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

import anyio
from msgspec import Struct

from aivm.backends.numpy_backend import NumpyBackend
from aivm.batch import Weights
from poi.events import Assignment
from poi.evolution import OpenJob, compute_results
from poi.weights import compute_effective, decode_master
from tangle.api.schemas.transactions import PreparedAnswer
from tangle.cli.local_work import fetch_job
from tangle.client.client import TangleClient
from tangle.core.errors import TangleError
from tangle.core.hashing import compute_home_shard
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    EVOLUTION_WORK,
    TRANSACTION_VERSION,
    Transaction,
    TransactionBody,
    Transfer,
    Work,
    sign_transaction,
)
from tangle.core.types import (
    ChainId,
    CheckpointIndex,
    Grains,
    JobId,
    PublicKey,
    Shard,
    TransactionId,
)
from tangle.core.types import Sequence as SequenceNumber

WALLETS_MAX: Final = 4_096
"""Most wallets: each is asked for by a request at the start."""

ASKING_MAX: Final = 16
"""Requests at a time while the wallets are made ready."""

AMOUNT: Final = Grains(1_000)
"""Grains in each transfer."""

FEE_MARGIN: Final = 16
"""Times the suggested fee that a transaction may cost: its price rises while the load lasts."""

FUND_TIMEOUT_S: Final = 60.0
"""For a wallet's money to arrive."""


class LoadRefused(TangleError):
    """A network that the load tool cannot make transactions for."""

    code = "load-refused"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"no load for this network: {reason}")


class Facts(Struct, frozen=True):
    """What transactions of one shard are made from, for a while."""

    prepared: PreparedAnswer
    """Of one of its wallets."""

    opened: OpenJob
    """The standing job."""

    weights: Weights
    """Of its generation."""


def derive_wallets(seed: str, count: int) -> tuple[SigningKey, ...]:
    """The same keys for the same seed, on every machine."""
    return tuple(
        SigningKey(blake2b(f"{seed}/{number}".encode(), digest_size=32, person=b"tangle-load").digest())
        for number in range(min(count, WALLETS_MAX))
    )


async def fund_from_faucet(client: TangleClient, wallets: Sequence[SigningKey]) -> None:
    """Have the devnet's faucet fund every wallet that has nothing.

    :raises ApiProblem: there is no faucet, or it refuses.
    """
    limiter = anyio.CapacityLimiter(ASKING_MAX)

    async def fund(key: SigningKey) -> None:
        async with limiter:
            if not int((await client.get_account(key.public_key)).balance):
                identity = await client.request_faucet(key.public_key)
                await client.wait_transaction(identity, timeout_s=FUND_TIMEOUT_S)

    async with anyio.create_task_group() as tasks:
        for key in wallets:
            tasks.start_soon(fund, key)


async def fund_from_wallet(
    client: TangleClient, payer: SigningKey, wallets: Sequence[SigningKey], amount: Grains
) -> None:
    """Have another wallet pay ``amount`` to every wallet that has nothing, one after the other.

    :raises ApiProblem, NotReached: see each.
    """
    for key in wallets:
        if not int((await client.get_account(key.public_key)).balance):
            await client.send(payer, Transfer(key.public_key, amount), timeout_s=FUND_TIMEOUT_S)


class TransactionSource:
    """Makes signed transactions; ``open`` it first, ``refresh`` it now and then."""

    def __init__(self, client: TangleClient, wallets: Sequence[SigningKey]) -> None:
        """:param wallets: at least one, all funded."""
        self._client = client
        self._wallets = tuple(wallets)
        self._shards: tuple[Shard, ...] = ()
        self._facts: dict[Shard, Facts] = {}
        self._jobs: dict[bytes, OpenJob] = {}
        self._next: dict[PublicKey, SequenceNumber] = {}
        self._last: dict[PublicKey, tuple[TransactionId, ...]] = {}
        self._turn = 0
        self._backend = NumpyBackend()

    @property
    def shards(self) -> frozenset[Shard]:
        """Shards that the wallets live in."""
        return frozenset(self._shards)

    async def open(self) -> None:
        """Read what the wallets build on.

        :raises LoadRefused: the network has several standing jobs: which is whose is decided one by one.
        :raises ApiProblem, NodeUnreachable: see each.
        """
        models = [model for model in await self._client.get_models() if int(model.budget)]
        if len(models) != 1:
            raise LoadRefused(f"it has {len(models)} standing jobs, and the load tool works on exactly one")
        bits = (await self._client.get_genesis()).parameters.shard_bits
        self._shards = tuple(compute_home_shard(key.public_key, bits) for key in self._wallets)
        limiter = anyio.CapacityLimiter(ASKING_MAX)

        async def read(key: SigningKey) -> None:
            async with limiter:
                prepared = await self._client.prepare(key.public_key)
            self._next[key.public_key] = SequenceNumber(int(prepared.sequence))
            self._last[key.public_key] = tuple(TransactionId(bytes(parent)) for parent in prepared.parents)

        async with anyio.create_task_group() as tasks:
            for key in self._wallets:
                tasks.start_soon(read, key)
        await self.refresh()

    async def refresh(self) -> None:
        """Read the ledger's facts anew, for every shard that a wallet lives in."""
        for shard in sorted(set(self._shards)):
            key = self._wallets[self._shards.index(shard)].public_key
            prepared = await self._client.prepare(key, sequence=self._next[key])
            opened = self._jobs.get(bytes(prepared.job))
            if opened is None:
                genesis = await self._client.get_genesis()
                opened = await fetch_job(self._client, genesis, bytes(prepared.job))
                self._jobs[bytes(prepared.job)] = opened
            master = await self._client.get_weights(prepared.job, int(prepared.generation), shard=shard)
            weights = compute_effective(opened.job, decode_master(opened.job, master))
            self._facts[shard] = Facts(prepared, opened, weights)

    def make(self, count: int) -> list[Transaction]:
        """The next transactions, wallets taking turns; their place in turn decides which node they go to."""
        turns = [(self._turn + number) % len(self._wallets) for number in range(count)]
        self._turn = (self._turn + count) % len(self._wallets)
        works = self._do_work(turns)
        return [self._sign(turn, works[number]) for number, turn in enumerate(turns)]

    def _do_work(self, turns: Sequence[int]) -> Mapping[int, tuple[SequenceNumber, Work]]:
        """The work of each place, with the sequence number that it is for: one call for each shard."""
        places: dict[Shard, list[tuple[int, Assignment]]] = {}
        for number, turn in enumerate(turns):
            key, shard = self._wallets[turn].public_key, self._shards[turn]
            sequence = self._next[key]
            self._next[key] = SequenceNumber(sequence + 1)
            assignment = Assignment(key, sequence, self._facts[shard].prepared.difficulty)
            places.setdefault(shard, []).append((number, assignment))
        works = {}
        for shard, items in places.items():
            facts = self._facts[shard]
            generation, job = int(facts.prepared.generation), JobId(bytes(facts.prepared.job))
            assignments = [assignment for _, assignment in items]
            results = compute_results(facts.opened, generation, facts.weights, assignments, self._backend)
            for (number, assignment), result in zip(items, results, strict=True):
                work = Work(EVOLUTION_WORK, job, generation, assignment.issuer, result)
                works[number] = (assignment.sequence, work)
        return works

    def _sign(self, turn: int, numbered: tuple[SequenceNumber, Work]) -> Transaction:
        key, shard = self._wallets[turn], self._shards[turn]
        prepared = self._facts[shard].prepared
        sequence, work = numbered
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain=ChainId(bytes(prepared.chain)),
            shard=shard,
            issuer=key.public_key,
            sequence=sequence,
            anchor=CheckpointIndex(int(prepared.anchor)),
            parents=self._last[key.public_key],
            operation=Transfer(self._find_recipient(turn), AMOUNT),
            work=work,
            max_fee=Grains(FEE_MARGIN * int(prepared.suggested_max_fee)),
        )
        transaction = sign_transaction(body, key)
        self._last[key.public_key] = (transaction.id,)
        return transaction

    def _find_recipient(self, turn: int) -> PublicKey:
        """The next wallet of the same shard: transfers abroad are another kind of load."""
        count = len(self._wallets)
        for step in range(1, count + 1):
            other = (turn + step) % count
            if self._shards[other] == self._shards[turn]:
                return self._wallets[other].public_key
        raise AssertionError("a wallet is in its own shard")
