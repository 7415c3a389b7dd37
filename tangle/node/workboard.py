"""The work board: what work a transaction must carry, as the executed checkpoints say.

A transaction's anchor fixes the jobs that are on the board, the one that is drawn for it, the difficulty, and
the generations that its work may be of. All of that is read from the checkpoint at the anchor, so every node
judges alike whenever the transaction reaches it; the rules themselves are ``poi``'s.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from poi.assignment import BoardJob, draw_job
from poi.events import Assignment, EvaluateRequest
from poi.evolution import verify_drawn, verify_generation
from poi.job import StandingJob, compute_job_id, decode_job
from poi.weights import compute_effective, decode_master, encode_effective
from shards.checkpoints import Checkpoint
from tangle.core.blob_id import BlobId
from tangle.core.errors import TangleError, WrongShard
from tangle.core.genesis import Genesis
from tangle.core.parameters import Parameters
from tangle.core.transactions import MarketCall, Transaction, check_transaction
from tangle.core.types import ChainId, JobId, PublicKey, Shard
from tangle.ledger.errors import AnchorAhead
from tangle.ledger.fees import compute_weight
from tangle.ledger.marketplace import read_call
from tangle.ledger.receipts import find_target
from tangle.ledger.subdag import compute_void_anchor
from tangle.node.archive import Archive
from tangle.node.computer import TransactionBatch

FACTS_MAX: Final = 4_096
"""Checkpoints whose facts are remembered: anchors are recent, and older ones are read again from the store.
"""

ANCHOR_AHEAD_MAX: Final = 64
"""Checkpoints by which an anchor may be ahead of the latest one here: another node executed it moments
earlier. Beyond that somebody made it up, or this node is behind and will read the transaction from history.
"""

PAID_JOBS_KEPT: Final = 16
"""Paid jobs remembered with their data, at most 16 MiB: those of the board, and some that ended."""

WEIGHTS_MAX: Final = 256
"""Generations whose weights are remembered, over all jobs: 10 kB each for the digits."""


class TransactionExpired(TangleError):
    """The anchor is so old that the transaction can no longer apply."""

    code = "expired"

    def __init__(self, anchor: int, executed: int, expiry_gap: int) -> None:
        self.anchor = anchor
        super().__init__(
            f"anchor {anchor} is more than {expiry_gap} checkpoints before {executed}; "
            "prepare the transaction anew"
        )


class AnchorFacts(Struct, frozen=True):
    """What a checkpoint says about work."""

    difficulty: int
    price: int
    """Grains per weight."""

    board: tuple[BoardJob, ...]
    """Jobs that can be drawn, in the order of the board."""

    generations: dict[JobId, int]


class KnownJob(Struct, frozen=True):
    """A job that is or was on the board."""

    job: StandingJob
    macs: int
    """Multiply-accumulates of an evaluation."""

    data: bytes
    """The blob of its data; empty for a job of the genesis, whose data ship."""


class WorkBoard:
    """Answers what work is due, from executed checkpoints."""

    def __init__(self, genesis: Genesis, chain: ChainId, shard: Shard, archive: Archive) -> None:
        self.chain = chain
        self.shard = shard
        self.parameters: Parameters = genesis.parameters
        own = [decode_job(entry.parameters) for entry in genesis.board]
        self._own = {compute_job_id(job): _make_known(job, b"") for job in own}
        self.latest = 0
        """Latest checkpoint that is executed here and on disk: the youngest usable anchor."""

        self._archive = archive
        self._facts: OrderedDict[int, AnchorFacts] = OrderedDict()
        self._weights: OrderedDict[tuple[JobId, int], bytes] = OrderedDict()
        self._paid: OrderedDict[JobId, KnownJob] = OrderedDict()

    def on_executed(self, checkpoint: Checkpoint) -> None:
        """A checkpoint is executed here and on disk."""
        self.latest = checkpoint.index
        self._remember_facts(checkpoint)

    def get_facts(self, anchor: int) -> AnchorFacts:
        """What the checkpoint at ``anchor`` (executed here) says."""
        facts = self._facts.get(anchor)
        if facts is None:
            checkpoint = self._archive.get_checkpoint(anchor)
            assert checkpoint is not None, "only executed checkpoints are anchors"
            facts = self._remember_facts(checkpoint)
        return facts

    def _remember_facts(self, checkpoint: Checkpoint) -> AnchorFacts:
        facts = AnchorFacts(
            checkpoint.difficulty,
            checkpoint.price,
            tuple(BoardJob(model.job, model.budget) for model in checkpoint.models if model.budget),
            {model.job: model.generation for model in checkpoint.models},
        )
        self._facts[checkpoint.index] = facts
        if len(self._facts) > FACTS_MAX:
            self._facts.popitem(last=False)
        return facts

    def get_job(self, job: JobId) -> KnownJob:
        """A job that is or was on the board of an executed checkpoint."""
        known = self._own.get(job) or self._paid.get(job)
        if known is None:
            record = self._archive.training.get_job(job)
            assert record is not None, "a paid job is stored with the checkpoint that opens it"
            content = self._archive.training.get_content(BlobId(record.data))
            assert content is not None, "and so are its data"
            known = self._paid[job] = _make_known(decode_job(record.parameters), content)
            if len(self._paid) > PAID_JOBS_KEPT:
                self._paid.popitem(last=False)
        return known

    def get_weights(self, job: JobId, generation: int) -> bytes:
        """Effective weights of a generation that is executed here: int8, layer by layer, row-major."""
        key = (job, generation)
        weights = self._weights.get(key)
        if weights is None:
            stored = self._archive.get_master(job, generation)
            assert stored is not None, "weights are stored with their generation"
            known = self.get_job(job).job
            weights = encode_effective(compute_effective(known, decode_master(known, stored)))
            self._weights[key] = weights
            if len(self._weights) > WEIGHTS_MAX:
                self._weights.popitem(last=False)
        return weights

    def draw(self, issuer: PublicKey, sequence: int, anchor: int) -> JobId:
        """The job that a transaction of this issuer and sequence works for, at an anchor executed here."""
        return draw_job(self.get_facts(anchor).board, issuer, sequence)

    def check_home(self, transaction: Transaction) -> None:
        """Check what needs neither policy nor state.

        :raises UnsupportedVersion, WrongChain, WrongShard, DuplicateParents, InvalidTransaction: see each.
        """
        check_transaction(transaction, self.chain, self.parameters.shard_bits)
        if transaction.body.shard != self.shard:
            raise WrongShard(transaction.body.shard, self.shard)
        if isinstance(transaction.body.operation, MarketCall):
            read_call(transaction)

    def check_policy(self, transaction: Transaction) -> None:
        """What this node refuses to take from outside although the protocol would allow it.

        :raises TransactionExpired: it could only become a conflict.
        :raises AnchorAhead: its anchor is so far in the future that it is not waited for.
        """
        anchor = transaction.body.anchor
        if anchor > self.latest + ANCHOR_AHEAD_MAX:
            raise AnchorAhead(anchor, self.latest)
        if anchor + self.parameters.expiry_gap < self.latest:
            raise TransactionExpired(anchor, self.latest, self.parameters.expiry_gap)

    def is_void(self, transaction: Transaction) -> bool:
        """Whether it is so old that nobody looks at its work: it will never be ordered."""
        return transaction.body.anchor < compute_void_anchor(self.latest, self.parameters)

    def check_work(self, transaction: Transaction) -> None:
        """Whether the work is of the job, generation and amount that the anchor asks for, unless it is void.

        :raises WrongJob, WrongGeneration, StaleWork, WrongDifficulty: it is not.
        """
        if self.is_void(transaction):
            return
        body = transaction.body
        facts = self.get_facts(body.anchor)
        drawn = draw_job(facts.board, body.issuer, body.sequence)
        verify_drawn(body.work.job, drawn, len(body.work.results), facts.difficulty)
        verify_generation(self.get_job(drawn).job, body.work.generation, facts.generations[drawn])

    def compute_fee(self, transaction: Transaction) -> int:
        """What a transaction that passed ``check_work`` costs at today's price; nothing if it is void."""
        if self.is_void(transaction):
            return 0
        parameters, work = self.parameters, transaction.body.work
        macs = self.get_job(work.job).macs * len(work.results)
        target = find_target(transaction.body.operation, self.shard, parameters.shard_bits)
        size = len(transaction.encoded)
        weight = compute_weight(size, macs, parameters, is_abroad=target != self.shard)
        return weight * self.get_facts(self.latest).price

    def build_request(
        self, job: JobId, generation: int, assignments: Sequence[Assignment]
    ) -> EvaluateRequest:
        """A request to evaluate ``assignments`` of one generation."""
        known = self.get_job(job)
        return EvaluateRequest(
            known.job, generation, self.get_weights(job, generation), tuple(assignments), known.data
        )

    def build_batch(self, transactions: Sequence[Transaction]) -> TransactionBatch:
        """A verification request for transactions whose work passed ``check_work``; of void ones, for their
        signatures.
        """
        groups: dict[tuple[JobId, int], tuple[list[Assignment], list[int]]] = {}
        signed = []
        for position, transaction in enumerate(transactions):
            body = transaction.body
            signed.append((transaction.body_encoded, transaction.signature, body.issuer))
            if self.is_void(transaction):
                continue
            items, positions = groups.setdefault((body.work.job, body.work.generation), ([], []))
            items.append(Assignment(body.issuer, body.sequence, len(body.work.results)))
            positions.append(position)
        work = tuple(
            (self.build_request(job, generation, items), tuple(positions))
            for (job, generation), (items, positions) in groups.items()
        )
        return TransactionBatch(self.chain, tuple(signed), work)


def _make_known(job: StandingJob, data: bytes) -> KnownJob:
    return KnownJob(job, job.make_shape().multiply_accumulates, data)
