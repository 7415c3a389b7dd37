"""Replaying a model: what a real node tells comes out as signed, and whatever is altered is noticed."""

from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from poi.errors import ForgedWork, ReplayMismatch, WrongGeneration
from shards.certificates import AuthorSignature, Certificate
from shards.checkpoints import Checkpoint, compute_checkpoint_digest, sign_attestation
from shards.committee import Committee
from shards.errors import EpochUnknown, InvalidCertificate
from tangle.api.wire import SignedQuantity
from tangle.cli.errors import CheckpointUnproven
from tangle.cli.local_work import find_job
from tangle.cli.networks import read_genesis
from tangle.cli.replay import (
    HOME_SHARD,
    LedgerData,
    ReplayedGeneration,
    Trust,
    fetch_ledger_data,
    fetch_proven_checkpoint,
    follow_genesis,
    replay_ledger_data,
    verify_checkpoint,
)
from tangle.client.client import TangleClient
from tangle.core.errors import InvalidSignature, TangleError
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transfer
from tangle.core.types import Digest, Grains, PublicKey
from tests.cli.builders import Terminal
from tests.drawing.blocks import make_committee, make_keys
from tests.shards.samples import make_checkpoint

GENERATIONS = 2
"""Generations trained for these tests: a first, and one that builds on it."""

KEY = SigningKey(bytes(range(32)))


@pytest.fixture(scope="module")
def genesis(node: Terminal) -> Genesis:
    return read_genesis(node.home / "genesis.cbor")


@pytest.fixture(scope="module")
def data(node: Terminal, genesis: Genesis) -> LedgerData:
    """What a node says after a little training."""
    return anyio.run(train_and_fetch, node.url, genesis, backend="asyncio")


async def train_and_fetch(url: str, genesis: Genesis) -> LedgerData:
    async with TangleClient(url, chain=compute_chain_id(genesis)) as client:
        await client.wait_transaction(await client.request_faucet(KEY.public_key))
        recipient = PublicKey(bytes(31) + b"\1")
        while (await client.get_models())[0].current.generation < GENERATIONS:
            await client.send(KEY, Transfer(recipient, Grains(1)), wait="attached")
        (model,) = await client.get_models()
        await client.send(KEY, Transfer(recipient, Grains(1)))
        return await fetch_ledger_data(client, genesis, model.job, lambda *_: None)


def replay(data: LedgerData, genesis: Genesis, *, is_recomputed: bool = False) -> list[ReplayedGeneration]:
    opened = find_job(genesis, data.closings[0].models[0].job)
    assert opened is not None
    return list(replay_ledger_data(data, opened, NumpyBackend(), is_recomputed=is_recomputed))


@pytest.mark.parametrize("is_recomputed", [False, True])
def test_every_generation_comes_out_as_signed(
    data: LedgerData, genesis: Genesis, is_recomputed: bool
) -> None:
    replayed = replay(data, genesis, is_recomputed=is_recomputed)
    assert len(replayed) == len(data.generations) >= GENERATIONS + 1
    assert [one.digest for one in replayed[1:]] == [one.models[0].weights_digest for one in data.closings]
    assert sum(one.evaluations for one in replayed) == len(data.items)


def test_a_flipped_result_changes_the_weights(data: LedgerData, genesis: Genesis) -> None:
    first, *rest = data.items
    flipped = replace(first, results=(SignedQuantity(-first.results[0] or 1),))
    with pytest.raises(ReplayMismatch, match="generation 1 is stated as"):
        replay(replace(data, items=(flipped, *rest)), genesis)


def test_a_wrong_magnitude_is_found_by_recomputing(data: LedgerData, genesis: Genesis) -> None:
    first, *rest = data.items
    doubled = replace(first, results=(SignedQuantity(2 * first.results[0] or 2),))
    altered = replace(data, items=(doubled, *rest))
    with pytest.raises((ForgedWork, ReplayMismatch)):
        replay(altered, genesis, is_recomputed=True)


def test_a_missing_evaluation_is_noticed(data: LedgerData, genesis: Genesis) -> None:
    # Either a digest differs, or a generation does not close and later work names one that does not exist.
    with pytest.raises((ReplayMismatch, WrongGeneration)):
        replay(replace(data, items=data.items[1:]), genesis)


def test_another_beginning_is_noticed(data: LedgerData, genesis: Genesis) -> None:
    wrong = replace(data.generations[0], weights_digest=data.generations[1].weights_digest)
    with pytest.raises(ReplayMismatch, match="generation 0"):
        replay(replace(data, generations=(wrong, *data.generations[1:])), genesis)


class Teller:
    """A node that answers with what it is given."""

    def __init__(self, answers: dict[int, tuple[Checkpoint, Certificate | None]]) -> None:
        self._answers = answers

    async def get_certified_checkpoint(
        self, shard: int, index: int | None
    ) -> tuple[Checkpoint, Certificate | None]:
        assert index is not None
        return self._answers[index]


@pytest.fixture
async def answers(node: Terminal, data: LedgerData) -> dict[int, tuple[Checkpoint, Certificate | None]]:
    """Three checkpoints in a row, with their certificates."""
    index = data.closings[0].index
    async with TangleClient(node.url) as client:
        return {place: await client.get_certified_checkpoint(0, place) for place in range(index, index + 3)}


async def test_a_signed_successor_proves_a_checkpoint(
    answers: dict[int, tuple[Checkpoint, Certificate | None]], genesis: Genesis
) -> None:
    first, second, third = answers
    found = await fetch_proven_checkpoint(Teller(answers), follow_genesis(genesis), first)
    for place in (first, second):
        answers[place] = (answers[place][0], None)
        assert await fetch_proven_checkpoint(Teller(answers), follow_genesis(genesis), first) == found
    answers[second] = (replace(answers[second][0], price=Grains(1)), None)
    with pytest.raises(CheckpointUnproven, match=f"checkpoint {third} does not follow it"):
        await fetch_proven_checkpoint(Teller(answers), follow_genesis(genesis), first)


def test_who_signs_in_a_later_epoch_must_be_known() -> None:
    committee, keys = make_committee(4), make_keys(4)
    later = replace(make_checkpoint(committee), shard=HOME_SHARD, committee_epoch=3, epoch=3)
    digest = compute_checkpoint_digest(later)
    signed = [sign_attestation(digest, later.index, HOME_SHARD, key, later.chain) for key in keys]
    parts = tuple(AuthorSignature(author, each.signature) for author, each in enumerate(signed))
    certificate = Certificate(later.index, digest, parts)
    known = Trust(later.chain, {0: committee, 3: Committee(3, committee.validators)})
    verify_checkpoint(later, certificate, known, later.index)
    with pytest.raises(EpochUnknown):
        verify_checkpoint(later, certificate, Trust(later.chain, {0: committee}), later.index)


async def test_what_no_quorum_signed_is_refused(
    answers: dict[int, tuple[Checkpoint, Certificate | None]], genesis: Genesis, tmp_path: Path
) -> None:
    index, successor, _ = answers
    checkpoint, certificate = answers[index]
    assert certificate is not None
    verify_checkpoint(checkpoint, certificate, follow_genesis(genesis), index)
    part = certificate.signatures[0]
    forged = replace(part, signature=bytes(64))
    stranger = replace(part, author=1)
    other = Terminal(tmp_path / "other")
    other.run_json("init", "--found")
    altered: list[tuple[Checkpoint, Certificate, Genesis, int, type[TangleError]]] = [
        (checkpoint, certificate, genesis, successor, CheckpointUnproven),
        (replace(checkpoint, price=Grains(1)), certificate, genesis, index, CheckpointUnproven),
        (checkpoint, replace(certificate, digest=Digest(bytes(32))), genesis, index, CheckpointUnproven),
        (checkpoint, replace(certificate, signatures=(forged,)), genesis, index, InvalidSignature),
        (checkpoint, replace(certificate, signatures=(stranger,)), genesis, index, InvalidCertificate),
        (checkpoint, certificate, read_genesis(other.home / "genesis.cbor"), index, CheckpointUnproven),
    ]
    for stated, signed, believed, wanted, error in altered:
        with pytest.raises(error):
            verify_checkpoint(stated, signed, follow_genesis(believed), wanted)
