"""Rebuilding a model from the ledger: what to ask a node for, and what not to believe.

A node says which evaluations counted and which checkpoints closed generations. Neither is taken on trust:
every checkpoint is checked against a committee to which the genesis leads by the ends of epochs, and the
weights that come out of the evaluations must have the digest that the committee signed.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol

import anyio
from msgspec import Struct

from aivm.backends.protocol import Backend
from poi.errors import ReplayMismatch
from poi.events import ClosedGeneration, CountedWork, ReplayStep
from poi.evolution import OpenJob
from poi.replay import replay, verify_generation_digest
from shards.certificates import Certificate, verify_certificate
from shards.checkpoints import Checkpoint, ModelState, compute_checkpoint_digest
from shards.committee import Committee
from shards.epochs import EpochEnd, follow_epochs, make_genesis_committee
from shards.errors import EpochUnknown
from tangle.api.schemas.models import GenerationAnswer, LineageItemAnswer
from tangle.cli.errors import CheckpointUnproven
from tangle.client.client import TangleClient
from tangle.core.address import decode_address
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.types import ChainId, Digest, Sequence, Shard

CURVE_PAGE: Final = 500
"""Generations asked for at a time."""

REQUESTS_MAX: Final = 8
"""Checkpoints asked for at the same time."""

SUCCESSORS_MAX: Final = 256
"""Checkpoints followed to find a signed one: half a minute of them, longer than validators agree to skip."""

HOME_SHARD: Final = Shard(0)
"""Shard whose checkpoints name the models."""


class CheckpointReader(Protocol):
    """Where checkpoints come from: a client."""

    async def get_certified_checkpoint(
        self, shard: int, index: int | None
    ) -> tuple[Checkpoint, Certificate | None]:
        """A checkpoint and its certificate; the latest certified one for none."""
        ...


class Trust(Struct, frozen=True):
    """Who may sign, as it follows from the genesis."""

    chain: ChainId
    """The network."""

    committees: Mapping[int, Committee]
    """By epoch, as far as ends of epochs lead."""

    def find_committee(self, epoch: int) -> Committee:
        """The committee of an epoch.

        :raises EpochUnknown: the ends of epochs do not lead to it.
        """
        if epoch not in self.committees:
            raise EpochUnknown(epoch, max(self.committees))
        return self.committees[epoch]


def follow_genesis(genesis: Genesis, ends: Iterable[EpochEnd] = ()) -> Trust:
    """Follow the ends of epochs from the genesis.

    :raises TangleError: one of them does not hold; see ``follow_epochs``.
    """
    chain = compute_chain_id(genesis)
    committees = follow_epochs(make_genesis_committee(genesis), ends, chain)
    return Trust(chain, {committee.epoch: committee for committee in committees})


class LedgerData(Struct, frozen=True):
    """What the replay of a job reads."""

    generations: tuple[GenerationAnswer, ...]
    """As the node tells them, from generation 0 on."""

    opening: Checkpoint
    """The checkpoint that put the job on the board, 0 for a job of the genesis; proven like all others."""

    closings: tuple[Checkpoint, ...]
    """The certified checkpoint that closed each generation but the last."""

    items: tuple[LineageItemAnswer, ...]
    """Counted evaluations, in order."""


class ReplayedGeneration(Struct, frozen=True):
    """A generation that was rebuilt and found as certified."""

    generation: int
    """Its number."""

    score: int
    """Right answers on the holdout, recomputed here."""

    evaluations: int
    """Evaluations folded into it."""

    digest: Digest
    """Its digest, computed here and signed by the committee."""


async def fetch_ledger_data(
    client: TangleClient, genesis: Genesis, job_id: bytes, on_progress: Callable[[int, int], None]
) -> LedgerData:
    """Everything that a replay needs, with every checkpoint's certificate checked.

    :param on_progress: told how many checkpoints are here, and of how many.
    :raises CheckpointUnproven, InvalidCertificate, InvalidSignature: no quorum signed a checkpoint.
    :raises BrokenEpochChain, EpochUnknown: the genesis does not lead to who signed.
    :raises TangleError: the node does not answer, or refuses.
    """
    newest, _ = await client.get_certified_checkpoint(HOME_SHARD)
    trust = follow_genesis(genesis, await client.get_epoch_ends())
    curve = [generation async for generation in _iterate_curve(client, job_id)]
    # The newest generations may be closed by checkpoints that are still being signed.
    generations = [generation for generation in curve if generation.checkpoint <= newest.index]
    closings: dict[int, Checkpoint] = {}
    limiter = anyio.CapacityLimiter(REQUESTS_MAX)

    async def fetch(index: int) -> None:
        async with limiter:
            closings[index] = await fetch_proven_checkpoint(client, trust, index)
        on_progress(len(closings), len(generations))

    async with anyio.create_task_group() as tasks:
        for generation in generations:
            tasks.start_soon(fetch, int(generation.checkpoint))
    opening = closings[int(generations[0].checkpoint)]
    ordered = tuple(closings[int(generation.checkpoint)] for generation in generations[1:])
    last = ordered[-1].ordered_total if ordered else 0
    items = []
    async for item in client.get_lineage(job_id):
        if item.ordered_index >= last:
            break
        items.append(item)
    return LedgerData(tuple(generations), opening, ordered, tuple(items))


def replay_ledger_data(
    data: LedgerData, opened: OpenJob, backend: Backend, *, is_recomputed: bool
) -> Iterator[ReplayedGeneration]:
    """Rebuild every generation and compare each with what the committee signed.

    :param is_recomputed: also recompute every evaluation that counted.
    :raises ReplayMismatch: a generation comes out otherwise than signed.
    :raises ForgedWork: a counted evaluation is wrong; only when recomputing.
    """
    rebuilt = replay(
        opened, data.opening.timestamp_ms, _iterate_steps(data), backend, is_recomputed=is_recomputed
    )
    first = next(rebuilt)
    for stated in (_find_model(data.opening, opened), data.generations[0]):
        verify_generation_digest(first, Digest(bytes(stated.weights_digest)))
    yield _describe(first)
    count = 0
    for closed in rebuilt:
        stated = _find_model(data.closings[count], opened)
        count += 1
        if (closed.generation, closed.score) != (stated.generation, stated.score):
            raise ReplayMismatch(closed.generation, stated.weights_digest, closed.digest)
        verify_generation_digest(closed, stated.weights_digest)
        yield _describe(closed)
    if count < len(data.closings):
        missing = _find_model(data.closings[count], opened)
        raise ReplayMismatch(missing.generation, missing.weights_digest, Digest(bytes(32)))


def _iterate_steps(data: LedgerData) -> Iterator[ReplayStep]:
    place = 0
    for checkpoint in data.closings:
        works = []
        while place < len(data.items) and data.items[place].ordered_index < checkpoint.ordered_total:
            item = data.items[place]
            issuer = decode_address(item.issuer, None).public_key
            works.append(
                CountedWork(
                    int(item.generation), issuer, Sequence(int(item.sequence)), tuple(map(int, item.results))
                )
            )
            place += 1
        yield ReplayStep(checkpoint.timestamp_ms, tuple(works))


async def _iterate_curve(client: TangleClient, job_id: bytes) -> AsyncIterator[GenerationAnswer]:
    first = 0
    while True:
        page = (await client.get_model(job_id, first=first, limit=CURVE_PAGE)).curve
        for generation in page:
            yield generation
        if len(page) < CURVE_PAGE:
            return
        first += len(page)


async def fetch_proven_checkpoint(client: CheckpointReader, trust: Trust, index: int) -> Checkpoint:
    """A checkpoint that a quorum signed, or that a signed one descends from: each names the one before.

    After kills a checkpoint may never get a certificate of its own, because the validators sign later ones.

    :raises CheckpointUnproven: what the node answers does not lead to it.
    :raises InvalidCertificate, InvalidSignature: a certificate does not hold.
    """
    links: list[Checkpoint] = []
    for place in range(index, index + SUCCESSORS_MAX):
        checkpoint, certificate = await client.get_certified_checkpoint(HOME_SHARD, place)
        if links and checkpoint.previous != compute_checkpoint_digest(links[-1]):
            raise CheckpointUnproven(place - 1, f"checkpoint {place} does not follow it")
        links.append(checkpoint)
        if certificate is not None:
            verify_checkpoint(checkpoint, certificate, trust, place)
            return links[0]
    raise CheckpointUnproven(index, f"none of the next {SUCCESSORS_MAX} has a certificate")


def verify_checkpoint(checkpoint: Checkpoint, certificate: Certificate, trust: Trust, index: int) -> None:
    """Check that a quorum of its epoch's committee signed this very checkpoint.

    :raises CheckpointUnproven: it is another one.
    :raises EpochUnknown: nobody knows that committee.
    :raises InvalidCertificate, InvalidSignature: the certificate does not hold.
    """
    chain = trust.chain
    if (checkpoint.index, checkpoint.chain, checkpoint.shard) != (index, chain, HOME_SHARD):
        raise CheckpointUnproven(index, f"the node answered with checkpoint {checkpoint.index}")
    if (certificate.index, certificate.digest) != (index, compute_checkpoint_digest(checkpoint)):
        raise CheckpointUnproven(index, "its certificate is for another one")
    verify_certificate(certificate, trust.find_committee(checkpoint.committee_epoch), chain, HOME_SHARD)


def _find_model(checkpoint: Checkpoint, opened: OpenJob) -> ModelState:
    for model in checkpoint.models:
        if model.job == opened.id:
            return model
    raise CheckpointUnproven(checkpoint.index, f"it does not name job {opened.id.hex()}")


def _describe(closed: ClosedGeneration) -> ReplayedGeneration:
    return ReplayedGeneration(closed.generation, closed.score, closed.evaluations, closed.digest)
