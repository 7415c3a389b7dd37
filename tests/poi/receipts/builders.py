"""A receipt of every level, and what its reader brings along."""

from collections.abc import Callable
from functools import cache
from typing import Final

from msgspec.structs import replace

from aivm.verification.chain import select_served
from aivm.verification.proving import prove_run
from aivm.verification.spot import answer_spot_check, draw_chunks
from aivm.verification.trace import Context, Trace, compute_commitment_id
from poi.countersigning import compute_result_digest
from poi.disputes.game import apply_move, apply_time, get_deadline, get_waited_for, open_game
from poi.disputes.moves import encode_move
from poi.disputes.player import choose_move
from poi.disputes.record import Decided, Side, Terms
from poi.receipts.check import Facts, Materials, compute_dispute_id
from poi.receipts.record import (
    Admitted,
    Bound,
    Disputed,
    Evidence,
    Projected,
    Proven,
    Receipt,
    RecordedMove,
    Replica,
    Replicated,
    SpotChecked,
)
from poi.replication import compute_seal
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey
from tests.aivm.verification.builders import BEACON, CONTEXT, change, make_layered

PROGRAM, TENSORS = make_layered((270, 260, 4), 260)
"""Its first product is too large to be computed again."""

TRACE: Final = Trace(PROGRAM, TENSORS, CONTEXT)
COMMITMENT: Final = TRACE.commitment
COMMITMENT_ID: Final = compute_commitment_id(COMMITMENT)
SALT: Final = Digest(b"\x0a" * 32)
WORKERS: Final = tuple(PublicKey(bytes([number]) * 32) for number in (2, 3, 4, 5))
"""The first is the one of ``CONTEXT``."""


def make_receipt(evidence: Evidence) -> Receipt:
    outputs = () if isinstance(evidence, Admitted) else TRACE.open_outputs()
    return Receipt(1, COMMITMENT, outputs, evidence)


def make_spot_checked(trace: Trace = TRACE, count: int = 4) -> SpotChecked:
    drawn = draw_chunks(PROGRAM, trace.commitment, BEACON, count)
    return SpotChecked(BEACON, count, answer_spot_check(trace, drawn))


def make_replica(worker: PublicKey, *, is_wrong: bool = False) -> Replica:
    context = Context(CONTEXT.task, worker, CONTEXT.epoch + worker[0])
    tensors = change(TENSORS, len(TENSORS) - 1) if is_wrong else TENSORS
    trace = Trace(PROGRAM, tensors, context if worker != CONTEXT.worker else CONTEXT)
    return Replica(trace.commitment, SALT)


def make_replicated(wrong: tuple[int, ...] = (), silent: tuple[int, ...] = (3,)) -> Replicated:
    replicas = [
        make_replica(worker, is_wrong=place in wrong)
        for place, worker in enumerate(WORKERS)
        if place not in silent
    ]
    return Replicated(WORKERS, 3, tuple(replicas))


def make_disputed(rival: Trace, *, is_challenger_silent: bool = False) -> Disputed:
    terms = Terms(
        COMMITMENT, WORKERS[3], rival.commitment.root, Grains(100), Grains(50), 500_000, Milliseconds(900)
    )
    now = Milliseconds(1_000_000)
    game = open_game(PROGRAM, COMMITMENT.inputs, terms, now)
    moves = []
    while not isinstance(game.phase, Decided):
        for side in get_waited_for(game):
            if side is Side.CHALLENGER and is_challenger_silent:
                now = Milliseconds(get_deadline(game, side) + 1)
                game = apply_time(game, now)
                continue
            move = choose_move(game, side, (TRACE, rival)[side])
            assert move is not None
            now = Milliseconds(now + 1)
            game = apply_move(PROGRAM, game, side, move, now)
            moves.append(RecordedMove(side, now, encode_move(move)))
    return Disputed(terms, Milliseconds(1_000_000), tuple(moves), now)


@cache
def make_liar() -> Trace:
    return Trace(PROGRAM, change(TENSORS, PROGRAM.first + 1, 9999), CONTEXT)


MAKERS: Final[tuple[Callable[[], Evidence], ...]] = (
    Admitted,
    Bound,
    make_spot_checked,
    lambda: Projected(BEACON, 60),
    make_replicated,
    lambda: make_disputed(make_liar()),
    lambda: Proven(prove_run(TRACE, TENSORS)),
)
"""Evidence of every level, in order."""


@cache
def make_evidence(level: int) -> Evidence:
    return MAKERS[level]()


def make_facts(evidence: Evidence) -> Facts:
    """Everything that the evidence rests on, as if the ledger had it."""
    seals = set()
    if isinstance(evidence, Replicated):
        for replica in evidence.replicas:
            result = compute_result_digest(replica.commitment)
            worker = replica.commitment.context.worker
            seals.add(compute_seal(CONTEXT.task, worker, result, replica.salt))
    disputes = {compute_dispute_id(evidence)} if isinstance(evidence, Disputed) else set()
    return Facts(frozenset({(COMMITMENT_ID, BEACON)}), frozenset(seals), frozenset(disputes))


def make_materials(evidence: Evidence) -> Materials:
    served = dict(select_served(TRACE, TENSORS))
    return Materials(PROGRAM, CONTEXT, TENSORS[:1], TENSORS[-1:], served, make_facts(evidence))


def alter_materials(evidence: Evidence, **changes: object) -> Materials:
    return replace(make_materials(evidence), **changes)
