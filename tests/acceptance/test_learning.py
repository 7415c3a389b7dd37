"""The digits are learnt by what the ledger orders, on every node alike, and anyone can compute it again."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from poi.events import Assignment
from poi.evolution import OpenJob, compute_results, open_job
from poi.presets import DIGITS
from poi.weights import compute_effective, decode_master
from tangle.api.schemas.transactions import PreparedAnswer
from tangle.cli.replay import fetch_ledger_data, replay_ledger_data
from tangle.client.client import TangleClient
from tangle.client.sending import make_transaction
from tangle.core.signing import SigningKey
from tangle.core.transactions import EVOLUTION_WORK, Transaction, Transfer, Work
from tangle.core.types import Grains, Milliseconds
from tangle.core.types import Sequence as Number
from tests.acceptance.support import NetworkUnderTest, found_devnet, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EVALUATIONS = 10_000
"""Counted evaluations that the goal speaks of."""

SCORE_MIN = 0.85
"""Share of the holdout that is then told right."""

HURRIED = replace(DIGITS, generation_interval_ms=Milliseconds(50))
"""The digits as they ship, without the pause between generations that suits a slow load."""

WALLETS = 48
"""Wallets that send at once; each has one transaction in a batch, so that none waits for another."""


class Trainer:
    """Wallets that prove their own work in one go, for a whole generation at a time."""

    def __init__(self, network: NetworkUnderTest, opened: OpenJob) -> None:
        self._network = network
        self._opened = opened
        self._keys = [SigningKey(bytes([9, place + 1]) * 16) for place in range(WALLETS)]
        self._number = 0
        self._backend = NumpyBackend()

    async def fund(self) -> None:
        """A portion of the faucet for each wallet."""
        async with TangleClient(self._network.urls[0]) as client:
            asked = [await client.request_faucet(key.public_key) for key in self._keys]
            for identity in asked:
                assert (await client.wait_transaction(identity)).status == "checkpointed"

    async def train(self, client: TangleClient) -> None:
        """One transaction of each wallet, with work of the current generation, until all are final."""
        prepared = await client.prepare(self._keys[0].public_key)
        assert prepared.sequence == self._number
        transactions = self._sign(prepared, await self._prove(client, prepared))
        answers = await client.submit_batch(transactions)
        assert {answer.code for answer in answers} == {None}
        for transaction in transactions:
            answer = await client.wait_transaction(transaction.id)
            assert (answer.status, answer.reason) == ("checkpointed", None)
        self._number += 1

    async def _prove(self, client: TangleClient, prepared: PreparedAnswer) -> Sequence[tuple[int, ...]]:
        job, generation = self._opened.job, int(prepared.generation)
        master = await client.get_weights(self._opened.id, generation)
        weights = compute_effective(job, decode_master(job, master))
        assignments = [
            Assignment(key.public_key, Number(self._number), prepared.difficulty) for key in self._keys
        ]
        return compute_results(self._opened, generation, weights, assignments, self._backend)

    def _sign(self, prepared: PreparedAnswer, results: Sequence[tuple[int, ...]]) -> list[Transaction]:
        generation = int(prepared.generation)
        return [
            make_transaction(
                prepared,
                Transfer(self._keys[0].public_key, Grains(1)),
                Work(EVOLUTION_WORK, self._opened.id, generation, key.public_key, found),
                key,
            )
            for key, found in zip(self._keys, results, strict=True)
        ]


async def test_ten_thousand_evaluations_teach_the_digits(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    opened = open_job(HURRIED)
    network = found_devnet(tmp_path / "net", 4, job=HURRIED)
    with running(network):
        await network.wait_ready()
        trainer = Trainer(network, opened)
        await trainer.fund()
        clients = [TangleClient(url) for url in network.urls]
        (model,) = await clients[0].get_models()
        for client in itertools.cycle(clients):
            if model.counted_total >= EVALUATIONS:
                break
            await trainer.train(client)
            (model,) = await client.get_models()
        share = model.current.score / model.holdout_rows
        record_property(
            "learnt",
            f"{share:.1%} after {model.counted_total} evaluations, generation {model.current.generation}",
        )
        assert share >= SCORE_MIN
        await check_same_curve(clients, opened, int(model.current.generation))
        data = await fetch_ledger_data(clients[-1], network.genesis, opened.id, lambda *_: None)
        for other in clients:
            await other.close()
    backend = NumpyBackend()
    rebuilt = list(replay_ledger_data(data, opened, backend, is_recomputed=True))
    assert len(rebuilt) == len(data.closings) + 1 > model.current.generation
    assert [step.score for step in rebuilt][model.current.generation] == model.current.score


async def check_same_curve(clients: Sequence[TangleClient], opened: OpenJob, generation: int) -> None:
    """Every node has the same digest and score of every generation up to this one."""
    first, *others = clients
    (closed,) = (await first.get_model(opened.id, first=generation, limit=1)).curve
    curves = []
    for client in (first, *others):
        account = SigningKey(b"n" * 32).public_key
        await client.get_account(account, min_checkpoint=int(closed.checkpoint), timeout_s=30)
        curves.append((await client.get_model(opened.id, limit=generation + 1)).curve)
    assert len(curves[0]) == generation + 1
    assert all(curve == curves[0] for curve in curves)
