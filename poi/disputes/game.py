"""The referee: from a game, a move and the time to the next game. Every node computes the same.

Both parties committed to a whole trace before the game, so they can only show or fall silent. In each phase
both show the inside of the same place of their trees; the referee goes on at the first part in which they
differ, so that everything to the left is agreed. It ends at one chunk: the defender shows its operands,
which stand further left and are agreed, the operator is applied, and the result has one party's hash, or
neither's.

An honest party always can move, its moves are always taken, and the chunk that is computed in the end has
its hash: it wins whatever the other does (source of the idea: Verde, arXiv 2502.19405; here the referee
computes one chunk instead of one operator, and links and attributes cannot be lied about, because the
program says them). A clock runs for whoever is waited for. A move at the very deadline is in time; later it
is not.
"""

from typing import NoReturn, assert_never

from msgspec.structs import replace

from aivm.verification.errors import VerificationFailure
from aivm.verification.trace import (
    collect_shown,
    compute_bound_id,
    make_leaf,
    verify_context,
)
from aivm.verification.traced import TracedProgram, compute_chunk, count_chunks, find_needed
from aivm.verification.tree import compute_top, list_frontier
from poi.disputes.errors import (
    DisputeDecided,
    InvalidTerms,
    MoveLate,
    MoveOutOfTurn,
    NothingDisputed,
    WrongMove,
)
from poi.disputes.moves import Move, Resign, ShowOperands, ShowTensor, Split
from poi.disputes.outcomes import (
    BothSilent,
    BothWrong,
    ChallengerWins,
    DefenderWins,
    Outcome,
    Reason,
)
from poi.disputes.record import (
    CLOCK_MAX_MS,
    CompareTensor,
    DecideChunk,
    Decided,
    Game,
    NarrowTensor,
    NarrowTrace,
    Pair,
    Phase,
    Reveal,
    Side,
    Terms,
)
from tangle.core.errors import InvalidProof
from tangle.core.merkle import compute_leaf_hash
from tangle.core.types import INTEGER_MAX, Digest, Milliseconds


def open_game(program: TracedProgram, inputs: tuple[Digest, ...], terms: Terms, now: Milliseconds) -> Game:
    """Begin a dispute.

    :param program: the claim's program, its constants and rows.
    :param inputs: tensor ids of the task's inputs: what both parties are agreed on from the start.
    :raises InvalidTerms: the claim is about another program, input or number of rows, or bonds or clocks
        are out of range.
    :raises NothingDisputed: both have the same trace.
    """
    try:
        verify_context(program, terms.commitment, terms.commitment.context)
    except VerificationFailure as fault:
        raise InvalidTerms(str(fault)) from None
    if terms.commitment.inputs != inputs:
        raise InvalidTerms("the claim is about other inputs than the task")
    if terms.defender_bond + terms.challenger_bond > INTEGER_MAX:
        raise InvalidTerms("both bonds together are no amount")
    if not 1 <= terms.clock_ms <= CLOCK_MAX_MS:
        raise InvalidTerms(f"a clock of {terms.clock_ms} ms, not 1 to {CLOCK_MAX_MS}")
    if terms.rival_root == terms.commitment.root:
        raise NothingDisputed
    nodes = (terms.commitment.root, terms.rival_root)
    phase = _enter_trace(program, (0, terms.commitment.leaves), nodes)
    return Game(terms, phase, (), now, (terms.clock_ms, terms.clock_ms), 0)


def get_waited_for(game: Game) -> tuple[Side, ...]:
    """Who has to move now."""
    match game.phase:
        case Decided():
            return ()
        case DecideChunk():
            return (Side.DEFENDER,)
        case NarrowTrace() | CompareTensor() | NarrowTensor():
            done = {reveal.side for reveal in game.shown}
            return tuple(side for side in Side if side not in done)
        case _:
            assert_never(game.phase)


def get_deadline(game: Game, side: Side) -> Milliseconds:
    """Last moment at which a move of a party that is waited for is taken."""
    return Milliseconds(game.since_ms + game.left_ms[side])


def apply_time(game: Game, now: Milliseconds) -> Game:
    """Let time pass: whoever is waited for beyond its deadline has lost.

    The outcome follows from the deadlines alone, however late this is asked: the earlier one has lost.
    """
    overdue = [side for side in get_waited_for(game) if now > get_deadline(game, side)]
    if not overdue:
        return game
    if len(overdue) == 2 and get_deadline(game, Side.DEFENDER) == get_deadline(game, Side.CHALLENGER):
        return _decide(game, BothSilent())
    loser = min(overdue, key=lambda side: get_deadline(game, side))
    return _decide(game, _lose(loser, Reason.NOT_SHOWN))


def apply_move(program: TracedProgram, game: Game, side: Side, move: Move, now: Milliseconds) -> Game:
    """Take a move.

    :param program: as in ``open_game``.
    :raises DisputeDecided: the game is over.
    :raises MoveOutOfTurn: nothing is expected from this party now.
    :raises MoveLate: a clock has run out; ``apply_time`` says what follows.
    :raises WrongMove: it does not show what was committed to.
    """
    if isinstance(game.phase, Decided):
        raise DisputeDecided
    if isinstance(apply_time(game, now).phase, Decided):
        late = min(get_deadline(game, each) for each in get_waited_for(game))
        raise MoveLate(now, late)
    if isinstance(move, Resign):
        return _decide(game, _lose(side, Reason.RESIGNED))
    if side not in get_waited_for(game):
        raise MoveOutOfTurn(side)
    match game.phase, move:
        case ((NarrowTrace() | NarrowTensor()), Split(parts)):
            _verify_split(game.phase, side, parts)
            return _reveal(program, game, Reveal(side, parts), now)
        case CompareTensor(), ShowTensor(chunk_root):
            _verify_tensor(program, game.phase, side, chunk_root)
            return _reveal(program, game, Reveal(side, (chunk_root,)), now)
        case DecideChunk(), ShowOperands():
            return _decide(game, _judge(program, game, game.phase, move))
        case _:
            raise WrongMove(f"{type(move).__name__} where {type(game.phase).__name__} is asked for")


def _lose(side: Side, reason: Reason) -> Outcome:
    return ChallengerWins(reason) if side is Side.DEFENDER else DefenderWins(reason)


def _decide(game: Game, outcome: Outcome) -> Game:
    return replace(game, phase=Decided(outcome), shown=(), rounds=game.rounds + 1)


def _verify_split(phase: NarrowTrace | NarrowTensor, side: Side, parts: tuple[Digest, ...]) -> None:
    try:
        top = compute_top((phase.first, phase.last), parts)
    except InvalidProof as fault:
        raise WrongMove(fault.reason) from None
    if top != phase.nodes[side]:
        _refuse_reveal()


def _verify_tensor(program: TracedProgram, phase: CompareTensor, side: Side, chunk_root: Digest) -> None:
    tensor_id = compute_bound_id(program.types[phase.number], chunk_root)
    if compute_leaf_hash(make_leaf(phase.number, tensor_id)) != phase.nodes[side]:
        _refuse_reveal()


def _refuse_reveal() -> NoReturn:
    raise WrongMove("it does not lead to the hash that was committed to")


def _reveal(program: TracedProgram, game: Game, reveal: Reveal, now: Milliseconds) -> Game:
    # A clock never runs backwards, whatever time is handed in.
    used = max(0, now - game.since_ms)
    left = list(game.left_ms)
    left[reveal.side] = Milliseconds(left[reveal.side] - used)
    moved = replace(game, left_ms=tuple(left))
    if not game.shown:
        return replace(moved, shown=(reveal,))
    both = sorted((*game.shown, reveal), key=lambda each: each.side)
    phase = _advance(program, game.phase, (both[0].parts, both[1].parts))
    since = Milliseconds(max(now, game.since_ms))
    return replace(moved, phase=phase, shown=(), since_ms=since, rounds=game.rounds + 1)


def _advance(program: TracedProgram, phase: Phase, parts: tuple[tuple[Digest, ...], ...]) -> Phase:
    match phase:
        case NarrowTrace(first, last) | NarrowTensor(_, first, last):
            # The tops differ, so some part does.
            place = next(at for at, (one, other) in enumerate(zip(*parts, strict=True)) if one != other)
            span = list_frontier((first, last))[place]
            nodes = (parts[0][place], parts[1][place])
            if isinstance(phase, NarrowTensor):
                return _enter_tensor(phase.number, span, nodes)
            return _enter_trace(program, span, nodes)
        case CompareTensor(number):
            chunks = count_chunks(program.types[number])
            return _enter_tensor(number, (0, chunks), (parts[0][0], parts[1][0]))
        case DecideChunk() | Decided():
            raise DisputeDecided  # neither waits for two parties
        case _:
            assert_never(phase)


def _enter_trace(program: TracedProgram, span: tuple[int, int], nodes: Pair) -> Phase:
    if span[1] - span[0] == 1:
        return CompareTensor(program.first + span[0], nodes)
    return NarrowTrace(*span, nodes)


def _enter_tensor(number: int, span: tuple[int, int], nodes: Pair) -> Phase:
    if span[1] - span[0] == 1:
        return DecideChunk(number, span[0], nodes)
    return NarrowTensor(number, *span, nodes)


def _judge(program: TracedProgram, game: Game, phase: DecideChunk, move: ShowOperands) -> Outcome:
    needed = dict(find_needed(program, phase.number, phase.chunk))
    try:
        shown = collect_shown(program, game.terms.commitment, needed, move.openings)
    except VerificationFailure as fault:
        raise WrongMove(str(fault)) from None
    chunk = compute_chunk(program, phase.number, phase.chunk, shown)
    truth = compute_leaf_hash(chunk)
    if truth == phase.nodes[Side.DEFENDER]:
        return DefenderWins(Reason.RECOMPUTED)
    if truth == phase.nodes[Side.CHALLENGER]:
        return ChallengerWins(Reason.RECOMPUTED)
    return BothWrong()
