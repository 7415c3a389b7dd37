"""A job whose result is wrong, from its draw to the last grain, with a real run and the real referee."""

import pytest

from aivm.verification.trace import Context, Trace
from poi.disputes.game import apply_move, get_waited_for, open_game
from poi.disputes.outcomes import ChallengerWins, DefenderWins, Outcome, Reason
from poi.disputes.player import choose_move
from poi.disputes.record import Decided, Side
from poi.market.judging import make_terms
from poi.market.operations import ChallengeResult, RegisterProgram, SubmitResult
from poi.market.outcomes import AttemptFailed, Fault
from poi.market.records import Claimed, Inference
from tangle.core.types import Digest, Milliseconds
from tests.aivm.verification.builders import Tensors, continue_wrongly, make_layered
from tests.poi.market.builders import (
    CAPACITY,
    CHALLENGER,
    FUNDS,
    PACKAGE,
    RULES,
    SOURCES,
    WORKER,
    Scene,
    assign,
)

RUN, HONEST = make_layered((60, 40, 40, 5), 30)
LIE = continue_wrongly(RUN, HONEST, RUN.first + 2, 17)


def open_wrong_or_right(tensors: Tensors) -> tuple[Scene, Digest, Trace]:
    """A claimed job over a real run."""
    scene = Scene()
    scene.apply(
        WORKER, RegisterProgram(RUN.program_id, macs=2**16 // 10, steps=0, bytes_moved=0, package=PACKAGE)
    )
    scene.confirm(RUN.program_id)
    scene.apply(WORKER, CAPACITY)
    scene.advance()
    inputs = Trace(RUN, HONEST, Context(Digest(bytes(32)), WORKER, 0)).commitment.inputs
    job = assign(scene, Inference(RUN.program_id, inputs, RUN.rows, 3, SOURCES * len(inputs)))
    trace = Trace(RUN, tensors, Context(job, WORKER, scene.epoch))
    scene.apply(WORKER, SubmitResult(job, trace.commitment, SOURCES * len(trace.commitment.outputs), b""))
    return scene, job, trace


def decide(scene: Scene, job: Digest, traces: dict[Side, Trace]) -> Outcome:
    """Play the game of a disputed job to its end."""
    terms = make_terms(scene.market.get_job(job), RULES)
    game = open_game(RUN, terms.commitment.inputs, terms, Milliseconds(scene.now_ms))
    while not isinstance(game.phase, Decided):
        for side in get_waited_for(game):
            move = choose_move(game, side, traces[side])
            assert move is not None
            game = apply_move(RUN, game, side, move, Milliseconds(scene.now_ms))
    return game.phase.outcome


@pytest.mark.parametrize("is_claim_right", [True, False])
def test_whoever_is_wrong_pays(is_claim_right: bool) -> None:
    right, wrong = (HONEST, LIE) if is_claim_right else (LIE, HONEST)
    scene, job, claimed = open_wrong_or_right(right)
    rival = Trace(RUN, wrong, Context(job, WORKER, scene.epoch))
    scene.apply(CHALLENGER, ChallengeResult(job, rival.commitment.root))
    bond = FUNDS - scene.balances[CHALLENGER]
    result = decide(scene, job, {Side.DEFENDER: claimed, Side.CHALLENGER: rival})
    before = scene.balances[WORKER]
    events = scene.decide(job, result)
    if is_claim_right:
        assert result == DefenderWins(Reason.RECOMPUTED)
        assert isinstance(scene.market.get_job(job).phase, Claimed)
        assert scene.balances[WORKER] == before + bond // 2
        assert scene.balances[CHALLENGER] == FUNDS - bond
    else:
        assert result == ChallengerWins(Reason.RECOMPUTED)
        assert AttemptFailed(job, WORKER, Fault.REFUTED) in events
        assert scene.balances[WORKER] == before + CAPACITY.bond - bond
        assert scene.balances[CHALLENGER] == FUNDS + bond // 2
    assert scene.burned == bond // 2
