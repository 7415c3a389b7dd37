"""Fetching one blob from several peers: which piece from whom next, and whether what came is true.

A pure machine. Its owner tells it who may have the blob, what each peer answered or failed to answer, and
when a piece is on disk; it says what to ask of whom. Everything is checked against the blob's id the moment
it comes: the first answer about the blob brings its nodes (the roots of its pieces), which make the id or
are refused, and every piece must make its node. A peer that says something false is a liar: the machine
raises what to blame it for, and asks it nothing more.

Pieces that are here already (after a crash, say) are handed in, so that a download goes on where it was.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Annotated, Final, Generic, TypeVar

from msgspec import Meta, Struct

from tangle.core.blob_errors import FalseHoldings, FalseRange
from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.chunk_tree import (
    NODES_MAX,
    PIECE_LEVEL,
    PIECE_SIZE,
    BlobShape,
    BlobTree,
    RangeProof,
    compute_blob_id,
    count_ranges,
    verify_range,
)
from tangle.core.errors import InvalidProof
from tangle.core.types import Digest

OUTSTANDING_MAX: Final = 4
"""Pieces on their way from one peer: 1 MiB, which hides a round trip of 20 ms at 50 MB/s."""

SOURCES_MAX: Final = 16
"""Peers that one download asks for pieces; with the limit above it bounds memory at 16 MiB."""

SLOW_S: Final = 2.0
"""A piece that a peer owes for this long is asked of another one too, once nothing else is left to ask: the
end of a download does not wait for whoever stalls."""

FAILURES_MAX: Final = 3
"""Requests in a row that a peer may leave unanswered before nothing more is asked of it."""

RUNS_MAX: Final = 256
"""Runs of pieces that a peer may state; who has more gaps than that states the first ones."""

Source = TypeVar("Source", bound=Hashable)

PieceIndex = Annotated[int, Meta(ge=0, lt=NODES_MAX)]
"""Place of a piece in its blob."""


class PieceRun(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Neighbouring pieces that a peer has."""

    first: PieceIndex
    """The first one."""

    count: Annotated[int, Meta(ge=1, le=NODES_MAX)]
    """How many."""


class PieceWish(Struct, Generic[Source], frozen=True):
    """One thing to do: ask ``source`` for a piece."""

    source: Source
    """Whom."""

    index: int
    """Which."""


class _Record:
    __slots__ = ("failures", "held", "outstanding")

    def __init__(self, held: set[int]) -> None:
        self.held = held
        """What the source has and is not on disk here."""
        self.outstanding: dict[int, float] = {}
        """When it was asked for what, in seconds."""
        self.failures = 0


class Download(Generic[Source]):
    """One blob on its way."""

    def __init__(self, blob: BlobId, tree: BlobTree | None = None, held: Iterable[int] = ()) -> None:
        """:param tree: what is known of it from before, verified.
        :param held: pieces that are here and verified.
        """
        self.blob = blob
        self.tree = tree
        self._shape: BlobShape | None = None if tree is None else tree.shape
        self._held = set(held)
        self._wanted: dict[int, None] = {}
        self._sources: dict[Source, _Record] = {}
        self._liars: set[Source] = set()
        self._on_tree()

    @property
    def is_complete(self) -> bool:
        """Whether every piece is on disk."""
        return self.tree is not None and len(self._held) == len(self.tree.nodes)

    @property
    def held(self) -> frozenset[int]:
        """Pieces on disk."""
        return frozenset(self._held)

    @property
    def held_bytes(self) -> int:
        """Bytes on disk."""
        if self.tree is None:
            return 0
        last = len(self.tree.nodes) - 1
        missing = (last + 1) * PIECE_SIZE - self.tree.size if last in self._held else 0
        return len(self._held) * PIECE_SIZE - missing

    @property
    def sources(self) -> tuple[Source, ...]:
        """Peers that are asked for pieces."""
        return tuple(self._sources)

    def is_closed_to(self, source: Source) -> bool:
        """Whether there is no use in asking ``source`` what it has: it lied, or all places are taken."""
        is_full = len(self._sources) >= SOURCES_MAX and source not in self._sources
        return source in self._liars or is_full

    def on_holdings(
        self, source: Source, shape: BlobShape, nodes: Sequence[Digest], runs: Sequence[PieceRun]
    ) -> None:
        """``source`` said what it has; ``nodes`` may be left out once the tree is known.

        :raises FalseHoldings: that cannot be true.
        """
        if self.is_closed_to(source):
            return
        try:
            self._check_holdings(shape, nodes, runs)
        except FalseHoldings:
            self._drop_liar(source)
            raise
        held = {index for run in runs for index in range(run.first, run.first + run.count)} - self._held
        record = self._sources.get(source)
        if record is None:
            self._sources[source] = _Record(held)
        else:
            record.held = held

    def take_wishes(self, now_s: float) -> list[PieceWish[Source]]:
        """What to ask now; what is answered here counts as asked."""
        wishes: list[PieceWish[Source]] = []
        for _ in range(OUTSTANDING_MAX):  # in turns, so that the first peer does not get all there is to do
            for source, record in self._sources.items():
                if len(record.outstanding) >= OUTSTANDING_MAX:
                    continue
                index = self._choose(record, now_s)
                if index is not None:
                    self._wanted.pop(index, None)
                    record.outstanding[index] = now_s
                    wishes.append(PieceWish(source, index))
        return wishes

    def on_range(self, source: Source, index: int, content: bytes, path: Sequence[Digest]) -> None:
        """A piece came that ``source`` was asked for; put it on disk and say ``on_stored``.

        :raises FalseRange: it is not that piece.
        """
        assert self._shape is not None, "pieces are asked for once the shape is known"
        record = self._sources.get(source)
        try:
            verify_range(self._shape, content, RangeProof(PIECE_LEVEL, index, tuple(path)))
        except InvalidProof as error:
            self._drop_liar(source)
            raise FalseRange(format_blob_id(self.blob), index, error.reason) from None
        if record is not None:
            record.outstanding.pop(index, None)
            record.failures = 0

    def on_stored(self, index: int) -> None:
        """A piece is on disk."""
        self._held.add(index)
        self._wanted.pop(index, None)
        for record in self._sources.values():
            record.held.discard(index)

    def on_failure(self, source: Source, index: int) -> None:
        """``source`` did not give a piece: it is asked of another one."""
        record = self._sources.get(source)
        if record is None or index not in record.outstanding:
            return
        del record.outstanding[index]
        self._want((index,))
        record.failures += 1
        if record.failures >= FAILURES_MAX:
            self.on_gone(source)

    def on_gone(self, source: Source) -> None:
        """``source`` is no longer there; it may come back and say what it has."""
        record = self._sources.pop(source, None)
        if record is not None:
            self._want(record.outstanding)

    def _drop_liar(self, source: Source) -> None:
        self._liars.add(source)
        self.on_gone(source)

    def _choose(self, record: _Record, now_s: float) -> int | None:
        """A piece to ask a source for."""
        if not self._wanted:
            owed = (
                index
                for other in self._sources.values()
                if other is not record
                for index, asked_s in other.outstanding.items()
                if now_s - asked_s >= SLOW_S and index in record.held and not self._is_owed_anew(index, now_s)
            )
            return next(owed, None)
        if 4 * len(record.held) < len(self._wanted):  # who has little: look there, not through everything
            return next((index for index in record.held if index in self._wanted), None)
        return next((index for index in self._wanted if index in record.held), None)

    def _is_owed_anew(self, index: int, now_s: float) -> bool:
        """Whether somebody was asked for a piece lately."""
        return any(
            now_s - record.outstanding.get(index, now_s - SLOW_S) < SLOW_S
            for record in self._sources.values()
        )

    def _want(self, indices: Iterable[int]) -> None:
        owed = {index for record in self._sources.values() for index in record.outstanding}
        again = {index: None for index in sorted(indices) if index not in self._held and index not in owed}
        self._wanted = again | self._wanted  # before the others: they were due first

    def _on_tree(self) -> None:
        if self.tree is not None:
            self._want(range(len(self.tree.nodes)))

    def _check_holdings(self, shape: BlobShape, nodes: Sequence[Digest], runs: Sequence[PieceRun]) -> None:
        name = format_blob_id(self.blob)
        if compute_blob_id(shape) != self.blob:
            raise FalseHoldings(name, "size and root do not make the id")
        pieces = count_ranges(shape.size, PIECE_LEVEL)
        if any(run.first + run.count > pieces for run in runs):
            raise FalseHoldings(name, f"it has {pieces} pieces")
        if self.tree is not None:
            return
        tree = BlobTree(shape.size, tuple(nodes))
        if len(nodes) != pieces or tree.shape != shape:
            raise FalseHoldings(name, "the nodes do not make the root")
        self.tree, self._shape = tree, shape
        self._on_tree()


def make_runs(held: Iterable[int]) -> tuple[PieceRun, ...]:
    """The pieces that are here as runs, at most ``RUNS_MAX``."""
    runs: list[PieceRun] = []
    for index in sorted(held):
        if runs and runs[-1].first + runs[-1].count == index:
            runs[-1] = PieceRun(runs[-1].first, runs[-1].count + 1)
        elif len(runs) == RUNS_MAX:
            break
        else:
            runs.append(PieceRun(index, 1))
    return tuple(runs)
