"""Verifies a receipt offline and says what that is worth: level, cost, error bound.

Each level includes the form (V0) and, from V1 on, that the outputs belong to the trace. What only a ledger
can know (that a beacon came after the commitment, that a replica was sealed, when a move was made) is
handed in as facts that the reader has verified there, by ids.
"""

from typing import Final, assert_never

from msgspec import Struct

from aivm.program.binding import Tensor
from aivm.verification.chain import ChainReport, Judge, Projecting, verify_run
from aivm.verification.challenges import ERROR_BITS_PUBLIC, compute_vector_count
from aivm.verification.errors import WrongCommitment
from aivm.verification.proving import compute_run_error_bits, make_judge
from aivm.verification.spot import count_all_chunks, draw_chunks, verify_spot_check
from aivm.verification.sumcheck import RUNS
from aivm.verification.trace import (
    Commitment,
    Context,
    compute_bound_id,
    compute_commitment_id,
    make_chunk_tree,
    verify_context,
    verify_outputs,
)
from aivm.verification.traced import TracedProgram, find_rows, get_bytes
from poi.countersigning import compute_result_digest, verify_shown
from poi.disputes.game import apply_move, apply_time, open_game
from poi.disputes.moves import decode_move
from poi.disputes.outcomes import is_claim_upheld
from poi.disputes.record import Decided
from poi.receipts.errors import MissingMaterial, UnrecordedFact, UnsupportedClaim
from poi.receipts.record import (
    Admitted,
    Bound,
    Countersigned,
    Disputed,
    Level,
    Projected,
    Proven,
    Receipt,
    Replicated,
    SpotChecked,
    decode_receipt,
)
from poi.replication import Agreed, compute_seal, judge_replicas
from tangle.core.encoding import encode
from tangle.core.hashing import TRACE, compute_hash, compute_record_hash
from tangle.core.types import ChainId, Digest, PublicKey


class Facts(Struct, frozen=True):
    """What the reader has verified on the ledger."""

    beacons: frozenset[tuple[Digest, bytes]] = frozenset()
    """Commitment ids, each with the randomness that the ledger gave after it."""

    seals: frozenset[Digest] = frozenset()
    """Seals of replicas that were all published before any result was shown."""

    disputes: frozenset[Digest] = frozenset()
    """``compute_dispute_id`` of disputes: their terms, moves and times stand in the ledger."""

    chain: ChainId | None = None
    """The chain that workers sign for; needed where a receipt holds signatures."""

    committee: frozenset[PublicKey] = frozenset()
    """Validators of the claim's epoch: whom the reader takes for different parties."""


class Materials(Struct, frozen=True, eq=False):
    """What the reader brings along."""

    program: TracedProgram
    """The program with its constants, for as many rows as the claim says."""

    context: Context
    """Task, worker and epoch that the receipt should be about."""

    inputs: tuple[Tensor, ...] = ()
    """The inputs; needed at levels 3 and 6, compared with the claim wherever given."""

    outputs: tuple[Tensor, ...] = ()
    """The outputs that the reader was given; compared with the claim."""

    served: dict[int, Tensor] = {}
    """Tensors that the worker serves; needed at levels 3 and 6."""

    facts: Facts = Facts()
    """What the reader knows from the ledger."""


class FormOnly(Struct, frozen=True):
    """Nothing is known about the values."""


class Sampled(Struct, frozen=True):
    """If a fraction f of all chunks is wrong, this many miss all of them with at most ``(1 - f)^drawn``."""

    drawn: int
    """Chunks computed again."""

    total: int
    """Chunks of the run."""


class Negligible(Struct, frozen=True):
    """A wrong result passes with probability at most ``judged / 2^error_bits``; never if nothing was
    judged.
    """

    error_bits: int
    """Bits of each judgement."""

    judged: int
    """Products that were judged rather than computed."""

    is_public: bool
    """Whether a cheater could compute the challenges ahead: then multiply by the number of its tries."""


class Agreement(Struct, frozen=True):
    """Wrong only if this many workers colluded."""

    agreeing: int
    """Workers with the same result."""

    assigned: int
    """Workers that were asked."""


class Survived(Struct, frozen=True):
    """Somebody staked a bond against it and lost; right if that challenger was honest or none would be."""


ErrorBound = FormOnly | Sampled | Negligible | Agreement | Survived
"""What a verified receipt is worth."""


class ReceiptReport(Struct, frozen=True):
    """What checking a receipt has shown."""

    level: Level
    """The level that holds."""

    error_bound: ErrorBound
    """How it could still be wrong."""

    check_macs: int
    """Multiply-accumulates that the check took."""

    work_macs: int
    """Those of the work."""

    receipt_bytes: int
    """Length of the receipt."""


DISPUTE_KIND: Final = 1
"""Keeps the ids of disputes apart from those of commitments."""


def verify_receipt(data: bytes, materials: Materials) -> ReceiptReport:
    """Verify a receipt from its bytes.

    :raises MalformedEncoding: no receipt. :raises ReservedLevel: level 7.
    :raises WrongCommitment: it is about something else, or the evidence does not fit the claim.
    :raises VerificationFailure: what the level's check raises when the result is refuted.
    :raises DisputeFault: a move that the referee would not have taken.
    :raises MissingMaterial: the level needs what the reader has not brought.
    :raises UnrecordedFact: the level rests on a fact that the ledger does not know.
    :raises UnsupportedClaim: all is true, yet it supports another result.
    """
    receipt = decode_receipt(data)
    program, commitment = materials.program, receipt.commitment
    verify_context(program, commitment, materials.context)
    _verify_given(program, commitment, materials)
    if receipt.level > Level.ADMITTED:
        verify_outputs(program, commitment, receipt.outputs)
    elif receipt.outputs:
        raise UnsupportedClaim("level 0 shows no outputs")
    error_bound, check = _verify_evidence(receipt, materials)
    work = sum(program.count_macs(number) for number in range(program.first, len(program.types)))
    return ReceiptReport(receipt.level, error_bound, check, work, len(data))


def compute_dispute_id(disputed: Disputed) -> Digest:
    """Id of a dispute that is over: its terms, and every move with its time."""
    return compute_record_hash(TRACE, DISPUTE_KIND, compute_hash(TRACE, encode(disputed)))


def _verify_given(program: TracedProgram, commitment: Commitment, materials: Materials) -> None:
    for what, given, numbers, ids in (
        ("the input", materials.inputs, program.inputs, commitment.inputs),
        ("the output", materials.outputs, program.outputs, commitment.outputs),
    ):
        if given and len(given) != len(numbers):
            raise WrongCommitment(what, f"{len(given)} tensors were brought, not {len(numbers)}")
        for tensor, number, tensor_id in zip(given, numbers, ids, strict=False):
            tree = make_chunk_tree(get_bytes(program, number, tensor))
            same_shape = tensor.shape == program.types[number].shape
            if not same_shape or compute_bound_id(program.types[number], tree.root) != tensor_id:
                raise WrongCommitment(what, "what was brought is another")


def _verify_evidence(receipt: Receipt, materials: Materials) -> tuple[ErrorBound, int]:
    commitment, evidence = receipt.commitment, receipt.evidence
    commitment_id = compute_commitment_id(commitment)
    match evidence:
        case Admitted() | Bound():
            return FormOnly(), 0
        case SpotChecked():
            return _verify_spots(evidence, commitment, materials)
        case Projected(beacon, error_bits):
            if beacon:
                _verify_beacon(commitment_id, beacon, materials.facts)
            elif error_bits < ERROR_BITS_PUBLIC:
                raise UnsupportedClaim(f"without a beacon {ERROR_BITS_PUBLIC} bits are needed")
            judge = Projecting(commitment_id, beacon, compute_vector_count(error_bits))
            report = _verify_whole(commitment, materials, judge)
            return Negligible(error_bits, report.judged, not beacon), report.check_macs
        case Replicated():
            return _verify_replicas(evidence, commitment, materials.facts), 0
        case Countersigned():
            return _verify_countersigned(evidence, commitment, materials.facts), 0
        case Disputed():
            return _verify_dispute(evidence, commitment, materials), 0
        case Proven(proofs):
            if any(len(each.proof.runs) < RUNS for each in proofs):
                raise UnsupportedClaim(f"a proof has fewer than {RUNS} runs; its challenges are public")
            report = _verify_whole(commitment, materials, make_judge(commitment_id, proofs))
            if len(proofs) != report.judged:
                raise UnsupportedClaim(f"{len(proofs)} proofs of {report.judged} products")
            bits = compute_run_error_bits(proofs)
            return Negligible(bits, report.judged, is_public=True), report.check_macs
        case _:
            assert_never(evidence)


def _verify_beacon(commitment_id: Digest, beacon: bytes, facts: Facts) -> None:
    if (commitment_id, beacon) not in facts.beacons:
        raise UnrecordedFact("that beacon after the commitment")


def _verify_spots(
    evidence: SpotChecked, commitment: Commitment, materials: Materials
) -> tuple[ErrorBound, int]:
    program = materials.program
    _verify_beacon(compute_commitment_id(commitment), evidence.beacon, materials.facts)
    drawn = draw_chunks(program, commitment, evidence.beacon, evidence.count)
    verify_spot_check(program, commitment, drawn, evidence.openings)
    macs = 0
    for number, chunk in drawn:
        first, last = find_rows(program, number, chunk)
        macs += program.count_macs(number) * (last - first) // program.rows
    return Sampled(evidence.count, count_all_chunks(program)), macs


def _verify_whole(commitment: Commitment, materials: Materials, judge: Judge) -> ChainReport:
    if not materials.inputs:
        raise MissingMaterial("the inputs")
    return verify_run(materials.program, commitment, materials.inputs, materials.served, judge)[1]


def _verify_replicas(evidence: Replicated, commitment: Commitment, facts: Facts) -> ErrorBound:
    results = {}
    for replica in evidence.replicas:
        worker = replica.commitment.context.worker
        if worker in results:
            raise UnsupportedClaim("a worker is counted twice")
        result = compute_result_digest(replica.commitment)
        seal = compute_seal(commitment.context.task, worker, result, replica.salt)
        if seal not in facts.seals:
            raise UnrecordedFact(f"the seal of {worker.hex()}")
        results[worker] = result
    if commitment not in [replica.commitment for replica in evidence.replicas]:
        raise UnsupportedClaim("the claim itself is not among the replicas")
    return _judge(frozenset(evidence.assigned), evidence.needed, results, commitment)


def _verify_countersigned(evidence: Countersigned, commitment: Commitment, facts: Facts) -> ErrorBound:
    if facts.chain is None:
        raise MissingMaterial("the chain that its workers signed for")
    results = {}
    for replica in evidence.replicas:
        worker = replica.commitment.context.worker
        if worker in results:
            raise UnsupportedClaim("a worker is counted twice")
        verify_shown(evidence.seals, replica.commitment, replica.salt, facts.chain, replica.signature)
        results[worker] = compute_result_digest(replica.commitment)
    assigned = frozenset(each.worker for each in evidence.seals)
    for worker in sorted(assigned - facts.committee):
        raise UnrecordedFact(f"{worker.hex()} as a validator")
    if commitment not in [replica.commitment for replica in evidence.replicas]:
        raise UnsupportedClaim("the claim itself is not among the replicas")
    return _judge(assigned, evidence.needed, results, commitment)


def _judge(
    assigned: frozenset[PublicKey], needed: int, results: dict[PublicKey, Digest], commitment: Commitment
) -> Agreement:
    verdict = judge_replicas(assigned, needed, results)
    if not isinstance(verdict, Agreed) or verdict.result != compute_result_digest(commitment):
        raise UnsupportedClaim("the replicas do not agree on it")
    return Agreement(len(verdict.agreeing), len(assigned))


def _verify_dispute(evidence: Disputed, commitment: Commitment, materials: Materials) -> ErrorBound:
    if compute_dispute_id(evidence) not in materials.facts.disputes:
        raise UnrecordedFact("that dispute")
    if evidence.terms.commitment != commitment:
        raise UnsupportedClaim("the dispute was about another claim")
    game = open_game(materials.program, commitment.inputs, evidence.terms, evidence.began_ms)
    for entry in evidence.moves:
        move = decode_move(entry.move)
        game = apply_move(materials.program, game, entry.side, move, entry.at_ms)
    game = apply_time(game, evidence.ended_ms)
    if not isinstance(game.phase, Decided):
        raise UnsupportedClaim("the dispute is not over")
    if not is_claim_upheld(game.phase.outcome):
        raise UnsupportedClaim("the claim was refuted")
    return Survived()
