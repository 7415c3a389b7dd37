"""Finality by itself: certificates late, early, out of order and missing; forks; no gaps."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from msgspec.structs import replace

from shards.blocks import Attestation, Block, BlockBody, compute_genesis_references, sign_block
from shards.certificates import Certificate
from shards.checkpoints import compute_checkpoint_digest, sign_attestation
from shards.committee import Committee
from tangle.core.genesis import compute_chain_id
from tangle.core.types import CheckpointIndex, Digest, Shard
from tangle.ledger.board import start_board
from tangle.ledger.machine import make_genesis_checkpoint
from tangle.ledger.state import make_genesis_state
from tangle.node.attesting import Attester, ExecutedCheckpoint
from tangle.node.finality import (
    OWN_CERTIFICATE_MARGIN,
    FinalCheckpoint,
    Finality,
    FinalityHooks,
    StateForked,
)
from tests.node.twins import make_key
from tests.node.world import BACKEND, make_genesis

GENESIS = make_genesis(4)
CHAIN = compute_chain_id(GENESIS)
SHARD = Shard(0)
KEYS = [make_key(f"validator {index}") for index in range(4)]
STATE = make_genesis_state(GENESIS, SHARD)[0]
BOARD = start_board(GENESIS, BACKEND)[0]
ANCESTORS = compute_genesis_references(Committee(0, GENESIS.validators), CHAIN, SHARD)
CHECKPOINT = make_genesis_checkpoint(CHAIN, SHARD, STATE, BOARD)


class Bench:
    """One validator's finality, and what it did."""

    def __init__(self) -> None:
        self.final: list[FinalCheckpoint] = []
        self.stored: list[int] = []
        self.late: list[Certificate] = []
        self.finality = Finality(
            attester=Attester(Committee(0, GENESIS.validators), CHAIN, KEYS[0], 0),
            hooks=FinalityHooks(store=self._store, on_final=self.final.extend),
            certified=0,
        )

    async def _store(self, final: Sequence[FinalCheckpoint], late: Sequence[Certificate]) -> None:
        await anyio.sleep(0.01)
        self.stored.extend(checkpoint.executed.checkpoint.index for checkpoint in final)
        self.late.extend(late)

    def execute(self, index: int) -> None:
        checkpoint = replace(CHECKPOINT, index=CheckpointIndex(index))
        self.finality.on_executed(ExecutedCheckpoint(checkpoint, compute_digest(index), ()))

    def attest(self, index: int, *authors: int, digest: Digest | None = None) -> None:
        for author in authors:
            found = compute_digest(index) if digest is None else digest
            signed = sign_attestation(found, CheckpointIndex(index), SHARD, KEYS[author], CHAIN)
            self.finality.on_block(make_block(author, signed))


def compute_digest(index: int) -> Digest:
    return compute_checkpoint_digest(replace(CHECKPOINT, index=CheckpointIndex(index)))


def make_block(author: int, *attestations: Attestation) -> Block:
    body = BlockBody(
        version=1,
        chain=CHAIN,
        epoch=0,
        shard=SHARD,
        round=1,
        author=author,
        timestamp_ms=GENESIS.timestamp_ms,
        ancestors=ANCESTORS,
        tips=(),
        attestations=attestations,
        votes=(),
        bundles=(),
    )
    return sign_block(body, KEYS[author])


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.finality.run)
        yield made
        tasks.cancel_scope.cancel()


async def settle() -> None:
    await anyio.sleep(1)


async def test_final_is_what_is_executed_and_signed_by_a_quorum() -> None:
    async with bench() as it:
        it.execute(1)
        it.attest(1, 0, 1)
        await settle()
        assert it.finality.certified == 0
        it.attest(1, 1)  # the same author again adds nothing
        await settle()
        assert it.finality.certified == 0
        it.attest(1, 2)
        await settle()
        assert it.finality.certified == 1
        assert it.final[0].certificate is not None
        assert it.final[0].certificate.digest == compute_digest(1)


async def test_a_certificate_may_come_before_the_execution() -> None:
    async with bench() as it:
        for index in (2, 1):
            it.attest(index, 1, 2, 3)
        await settle()
        assert not it.final
        it.execute(1)
        it.execute(2)
        await settle()
        assert it.stored == [1, 2]
        assert [checkpoint.certificate is not None for checkpoint in it.final] == [True, True]


async def test_one_without_a_certificate_waits_for_its_own_but_not_for_ever() -> None:
    async with bench() as it:
        for index in range(1, OWN_CERTIFICATE_MARGIN + 3):
            it.execute(index)
            if index > 1:
                it.attest(index, 1, 2, 3)
            await anyio.sleep(0.1)
            if index <= OWN_CERTIFICATE_MARGIN:
                assert it.finality.certified == 0
        await settle()
        assert it.finality.certified == OWN_CERTIFICATE_MARGIN + 2
        assert it.stored == list(range(1, OWN_CERTIFICATE_MARGIN + 3))
        assert it.final[0].certificate is None
        it.attest(1, 1, 2, 3)
        await settle()
        assert [certificate.index for certificate in it.late] == [1]


async def test_a_certificate_that_comes_while_its_checkpoint_is_being_stored_is_kept_too() -> None:
    async with bench() as it:
        for index in range(1, OWN_CERTIFICATE_MARGIN + 2):
            it.execute(index)
        it.attest(OWN_CERTIFICATE_MARGIN + 1, 1, 2, 3)
        await anyio.sleep(0.005)
        assert (it.stored, it.finality.certified) == ([], 0)
        it.attest(1, 1, 2, 3)
        await settle()
        assert [checkpoint.certificate for checkpoint in it.final] == [None]
        assert [certificate.index for certificate in it.late] == [1]


async def test_another_digest_of_the_quorum_stops_the_node() -> None:
    other = Digest(b"other" + bytes(27))
    made = Bench()
    made.execute(1)
    made.attest(1, 3, digest=other)
    made.attest(1, 1, 2, digest=other)
    with pytest.raises(StateForked) as stopped:
        await made.finality.run()
    assert (stopped.value.index, stopped.value.own) == (1, compute_digest(1))
    assert stopped.value.certified == other
    early = Bench()
    early.attest(1, 1, 2, 3, digest=other)
    early.execute(1)
    with pytest.raises(StateForked):
        await early.finality.run()


async def test_own_attestations_are_given_once_and_in_order() -> None:
    async with bench() as it:
        assert not it.finality.attester.has_attestations
        for index in range(1, 6):
            it.execute(index)
        taken = [*it.finality.attester.take_attestations(2), *it.finality.attester.take_attestations(10)]
        assert [attestation.index for attestation in taken] == [1, 2, 3, 4, 5]
        assert it.finality.attester.take_attestations(10) == ()
        assert not it.finality.attester.has_attestations
        it.attest(4, 2)
        it.attest(3, 2)
        assert (it.finality.attester.get_attested(2), it.finality.attester.get_attested(3)) == (4, 0)


async def test_what_others_have_certified_gets_no_further_attestation() -> None:
    async with bench() as it:
        it.attest(1, 1, 2, 3)
        it.execute(1)
        it.execute(2)
        assert [attestation.index for attestation in it.finality.attester.take_attestations(10)] == [2]


async def test_the_last_checkpoint_of_a_committee_covers_all_before_it() -> None:
    """No later one will: the next committee begins only when all of them are final."""
    async with bench() as it:
        for index in (1, 2, 3):
            it.execute(index)
        it.attest(3, 0, 1, 2)
        await settle()
        assert it.stored == []
        it.finality.on_end(3)
        await settle()
        assert it.stored == [1, 2, 3]
        assert [final.certificate is not None for final in it.final] == [False, False, True]


async def test_a_certificate_that_a_peer_shows_counts_like_its_attestations() -> None:
    source = Bench()
    source.attest(1, 0, 1, 2)
    certificate = source.finality._certificates[1]
    async with bench() as it:
        it.finality.on_certificate(certificate)
        assert it.finality.known == 1
        it.execute(1)
        await settle()
        assert it.stored == [1]
        assert it.finality.attester.take_attestations(9) == (), "it needs no further signature"


async def test_another_committee_counts_for_itself() -> None:
    async with bench() as it:
        it.execute(1)
        it.attest(1, 0, 1, 2)
        it.finality.on_end(1)
        await settle()
        lone = Committee(1, (GENESIS.validators[3],))
        it.finality.begin(Attester(lone, CHAIN, None, 1))
        it.execute(2)
        signed = sign_attestation(compute_digest(2), CheckpointIndex(2), SHARD, KEYS[3], CHAIN)
        it.finality.on_block(make_block(0, signed))
        await settle()
        assert it.stored == [1, 2]
