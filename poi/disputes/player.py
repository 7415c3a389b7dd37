"""An honest party: shows what it committed to. Against it nobody wins."""

from typing import assert_never

from aivm.verification.trace import Trace
from aivm.verification.traced import find_needed
from poi.disputes.game import get_waited_for
from poi.disputes.moves import Move, ShowOperands, ShowTensor, Split
from poi.disputes.record import CompareTensor, DecideChunk, Decided, Game, NarrowTensor, NarrowTrace, Side


def choose_move(game: Game, side: Side, trace: Trace) -> Move | None:
    """The next move of a party that holds its whole trace; nothing if it is not waited for."""
    if side not in get_waited_for(game):
        return None
    match game.phase:
        case NarrowTrace(first, last):
            return Split(trace.tree.get_frontier((first, last)))
        case CompareTensor(number):
            return ShowTensor(trace.trees[number].root)
        case NarrowTensor(number, first, last):
            return Split(trace.trees[number].get_frontier((first, last)))
        case DecideChunk(number, chunk):
            needed = find_needed(trace.program, number, chunk)
            return ShowOperands(tuple(trace.open(operand, chunks) for operand, chunks in needed))
        case Decided():
            return None
        case _:
            assert_never(game.phase)
