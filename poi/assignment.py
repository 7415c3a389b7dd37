"""Which standing job a transaction works on: drawn by hash, in proportion to the jobs' budgets."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from poi.errors import EmptyBoard
from tangle.core.hashing import ASSIGN, compute_record_hash
from tangle.core.types import JobId, Natural, PublicKey

BOARD_JOBS_MAX: Final = 64
"""Most jobs on a board: a draw walks all of them."""


class BoardJob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A funded job."""

    job: JobId
    """The job."""

    budget: Natural
    """Its share of all draws, relative to the others'."""


def draw_job(board: Sequence[BoardJob], issuer: PublicKey, sequence: int) -> JobId:
    """The job that this transaction has to work on.

    ``H_assign(issuer, sequence)`` as a big-endian integer, modulo the sum of all budgets, falls into one
    job's stretch of the board. A 256-bit number modulo a 64-bit one is uniform to within 2**-192.

    :param board: the jobs in the order of the board at the transaction's anchor.
    :raises EmptyBoard: no job has a budget.
    """
    total = sum(entry.budget for entry in board)
    if total == 0:
        raise EmptyBoard
    drawn = int.from_bytes(compute_record_hash(ASSIGN, issuer, sequence), "big") % total
    for entry in board[:BOARD_JOBS_MAX]:
        if drawn < entry.budget:
            return entry.job
        drawn -= entry.budget
    raise EmptyBoard
