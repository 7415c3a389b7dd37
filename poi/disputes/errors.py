"""Why a dispute is not opened, or a move not taken. A refused move changes nothing; the clock runs on."""

from tangle.core.errors import TangleError
from tangle.core.types import Milliseconds


class DisputeFault(TangleError):
    """A dispute or a move that is refused; the subclasses say why."""

    code = "dispute-invalid"


class NothingDisputed(DisputeFault):
    """A challenge by somebody who committed to the same trace."""

    code = "dispute-empty"

    def __init__(self) -> None:
        super().__init__("both parties committed to the same trace; there is nothing to decide")


class InvalidTerms(DisputeFault):
    """Bonds, clocks or shares outside their range, or a claim about another program."""

    code = "dispute-terms-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the dispute is refused: {reason}")


class DisputeDecided(DisputeFault):
    """A move in a game that is over."""

    code = "dispute-decided"

    def __init__(self) -> None:
        super().__init__("the dispute is decided; no move changes it")


class MoveOutOfTurn(DisputeFault):
    """A move by a party from which nothing is expected now."""

    code = "dispute-out-of-turn"

    def __init__(self, side: int) -> None:
        self.side = side
        super().__init__(f"nothing is expected from side {side} now")


class MoveLate(DisputeFault):
    """A move after a clock ran out; letting time pass decides the game."""

    code = "dispute-late"

    def __init__(self, now: Milliseconds, deadline: Milliseconds) -> None:
        self.now = now
        self.deadline = deadline
        super().__init__(f"the clock ran out at {deadline} ms, it is {now} ms")


class WrongMove(DisputeFault):
    """A move of another kind than the phase asks for, or one that does not show what was committed to."""

    code = "dispute-move-wrong"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the move is refused: {reason}")
