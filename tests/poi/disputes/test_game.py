"""The referee's rules one by one: turns, clocks, refusals, ends and bonds."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aivm.verification.trace import Trace
from poi.disputes.errors import (
    DisputeDecided,
    InvalidTerms,
    MoveLate,
    MoveOutOfTurn,
    NothingDisputed,
    WrongMove,
)
from poi.disputes.game import apply_move, apply_time, get_deadline, get_waited_for, open_game
from poi.disputes.moves import Move, Resign, ShowOperands, ShowTensor, Split
from poi.disputes.outcomes import (
    BothSilent,
    BothWrong,
    ChallengerWins,
    DefenderWins,
    Outcome,
    Reason,
    compute_settlement,
    is_claim_upheld,
)
from poi.disputes.player import choose_move
from poi.disputes.record import (
    CLOCK_MAX_MS,
    CompareTensor,
    DecideChunk,
    Decided,
    Game,
    NarrowTensor,
    NarrowTrace,
    Side,
    compute_rounds_max,
)
from tangle.core.types import Digest, Grains, Milliseconds
from tests.poi.disputes.builders import (
    BONDS,
    CLOCK_MS,
    HONEST,
    PROGRAMS,
    SHARE,
    START,
    make_game,
    make_lie,
    make_terms,
)

TRUTH = HONEST["deep"]
LIE = make_lie("deep", "one element", 7, 12_345)
OUTCOMES: tuple[Outcome, ...] = (
    *map(DefenderWins, Reason),
    *map(ChallengerWins, Reason),
    BothWrong(),
    BothSilent(),
)


def at(ms: int) -> Milliseconds:
    return Milliseconds(START + ms)


def move(game: Game, side: Side, trace: Trace, now: Milliseconds = START) -> Game:
    chosen = choose_move(game, side, trace)
    assert chosen is not None
    return apply_move(trace.program, game, side, chosen, now)


def advance_to(kind: type, game: Game, defender: Trace, challenger: Trace) -> Game:
    while not isinstance(game.phase, kind):
        for side in get_waited_for(game):
            game = move(game, side, (defender, challenger)[side])
    return game


def get_outcome(game: Game) -> Outcome:
    assert isinstance(game.phase, Decided)
    return game.phase.outcome


def test_it_narrows_to_the_chunk_that_differs() -> None:
    program = TRUTH.program
    game = make_game(TRUTH, LIE)
    assert isinstance(game.phase, NarrowTrace)
    game = advance_to(DecideChunk, game, TRUTH, LIE)
    assert isinstance(game.phase, DecideChunk)
    assert (game.phase.number, game.phase.chunk) == (program.first + 7, 12_345 // 4096)
    assert game.rounds == 3
    assert compute_rounds_max(program) == 4


def test_a_program_with_one_leaf_of_one_chunk_skips_what_there_is_not() -> None:
    game = make_game(HONEST["one layer"], make_lie("one layer", "one element", 0, 3))
    assert isinstance(game.phase, CompareTensor)
    game = advance_to(DecideChunk, game, HONEST["one layer"], make_lie("one layer", "one element", 0, 3))
    assert game.rounds == 1
    assert compute_rounds_max(HONEST["one layer"].program) == 2


def test_equal_traces_are_no_dispute() -> None:
    with pytest.raises(NothingDisputed):
        make_game(TRUTH, TRUTH)


def test_a_claim_about_another_program_is_no_dispute() -> None:
    with pytest.raises(InvalidTerms):
        open_game(PROGRAMS["graph"][0], TRUTH.commitment.inputs, make_terms(TRUTH, LIE), START)


def test_a_claim_about_other_inputs_is_no_dispute() -> None:
    # Otherwise a worker could win with the right answer to another question.
    with pytest.raises(InvalidTerms):
        open_game(TRUTH.program, (Digest(bytes(32)),), make_terms(TRUTH, LIE), START)


@pytest.mark.parametrize(
    "changes",
    [
        {"defender_bond": Grains(2**63 - 1), "challenger_bond": Grains(1)},
        {"clock_ms": Milliseconds(0)},
        {"clock_ms": Milliseconds(CLOCK_MAX_MS + 1)},
    ],
    ids=["bonds", "no time", "a clock of more than a month"],
)
def test_terms_out_of_range_are_no_dispute(changes: dict[str, int]) -> None:
    with pytest.raises(InvalidTerms):
        open_game(TRUTH.program, TRUTH.commitment.inputs, replace(make_terms(TRUTH, LIE), **changes), START)


def test_nobody_moves_twice_or_out_of_turn() -> None:
    game = move(make_game(TRUTH, LIE), Side.CHALLENGER, LIE)
    assert get_waited_for(game) == (Side.DEFENDER,)
    with pytest.raises(MoveOutOfTurn):
        apply_move(TRUTH.program, game, Side.CHALLENGER, Split((Digest(bytes(32)),) * 2), START)
    game = advance_to(DecideChunk, make_game(TRUTH, LIE), TRUTH, LIE)
    with pytest.raises(MoveOutOfTurn):
        apply_move(TRUTH.program, game, Side.CHALLENGER, ShowOperands(()), START)


@pytest.mark.parametrize("phase", [NarrowTrace, CompareTensor, NarrowTensor, DecideChunk])
def test_moves_of_another_kind_or_that_show_something_else_change_nothing(phase: type) -> None:
    lie = make_lie("deep", "one element", 6, 99_000 % 16_000)
    if phase is NarrowTensor:
        lie = make_lie("deep", "one element", 12, 60_000 % 64_000)
    defender, challenger = TRUTH, lie
    game = make_game(defender, challenger)
    if phase is NarrowTensor and not any(tree.size > 1 for tree in TRUTH.trees.values()):
        pytest.fail("no tensor has two chunks")
    game = advance_to(phase, game, defender, challenger)
    zero = Digest(bytes(32))
    for wrong in (Split((zero, zero)), Split((zero,) * 16), ShowTensor(zero), ShowOperands(())):
        with pytest.raises(WrongMove):
            apply_move(TRUTH.program, game, Side.DEFENDER, wrong, START)


def test_operands_that_are_too_few_too_many_or_changed_are_refused() -> None:
    lie = make_lie("deep", "consistent", 2, 40)
    game = advance_to(DecideChunk, make_game(lie, TRUTH), lie, TRUTH)
    chosen = choose_move(game, Side.DEFENDER, lie)
    assert isinstance(chosen, ShowOperands)
    (opening,) = chosen.openings
    first = opening.chunks[0]
    flipped = replace(first, data=bytes([first.data[0] ^ 1]) + first.data[1:])
    for openings in (
        (),
        (opening, opening),
        (replace(opening, chunks=opening.chunks[1:]),),
        (replace(opening, chunks=(*opening.chunks, opening.chunks[0])),),
        (replace(opening, chunks=(flipped, *opening.chunks[1:])),),
    ):
        with pytest.raises(WrongMove):
            apply_move(lie.program, game, Side.DEFENDER, ShowOperands(openings), START)
    assert get_outcome(move(game, Side.DEFENDER, lie)) == ChallengerWins(Reason.RECOMPUTED)


@pytest.mark.parametrize(
    ("defender", "challenger", "outcome"),
    [
        (TRUTH, LIE, DefenderWins(Reason.RECOMPUTED)),
        (LIE, TRUTH, ChallengerWins(Reason.RECOMPUTED)),
        (LIE, make_lie("deep", "one element", 7, 12_346), BothWrong()),
    ],
    ids=["lying challenger", "lying worker", "two liars"],
)
def test_the_chunk_decides(defender: Trace, challenger: Trace, outcome: Outcome) -> None:
    game = advance_to(Decided, make_game(defender, challenger), defender, challenger)
    assert get_outcome(game) == outcome


@pytest.mark.parametrize("silent", Side)
@pytest.mark.parametrize("phase", [NarrowTrace, CompareTensor])
def test_silence_loses(silent: Side, phase: type) -> None:
    game = advance_to(phase, make_game(TRUTH, LIE), TRUTH, LIE)
    other = Side(1 - silent)
    game = move(game, other, (TRUTH, LIE)[other], at(10))
    assert apply_time(game, get_deadline(game, silent)) == game
    ended = apply_time(game, Milliseconds(get_deadline(game, silent) + 1))
    lost = ChallengerWins if silent is Side.DEFENDER else DefenderWins
    assert get_outcome(ended) == lost(Reason.NOT_SHOWN)


def test_operands_that_are_not_shown_are_a_fault_of_the_defender() -> None:
    lie = make_lie("deep", "consistent", 2, 40)
    game = advance_to(DecideChunk, make_game(lie, TRUTH), lie, TRUTH)
    assert get_outcome(apply_time(game, at(CLOCK_MS + 1))) == ChallengerWins(Reason.NOT_SHOWN)


def test_both_silent_from_the_beginning_leaves_the_claim() -> None:
    game = apply_time(make_game(TRUTH, LIE), at(CLOCK_MS + 1))
    assert get_outcome(game) == BothSilent()
    assert is_claim_upheld(BothSilent())


def test_a_move_at_the_deadline_is_in_time_and_later_it_is_not() -> None:
    game = make_game(TRUTH, LIE)
    assert get_deadline(game, Side.DEFENDER) == at(CLOCK_MS)
    move(game, Side.DEFENDER, TRUTH, at(CLOCK_MS))
    with pytest.raises(MoveLate) as caught:
        move(game, Side.DEFENDER, TRUTH, at(CLOCK_MS + 1))
    assert caught.value.deadline == at(CLOCK_MS)


def test_a_clock_is_for_all_moves_together() -> None:
    game = move(make_game(TRUTH, LIE), Side.DEFENDER, TRUTH, at(300))
    game = move(game, Side.CHALLENGER, LIE, at(700))
    assert isinstance(game.phase, CompareTensor)
    assert get_deadline(game, Side.DEFENDER) == at(700 + CLOCK_MS - 300)
    assert get_deadline(game, Side.CHALLENGER) == at(700 + CLOCK_MS - 700)
    late = apply_time(game, at(5000))
    assert get_outcome(late) == DefenderWins(Reason.NOT_SHOWN)
    assert get_outcome(apply_time(game, at(1001))) == DefenderWins(Reason.NOT_SHOWN)


def test_time_that_runs_backwards_gives_nobody_time() -> None:
    game = move(make_game(TRUTH, LIE), Side.DEFENDER, TRUTH, Milliseconds(START - 500))
    game = move(game, Side.CHALLENGER, LIE, Milliseconds(START - 400))
    assert game.left_ms == (CLOCK_MS, CLOCK_MS)
    assert get_deadline(game, Side.DEFENDER) == at(CLOCK_MS)


@pytest.mark.parametrize("side", Side)
def test_giving_up_is_allowed_at_any_time(side: Side) -> None:
    game = move(make_game(TRUTH, LIE), side, (TRUTH, LIE)[side])
    ended = apply_move(TRUTH.program, game, side, Resign(), START)
    lost = ChallengerWins if side is Side.DEFENDER else DefenderWins
    assert get_outcome(ended) == lost(Reason.RESIGNED)


def test_nothing_changes_what_is_decided() -> None:
    game = advance_to(Decided, make_game(TRUTH, LIE), TRUTH, LIE)
    moves: list[Move] = [Resign(), ShowOperands(()), ShowTensor(Digest(bytes(32)))]
    for side, chosen in product(Side, moves):
        with pytest.raises(DisputeDecided):
            apply_move(TRUTH.program, game, side, chosen, START)
    assert apply_time(game, at(10**9)) == game
    assert get_waited_for(game) == ()
    assert choose_move(game, Side.DEFENDER, TRUTH) is None


@given(
    st.sampled_from(OUTCOMES),
    st.integers(0, 2**62),
    st.integers(0, 2**62),
    st.integers(0, 1_000_000),
)
def test_bonds_are_conserved(outcome: Outcome, defender: int, challenger: int, share: int) -> None:
    settlement = compute_settlement(outcome, Grains(defender), Grains(challenger), share)
    assert settlement.defender + settlement.challenger + settlement.burned == defender + challenger
    assert min(settlement.defender, settlement.challenger, settlement.burned) >= 0


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
def test_playing_both_sides_never_pays(outcome: Outcome) -> None:
    settlement = compute_settlement(outcome, *BONDS, SHARE)
    assert settlement.defender + settlement.challenger < sum(BONDS)
    assert is_claim_upheld(outcome) == (settlement.defender > 0)
