"""The referee over ordered moves: who is honest wins, whatever is lost, late, refused or hidden."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from aivm.verification.trace import Trace
from poi.disputes.game import get_waited_for
from poi.disputes.moves import Resign, encode_move
from poi.disputes.outcomes import BothSilent, ChallengerWins, DefenderWins, Outcome, Reason
from poi.disputes.player import choose_move
from poi.disputes.record import Side, Terms
from tangle.core.types import Digest, Grains, Milliseconds
from tangle.node.jobs.refereeing import Ended, OrderedMove, Refereed, Standoff, referee
from tests.poi.disputes.builders import CHALLENGER, CLOCK_MS, HONEST, PROGRAMS, START, make_lie

NAME = "deep"
PROGRAM = PROGRAMS[NAME][0]
RIGHT = HONEST[NAME]
WRONG = make_lie(NAME, "consistent", 4, 1_000)
INPUTS = RIGHT.commitment.inputs

Bend = Callable[[int, OrderedMove], list[OrderedMove]]
"""What becomes of the n-th move on its way into the ledger."""


def make_terms(defender: Trace, challenger: Trace) -> Terms:
    return Terms(
        commitment=defender.commitment,
        challenger=CHALLENGER,
        rival_root=challenger.commitment.root,
        defender_bond=Grains(10),
        challenger_bond=Grains(10),
        winner_share=500_000,
        clock_ms=CLOCK_MS,
    )


def look(terms: Terms, moves: list[OrderedMove], now_ms: int) -> Refereed:
    return referee(PROGRAM, INPUTS, terms, START, moves, now_ms)


def play(
    defender: Trace,
    challenger: Trace,
    bend: Bend = lambda _, move: [move],
    silent: Side | None = None,
) -> tuple[Outcome, list[OrderedMove], Terms]:
    """Both make the move that the ledger's order asks them for, 10 ms after the one before."""
    terms, traces = make_terms(defender, challenger), (defender, challenger)
    moves: list[OrderedMove] = []
    now_ms = int(START)
    while True:
        stands = look(terms, moves, now_ms)
        if isinstance(stands, Ended):
            return stands.outcome, moves, terms
        now_ms += 10
        waited = [side for side in get_waited_for(stands.game) if side is not silent]
        for side in waited[:1]:
            move = choose_move(stands.game, side, traces[side])
            assert move is not None
            moves += bend(len(moves), OrderedMove(side, now_ms, encode_move(move)))


def test_an_honest_challenger_wins() -> None:
    outcome, moves, _ = play(WRONG, RIGHT)
    assert outcome == ChallengerWins(Reason.RECOMPUTED)
    assert len(moves) > 4


def test_an_honest_defender_wins() -> None:
    assert play(RIGHT, WRONG)[0] == DefenderWins(Reason.RECOMPUTED)


@pytest.mark.parametrize("silent", list(Side))
def test_who_is_silent_loses_by_the_clock(silent: Side) -> None:
    outcome, _, _ = play(WRONG, RIGHT, silent=silent)
    expected = ChallengerWins(Reason.NOT_SHOWN) if silent is Side.DEFENDER else DefenderWins(Reason.NOT_SHOWN)
    assert outcome == expected


def test_if_nobody_ever_moves_the_claim_stands() -> None:
    terms = make_terms(WRONG, RIGHT)
    assert isinstance(look(terms, [], START + CLOCK_MS), Standoff)
    assert look(terms, [], START + CLOCK_MS + 1) == Ended(BothSilent())


def test_moves_that_are_none_or_come_twice_change_nothing() -> None:
    def bend(_: int, move: OrderedMove) -> list[OrderedMove]:
        assert move.data is not None
        garbage = [replace(move, data=data) for data in (b"", b"\xff", move.data + b"\0")]
        return [*garbage, move, move, *garbage]

    assert play(WRONG, RIGHT, bend)[0] == ChallengerWins(Reason.RECOMPUTED)


def test_a_party_may_resign_at_any_time() -> None:
    terms = make_terms(WRONG, RIGHT)
    for side, outcome in (
        (Side.DEFENDER, ChallengerWins(Reason.RESIGNED)),
        (Side.CHALLENGER, DefenderWins(Reason.RESIGNED)),
    ):
        assert look(terms, [OrderedMove(side, START + 1, encode_move(Resign()))], START + 1) == Ended(outcome)


def test_the_end_is_the_same_however_late_it_is_looked_at() -> None:
    for silent in (None, *Side):
        outcome, moves, terms = play(WRONG, RIGHT, silent=silent)
        for later_ms in (0, 1, CLOCK_MS, 2 * CLOCK_MS, 100 * CLOCK_MS):
            last_ms = START + 2 * CLOCK_MS if silent is not None else moves[-1].at_ms
            assert look(terms, moves, last_ms + later_ms) == Ended(outcome)


def test_what_comes_after_the_end_does_not_count() -> None:
    terms = make_terms(WRONG, RIGHT)
    late_ms = START + CLOCK_MS + 1
    moves = [OrderedMove(Side.CHALLENGER, late_ms, encode_move(Resign()))]
    assert look(terms, moves, late_ms) == Ended(BothSilent())


def test_a_hidden_move_is_waited_for_as_long_as_clocks_run_and_then_was_not_made() -> None:
    outcome, moves, terms = play(WRONG, RIGHT)
    assert outcome == ChallengerWins(Reason.RECOMPUTED)
    for place, move in enumerate(moves):
        hidden = [*moves[:place], replace(move, data=None), *moves[place + 1 :]]
        for now_ms in (move.at_ms, START + 2 * CLOCK_MS):
            stands = look(terms, hidden, now_ms)
            assert isinstance(stands, Standoff)
            assert not stands.is_certain
        end = look(terms, hidden, START + 2 * CLOCK_MS + 1)
        assert isinstance(end, Ended)
        if move.side is Side.DEFENDER:
            assert end.outcome == ChallengerWins(Reason.NOT_SHOWN)
        else:
            assert end.outcome == DefenderWins(Reason.NOT_SHOWN)


def test_a_claim_about_no_run_of_the_program_has_nothing_right_about_it() -> None:
    commitment = RIGHT.commitment
    for changed in (
        replace(commitment, leaves=commitment.leaves + 1),
        replace(commitment, outputs=commitment.outputs * 2),
        replace(commitment, inputs=(Digest(b"\x05" * 32),)),
    ):
        terms = replace(make_terms(RIGHT, WRONG), commitment=changed)
        assert look(terms, [], int(Milliseconds(START))) == Ended(ChallengerWins(Reason.RECOMPUTED))
