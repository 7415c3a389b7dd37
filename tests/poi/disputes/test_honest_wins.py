"""An honest party wins against whatever the other side does, in a bounded number of rounds and of time."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from poi.disputes.errors import DisputeFault
from poi.disputes.game import apply_move, apply_time, get_deadline, get_waited_for
from poi.disputes.moves import Move, Resign, ShowOperands, ShowTensor, Split
from poi.disputes.outcomes import ChallengerWins, DefenderWins, compute_settlement
from poi.disputes.player import choose_move
from poi.disputes.record import GAME_SIZE_MAX, Decided, Game, Side, compute_rounds_max
from tangle.core.encoding import decode, encode
from tangle.core.types import Digest, Milliseconds
from tests.poi.disputes.builders import (
    BONDS,
    CLOCK_MS,
    HONEST,
    LIES,
    SHARE,
    START,
    get_other,
    make_game,
    make_lie,
)

HONEST_DELAY_MAX_MS = 40
"""An honest party moves at least so fast; times the rounds of any game here it is less than its clock."""

DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)

GARBAGE: st.SearchStrategy[Move] = st.one_of(
    st.lists(DIGESTS, min_size=2, max_size=16).map(lambda parts: Split(tuple(parts))),
    DIGESTS.map(ShowTensor),
    st.just(ShowOperands(())),
)


class Dispute(RuleBasedStateMachine):
    """One party follows the protocol, hypothesis plays the other."""

    @initialize(
        name=st.sampled_from(sorted(HONEST)),
        lie=st.sampled_from(LIES),
        honest=st.sampled_from(Side),
        number=st.integers(0, 20),
        place=st.integers(0, 10**6),
    )
    def begin(self, name: str, lie: str, honest: Side, number: int, place: int) -> None:
        self.honest = honest
        self.truth = HONEST[name]
        self.lie = make_lie(name, lie, number, place)
        parties = (self.truth, self.lie) if honest is Side.DEFENDER else (self.lie, self.truth)
        self.game: Game = make_game(*parties)
        self.now = START

    def is_open(self) -> bool:
        return not isinstance(self.game.phase, Decided)

    def advance(self, by_ms: int) -> None:
        self.now = Milliseconds(self.now + by_ms)
        self.game = apply_time(self.game, self.now)

    def move_honestly(self) -> None:
        move = choose_move(self.game, self.honest, self.truth)
        if move is not None:
            self.game = apply_move(self.truth.program, self.game, self.honest, move, self.now)

    def try_move(self, move: Move | None) -> None:
        if move is None:
            return
        with suppress(DisputeFault):
            self.game = apply_move(self.truth.program, self.game, get_other(self.honest), move, self.now)

    @rule(delay=st.integers(0, HONEST_DELAY_MAX_MS))
    def honest_moves(self, delay: int) -> None:
        # Within its own patience: the other's silence may end the game meanwhile.
        if self.honest in get_waited_for(self.game):
            self.advance(min(delay, get_deadline(self.game, self.honest) - self.now))
        self.move_honestly()

    @rule(delay=st.integers(0, 30))
    def liar_shows_its_lie(self, delay: int) -> None:
        self.move_honestly()
        self.advance(delay)
        self.try_move(choose_move(self.game, get_other(self.honest), self.lie))

    @rule()
    def liar_shows_the_truth(self) -> None:
        self.try_move(choose_move(self.game, get_other(self.honest), self.truth))

    @rule(move=GARBAGE)
    def liar_says_anything(self, move: Move) -> None:
        self.try_move(move)

    @rule(delay=st.integers(1, 3 * CLOCK_MS))
    def liar_is_silent(self, delay: int) -> None:
        self.move_honestly()
        self.advance(delay)

    @rule(gives_up=st.integers(0, 9))
    def liar_may_give_up(self, gives_up: int) -> None:
        if gives_up == 0:
            self.try_move(Resign())

    @invariant()
    def the_record_is_canonical(self) -> None:
        if hasattr(self, "game"):
            assert decode(Game, encode(self.game), limit=GAME_SIZE_MAX) == self.game

    @invariant()
    def whoever_is_honest_does_not_lose(self) -> None:
        if hasattr(self, "game"):
            assert self.game.rounds <= compute_rounds_max(self.truth.program)
            for side in get_waited_for(self.game):
                assert get_deadline(self.game, side) <= START + 2 * CLOCK_MS
            if isinstance(self.game.phase, Decided):
                check_victory(self.game, self.honest)

    def teardown(self) -> None:
        if not hasattr(self, "game"):
            return
        while self.is_open():
            self.move_honestly()
            self.try_move(choose_move(self.game, get_other(self.honest), self.lie))
            if get_waited_for(self.game) == (get_other(self.honest),):
                self.advance(CLOCK_MS + 1)
        check_victory(self.game, self.honest)


def check_victory(game: Game, honest: Side) -> None:
    assert isinstance(game.phase, Decided)
    outcome = game.phase.outcome
    assert isinstance(outcome, DefenderWins if honest is Side.DEFENDER else ChallengerWins)
    settlement = compute_settlement(outcome, *BONDS, SHARE)
    paid = (settlement.defender, settlement.challenger)
    assert sum(paid) + settlement.burned == sum(BONDS)
    assert paid[honest] >= BONDS[honest]
    assert paid[get_other(honest)] == 0


TestDispute: Any = Dispute.TestCase
TestDispute.settings = settings(max_examples=120, stateful_step_count=30)


def play(game: Game, honest: Side, name: str, lie: str, number: int, place: int) -> tuple[Game, int]:
    """Both move at once and as well as they can; moves taken in all."""
    truth, liar = HONEST[name], make_lie(name, lie, number, place)
    moves, now = 0, START
    while not isinstance(game.phase, Decided):
        for side in sorted(get_waited_for(game), key=lambda each: each is not honest):
            trace = truth if side is honest else liar
            move = choose_move(game, side, trace)
            assert move is not None
            try:
                game = apply_move(truth.program, game, side, move, now)
                moves += 1
            except DisputeFault:
                assert side is not honest
                now = Milliseconds(get_deadline(game, side) + 1)
        game = apply_time(game, now)
    return game, moves


@pytest.mark.parametrize("honest", Side)
@pytest.mark.parametrize("lie", LIES)
@given(name=st.sampled_from(sorted(HONEST)), number=st.integers(0, 20), place=st.integers(0, 10**6))
@settings(max_examples=15)
def test_the_best_liar_loses(lie: str, honest: Side, name: str, number: int, place: int) -> None:
    truth, liar = HONEST[name], make_lie(name, lie, number, place)
    game = make_game(truth, liar) if honest is Side.DEFENDER else make_game(liar, truth)
    ended, moves = play(game, honest, name, lie, number, place)
    check_victory(ended, honest)
    assert moves <= 2 * compute_rounds_max(truth.program)
