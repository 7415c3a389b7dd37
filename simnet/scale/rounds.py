"""Rounds of one committee as arrays: when each validator proposes, and when each accepts each block.

The rules are the node's own (``shards/proposer.py``): a block for round r needs a quorum of r - 1, waits for
the leaders of r - 1 up to the timeout, and keeps the least delay. A block is accepted once it came, was
checked, and what it builds on and names is here. A round is some operations on a matrix of committee by
committee.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from shards.events import Pace

Times = NDArray[np.float64]
"""Seconds since the beginning; shapes are said where they are used."""

Numbers = NDArray[np.int64]
"""Rounds, places of validators."""

GATHER_S: Final = 0.003
"""How long a node gathers ids before it asks for them, as ``fetcher.GATHER_S``."""

FLUSH_S: Final = 0.005
"""How long news gathers before it is sent, as ``gossip.FLUSH_INTERVAL_S``."""


class Committee(Struct, frozen=True):
    """Everything about one committee that its rounds depend on; times in seconds, c validators."""

    latency_s: Times
    """One way from author to receiver, ``[receiver, author]``."""

    spread_s: Times
    """From the entry of a transaction to its attachment, ``[receiver, entry]``; 0 on the diagonal."""

    load: float
    """Transactions a second that enter, all entries together."""

    pace: Pace
    """Of every validator."""

    leaders: Numbers
    """Leaders of each round, ``[round, rank]``; round 0 is the fixed one."""

    core_s: float
    """The core process's time for one block."""

    worker_s: float
    """The workers' time for one block."""

    make_s: float
    """Time to make an own block."""

    send_s: float
    """Time to put one copy of a block on the line."""

    disk_s: float
    """Mean time of one durable write."""

    jitter_s: float
    """Longest extra time of a packet."""

    @property
    def size(self) -> int:
        """Validators."""
        return len(self.latency_s)

    @property
    def quorum(self) -> int:
        """As ``Committee.quorum`` of equal weights."""
        return 2 * self.size // 3 + 1


class Course(Struct, frozen=True):
    """What came of the rounds; round 0 is the fixed one."""

    proposed_s: Times
    """``[round, author]``."""

    accepted_s: Times
    """``[round, receiver, author]``; the own block is accepted when it is proposed."""

    @property
    def interval_s(self) -> float:
        """Mean time of a round once all is warm."""
        warm = len(self.proposed_s) // 4
        span_s = self.proposed_s[-1] - self.proposed_s[warm]
        return float(span_s.mean()) / (len(self.proposed_s) - 1 - warm)


def play_rounds(committee: Committee, rounds: int, chance: np.random.Generator) -> Course:
    """Play so many rounds from a start at rest."""
    size = committee.size
    proposed_s, accepted_s = np.zeros((rounds + 1, size)), np.zeros((rounds + 1, size, size))
    free_s = np.zeros((2, size))
    interval_s = float(committee.latency_s.mean()) + committee.pace.min_round_delay_ms / 1_000
    for number in range(1, rounds + 1):
        before_s = accepted_s[number - 1]
        due_s = compute_due_s(
            committee, before_s, committee.leaders[number - 1], proposed_s[number - 1], number
        )
        proposed_s[number] = due_s
        arrived_s = _send(committee, due_s, chance)
        checked_s, free_s = _check(committee, arrived_s, free_s)
        named = before_s <= due_s[:, None]
        ready_s = np.maximum(checked_s, compute_past_s(before_s, named))
        lacking_s = _wait_payload(committee, due_s, interval_s, chance)
        # What a block names and is not here is asked for at once, of the block's sender.
        asked_s = checked_s + 2 * committee.latency_s + GATHER_S
        ready_s = np.maximum(ready_s, np.minimum(lacking_s, asked_s))
        np.fill_diagonal(ready_s, due_s)
        accepted_s[number] = ready_s
        if number > 1:
            interval_s = float((proposed_s[number] - proposed_s[number - 1]).mean())
    return Course(proposed_s, accepted_s)


def compute_due_s(
    committee: Committee, accepted_s: Times, leaders: Numbers, last_s: Times, number: int
) -> Times:
    """When each validator proposes round ``number``.

    :param accepted_s: of the round before, ``[receiver, author]``.
    :param leaders: of the round before.
    :param last_s: when each proposed the round before.
    """
    pace, quorum = committee.pace, committee.quorum
    clock_s = np.partition(accepted_s, quorum - 1, axis=1)[:, quorum - 1]
    if number == 1:
        return np.asarray(clock_s)
    waited_s = np.minimum(clock_s + pace.leader_timeout_ms / 1_000, accepted_s[:, leaders].max(axis=1))
    due_s = np.maximum(clock_s, waited_s)
    return np.asarray(np.maximum(due_s, last_s + pace.min_round_delay_ms / 1_000))


def compute_past_s(before_s: Times, named: NDArray[np.bool_]) -> Times:
    """When each receiver has all that each author's block builds on.

    :param before_s: acceptance of the round before, ``[receiver, author]``.
    :param named: whose blocks of that round each author builds on, ``[author, named]``.
    """
    hidden = np.where(named, 0.0, -np.inf)
    return np.stack([(before_s + row).max(axis=1) for row in hidden], axis=1)


def serve(arrived_s: Times, service_s: float, free_s: Times) -> Times:
    """Ends of service, first come first served, in each row by itself.

    :param free_s: from when each row's server is free.
    """
    order = np.argsort(arrived_s, axis=1, kind="stable")
    queue_s = np.maximum(np.take_along_axis(arrived_s, order, axis=1), free_s[:, None])
    steps = np.arange(arrived_s.shape[1]) * service_s
    done_s = np.maximum.accumulate(queue_s - steps, axis=1) + steps + service_s
    ends_s: Times = np.empty_like(done_s)
    np.put_along_axis(ends_s, order, done_s, axis=1)
    return ends_s


def _send(committee: Committee, due_s: Times, chance: np.random.Generator) -> Times:
    """When each block reaches each receiver: it is made, written with the guard, and leaves copy by copy."""
    size = committee.size
    written_s = committee.disk_s * (0.5 + chance.random((2, size))).sum(axis=0)
    turn = np.argsort(chance.random((size, size)), axis=0)
    sent_s = due_s + committee.make_s + written_s + (turn + 1) * committee.send_s
    jitter_s = committee.jitter_s * chance.random((size, size))
    return np.asarray(sent_s + committee.latency_s + jitter_s)


def _check(committee: Committee, arrived_s: Times, free_s: Times) -> tuple[Times, Times]:
    """Through the workers and the core; and until when both were busy with blocks that most have already."""
    others_s = arrived_s.copy()
    np.fill_diagonal(others_s, np.inf)  # nobody checks an own block
    verified_s = serve(others_s, committee.worker_s, free_s[0])
    checked_s = serve(verified_s, committee.core_s, free_s[1])
    # Stragglers are served when they come; they do not hold up what comes before them.
    middle_s = np.median(arrived_s, axis=1, keepdims=True)
    busy_s = [np.where(others_s <= middle_s, stage_s, 0.0).max(axis=1) for stage_s in (verified_s, checked_s)]
    return checked_s, np.stack(busy_s)


def _wait_payload(
    committee: Committee, due_s: Times, interval_s: float, chance: np.random.Generator
) -> Times:
    """When each receiver has the transactions that each author's block names, ``[receiver, author]``.

    A block names what its author had since its last block; the youngest of each entry is the last to come.
    """
    size, spread_s = committee.size, committee.spread_s
    ages_s = chance.exponential(size / committee.load, (size, size))
    # ``[author, entry]``: when its youngest that the author has; minus infinity for none in this round.
    entered_s = np.where(ages_s < interval_s, due_s[:, None] - spread_s - ages_s, -np.inf)
    return np.stack([(spread_s + row).max(axis=1) for row in entered_s], axis=1)
