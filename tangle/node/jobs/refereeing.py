"""How the game about a disputed result stands: the referee over the moves that the ledger ordered and timed.

Every validator plays the same moves at the same times and so comes to the same end. What is no move, or is
not taken, changes nothing; the clock of its party runs on. A move whose blob cannot be had leaves the game
open as long as the clocks run; after that it counts as not made, since it showed nobody anything.
"""

from collections.abc import Sequence

from msgspec import Struct

from aivm.verification.traced import TracedProgram
from poi.disputes.errors import DisputeFault, InvalidTerms
from poi.disputes.game import apply_move, apply_time, open_game
from poi.disputes.moves import decode_move
from poi.disputes.outcomes import ChallengerWins, Outcome, Reason
from poi.disputes.record import Decided, Game, Side, Terms
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.types import Digest, Milliseconds


class OrderedMove(Struct, frozen=True):
    """A move as the ledger has it."""

    side: Side
    """Whose."""

    at_ms: int
    """Commit time of its checkpoint."""

    data: bytes | None
    """Its encoding; nothing where its blob is not here."""


class Standoff(Struct, frozen=True):
    """A game that is not decided here yet."""

    game: Game
    """How it stands."""

    is_certain: bool
    """Whether all moves so far are here."""


class Ended(Struct, frozen=True):
    """A game that is over."""

    outcome: Outcome
    """How it ended."""


Refereed = Standoff | Ended
"""What the referee says."""


def referee(
    program: TracedProgram,
    inputs: tuple[Digest, ...],
    terms: Terms,
    since_ms: int,
    moves: Sequence[OrderedMove],
    now_ms: int,
) -> Refereed:
    """Play a game as far as it has come.

    :param inputs: tensor ids of the task's inputs. :param since_ms: commit time of the challenge.
    :param moves: in the ledger's order.
    :param now_ms: commit time of the latest executed checkpoint.
    """
    try:
        game = open_game(program, inputs, terms, Milliseconds(since_ms))
    except InvalidTerms:
        # A claim that is about no run of this program: there is nothing that could be right about it.
        return Ended(ChallengerWins(Reason.RECOMPUTED))
    clocks_end_ms = since_ms + 2 * terms.clock_ms
    for move in moves:
        if move.data is None:
            if now_ms <= clocks_end_ms:
                return Standoff(game, is_certain=False)
            continue
        game = _take(program, game, move)
        if isinstance(game.phase, Decided):
            return Ended(game.phase.outcome)
    game = apply_time(game, Milliseconds(now_ms))
    if isinstance(game.phase, Decided):
        return Ended(game.phase.outcome)
    return Standoff(game, is_certain=True)


def _take(program: TracedProgram, game: Game, ordered: OrderedMove) -> Game:
    assert ordered.data is not None, "missing ones are left out"
    now = Milliseconds(ordered.at_ms)
    try:
        return apply_move(program, game, ordered.side, decode_move(ordered.data), now)
    except (DisputeFault, MalformedEncoding, OversizeEncoding):
        return apply_time(game, now)
