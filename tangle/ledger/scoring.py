"""Which tips are lazy.

Each unordered transaction has two numbers: the youngest and the oldest checkpoint that its unordered past
builds on (HORNET's YCRI and OCRI). A tip far behind on either helps nobody: it approves what is long final,
or drags old transactions along. Both numbers only grow as the past is ordered, so the values stored at
attachment are lower bounds, and a tip that looks good by them is good. One that looks lazy is looked at
again, exactly, by a walk over its unordered past; walks share what they find and have a budget per
checkpoint, beyond which looking lazy is enough.
"""

from collections.abc import Mapping
from typing import Final

from tangle.core.parameters import Parameters
from tangle.core.types import CheckpointIndex, TransactionId
from tangle.ledger.vertex import Ordered, Vertex

STEPS_PER_CHECKPOINT_MAX: Final = 4_096
"""Vertices rescored per checkpoint: about 5 ms, so that a flood of lazy transactions costs a node nothing
more."""


class ConeScoring:
    """Scores vertices of one sub-DAG, whose tables it reads."""

    def __init__(
        self,
        parameters: Parameters,
        unordered: Mapping[TransactionId, Vertex],
        recent: Mapping[TransactionId, Ordered],
    ) -> None:
        self._youngest_gap = parameters.lazy_youngest_gap
        self._oldest_gap = parameters.lazy_oldest_gap
        self._unordered = unordered
        self._recent = recent
        self._executed = CheckpointIndex(0)
        self._steps_left = STEPS_PER_CHECKPOINT_MAX

    def on_checkpoint(self, executed: CheckpointIndex) -> None:
        """Scores now count from checkpoint ``executed``."""
        self._executed = executed
        self._steps_left = STEPS_PER_CHECKPOINT_MAX

    def is_lazy(self, vertex: Vertex) -> bool:
        """Whether wallets should not build on ``vertex``; walks its past if the stored numbers are not
        enough.
        """
        if not self._looks_lazy(vertex):
            return False
        if vertex.scored_at < self._executed:
            self._rescore_past(vertex)
        return self._looks_lazy(vertex)

    def compute_score(self, parents: tuple[TransactionId, ...]) -> tuple[int, int, int]:
        """``(youngest, oldest, scored_at)`` of a transaction, from what is stored of its parents."""
        # Comparisons instead of min and max: this runs for every transaction, and they halve its time.
        youngest, oldest, scored_at = 0, self._executed + 1, int(self._executed)
        for parent in parents:
            vertex = self._unordered.get(parent)
            if vertex is not None:
                newest, earliest = vertex.youngest, vertex.oldest
                if vertex.scored_at < scored_at:
                    scored_at = vertex.scored_at
            else:
                ordered = self._recent.get(parent)
                # The genesis id, or a parent that left the window: the lowest bound there is.
                newest = earliest = 0 if ordered is None else ordered.checkpoint
            if newest > youngest:
                youngest = newest
            if earliest < oldest:
                oldest = earliest
        return youngest, oldest, scored_at

    def _looks_lazy(self, vertex: Vertex) -> bool:
        executed = self._executed
        return executed - vertex.youngest > self._youngest_gap or executed - vertex.oldest > self._oldest_gap

    def _rescore_past(self, tip: Vertex) -> None:
        # Depth first, parents before children, iterative; a vertex scored since `fresh` is not entered again,
        # so a walk that runs out of budget is continued by the next one.
        fresh = self._executed - self._youngest_gap // 2
        path = [(tip, iter(tip.transaction.body.parents))]
        while path and self._steps_left:
            vertex, parents = path[-1]
            for parent in parents:
                ancestor = self._unordered.get(parent)
                if ancestor is not None and ancestor.scored_at < fresh:
                    path.append((ancestor, iter(ancestor.transaction.body.parents)))
                    break
            else:
                path.pop()
                self._steps_left -= 1
                score = self.compute_score(vertex.transaction.body.parents)
                vertex.youngest, vertex.oldest, vertex.scored_at = score
