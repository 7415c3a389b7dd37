"""Disputes as this node sees them: moves read from history, their blobs fetched, the referee asked, and the
next move of a party that is this node.
"""

from collections.abc import Callable, Sequence
from typing import Final

import structlog
from msgspec import Struct

from poi.disputes.moves import MOVE_SIZE_MAX as ENCODED_MOVE_SIZE_MAX
from poi.disputes.moves import Move, encode_move
from poi.disputes.player import choose_move
from poi.disputes.record import Side
from poi.market.judging import make_terms
from poi.market.limits import MOVE_SIZE_MAX, MarketRules
from poi.market.operations import MakeMove
from poi.market.outcomes import MoveMade, ResultChallenged
from poi.market.records import Disputed, Job, ProgramEntry
from tangle.core.blob_id import BlobId
from tangle.core.errors import TangleError
from tangle.core.types import Digest
from tangle.node.jobs.bench import Bench
from tangle.node.jobs.errors import JobDataMissing, JobDataOversize
from tangle.node.jobs.names import RunTask
from tangle.node.jobs.programs import Library
from tangle.node.jobs.refereeing import OrderedMove, Refereed, Standoff, referee
from tangle.node.jobs.stock import Stock
from tangle.node.jobs.workshop import Run
from tangle.node.market_views import JobEventView

log = structlog.get_logger("jobs")

NO_BLOB: Final = b""
"""A move that stands in its operation."""


EVENTS_MAX: Final = 4_096
"""Most events of one job that are read: three attempts with votes of all validators, and their disputes."""


ReadEvents = Callable[[Digest, int, int], Sequence[JobEventView]]
"""What happened to a job from a number on, at most so much of it, as far as it is on disk."""


class DisputeUnwritten(TangleError):
    """A dispute of which the disk does not know yet."""

    code = "dispute-unwritten"

    def __init__(self, job: Digest) -> None:
        self.job = job
        super().__init__(f"the dispute about job {job.hex()} is not on disk yet")


class Docket(Struct, frozen=True):
    """The dispute as the ledger has it."""

    since_ms: int
    """Commit time of the challenge."""

    moves: tuple[tuple[int, MoveMade], ...]
    """Its moves with the commit times of their checkpoints."""


class Court:
    """Judges games, and plays them."""

    def __init__(
        self, programs: Library, stock: Stock, bench: Bench, rules: MarketRules, read_events: ReadEvents
    ) -> None:
        self._programs = programs
        self._stock = stock
        self._bench = bench
        self._rules = rules
        self._read_events = read_events

    async def judge(
        self, job: Job, task: RunTask, phase: Disputed, entry: ProgramEntry, now_ms: int
    ) -> Refereed:
        """How a game stands, or how it ended.

        :param now_ms: commit time of the latest checkpoint on disk.
        :raises DisputeUnwritten: it has only just begun.
        :raises JobDataMissing, ProgramDiffers, RunImpossible: the program cannot be had.
        """
        program = await self._programs.get_run(entry, phase.claim.commitment.rows)
        docket = read_docket(job.id, phase, self._read_events(job.id, 0, EVENTS_MAX))
        moves = [await self._resolve(timestamp_ms, move) for timestamp_ms, move in docket.moves]
        terms = make_terms(job, self._rules)
        return await self._bench.run(
            lambda: referee(program, task.inputs, terms, docket.since_ms, moves, now_ms)
        )

    async def play(
        self, job: Job, task: RunTask, phase: Disputed, entry: ProgramEntry, side: Side, run: Run, now_ms: int
    ) -> MakeMove | None:
        """The next move of a party that made ``run``, to be sent; nothing while it is not waited for.

        :raises TangleError: as ``judge``; or there is no room for a long move.
        """
        stands = await self.judge(job, task, phase, entry, now_ms)
        if not isinstance(stands, Standoff) or not stands.is_certain:
            return None
        game = stands.game
        move = await self._bench.run(lambda: choose_move(game, side, run.trace))
        return None if move is None else await self.write(job.id, move)

    async def write(self, job: Digest, move: Move) -> MakeMove:
        """An operation that makes a move; a long one is kept as a blob.

        :raises BlobQuotaReached, BlobStorageFailed: there is no room for it.
        """
        data = encode_move(move)
        if len(data) <= MOVE_SIZE_MAX:
            return MakeMove(job, data, NO_BLOB)
        return MakeMove(job, b"", await self._stock.keep(data, job))

    async def _resolve(self, timestamp_ms: int, made: MoveMade) -> OrderedMove:
        if not made.blob:
            return OrderedMove(made.side, timestamp_ms, made.move)
        data: bytes | None
        try:
            data = await self._stock.get(BlobId(made.blob), "a move", ENCODED_MOVE_SIZE_MAX)
        except JobDataMissing as error:
            log.info("move-missing", job=made.job.hex()[:16], side=made.side, reason=error.reason)
            data = None
        except JobDataOversize:
            data = b""  # no move is so long
        return OrderedMove(made.side, timestamp_ms, data)


def read_docket(job: Digest, phase: Disputed, events: Sequence[JobEventView]) -> Docket:
    """When a dispute began, and its moves so far.

    :param events: everything that happened to the job.
    :raises DisputeUnwritten: the dispute is not among it.
    """
    docket = None
    for each in events:
        match each.event:
            case ResultChallenged(challenger=phase.challenger) if each.checkpoint == phase.since:
                docket = Docket(each.timestamp_ms, ())
            case MoveMade() as move if docket is not None:
                docket = Docket(docket.since_ms, (*docket.moves, (each.timestamp_ms, move)))
            case _:
                pass
    if docket is None:
        raise DisputeUnwritten(job)
    return docket
