"""How a simulation can end: one closed sum of four."""

from enum import Enum

from msgspec import Struct


class Invariant(Enum):
    """What holds whatever happens."""

    AT_MOST_ONCE = "at-most-once"
    """No transaction is ordered twice, and no number of an account applies twice."""

    SUPPLY = "supply"
    """Every grain that was issued and not burned is in one place, and the accounts hold what they should."""

    FINALITY = "finality"
    """What was final at a node is final there ever after, and what it executed is not forgotten."""

    SINGLE_SIGNING = "single-signing"
    """An honest validator signs one block for a slot."""

    ACCEPTED_KEPT = "accepted-kept"
    """A node does not forget a transaction that it told a wallet is durable."""

    BOUNDED_QUEUES = "bounded-queues"
    """No queue grows beyond its limit."""

    SESSIONS = "sessions"
    """Bytes that somebody on the path duplicated, reordered, replayed or changed end a session; a handshake
    that is played again makes none."""

    OWN_SHARD = "own-shard"
    """Checkpoints are of the shard whose nodes make them, and change accounts that live there."""

    RECEIPTS = "receipts"
    """What one shard sends is credited in the other at most once, in order, and is what was sent."""

    HONEST_STAKES = "honest-stakes"
    """Nobody's stake is burned for signing twice who did not."""

    NODE_SOUND = "node-sound"
    """A node stops only when it is stopped."""


class Pass(Struct, frozen=True, tag="pass"):
    """Nothing was found."""


class NoProgress(Struct, frozen=True, tag="no-progress"):
    """After the faults ended, not everything came to its end in time."""

    bound_s: float
    """How long it had, in virtual seconds."""

    detail: str
    """What did not come."""


class Diverged(Struct, frozen=True, tag="diverged"):
    """Two nodes executed different checkpoints at one index, or committed differently on the way there."""

    index: int
    """The checkpoint."""

    nodes: tuple[str, ...]
    """Those that disagree."""

    detail: str
    """Which part of it differs."""


class Violated(Struct, frozen=True, tag="violated"):
    """An invariant does not hold."""

    invariant: Invariant
    """Which one."""

    node: str
    """Where."""

    detail: str
    """What was found."""


Verdict = Pass | NoProgress | Diverged | Violated
"""How a simulation ended."""

Finding = Diverged | Violated
"""What a checker may find while it runs."""
