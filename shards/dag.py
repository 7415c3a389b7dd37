"""The accepted part of the committee's DAG: a block is here only when all its ancestors are.

Several blocks may stand in one slot, because a faulty author can sign two; all that were accepted are kept.
Rounds up to the commit horizon are forgotten, and a reference into them counts as present: nothing there
can be committed any more, on any node that has made the same commits.
"""

from collections.abc import Iterator, Mapping

from shards.blocks import GENESIS_ROUND, Block, BlockReference
from shards.committee import Committee
from tangle.core.types import Digest

_NOBODY: Mapping[int, list[Block]] = {}


class Dag:
    """Accepted blocks above the horizon, by digest and by slot."""

    def __init__(self, committee: Committee, horizon: int = GENESIS_ROUND) -> None:
        """:param horizon: last forgotten round; at the start that of the genesis blocks."""
        self.committee = committee
        self.horizon = horizon
        self.highest_round = horizon
        self.threshold_round = horizon + 1
        """The threshold clock: one above the highest round with a quorum of authors."""
        self._blocks: dict[Digest, Block] = {}
        self._rounds: dict[int, dict[int, list[Block]]] = {}
        self._counts: dict[int, int] = {}
        self._weights: dict[int, int] = {}
        self._latest_rounds = [GENESIS_ROUND] * len(committee)

    def __len__(self) -> int:
        return len(self._blocks)

    def is_present(self, reference: BlockReference) -> bool:
        """Whether a block may build on ``reference``."""
        return reference.round <= self.horizon or reference.digest in self._blocks

    def add(self, block: Block) -> Block | None:
        """Accept a block whose ancestors are all present.

        :returns: an earlier block of the same slot, when there is one: evidence against their author.
        """
        reference = block.reference
        authors = self._rounds.setdefault(reference.round, {})
        slot = authors.setdefault(reference.author, [])
        twin = slot[0] if slot else None
        slot.append(block)
        self._blocks[reference.digest] = block
        self._counts[reference.round] = self._counts.get(reference.round, 0) + 1
        weight = self.committee.weights[reference.author]
        self._weights[reference.round] = self._weights.get(reference.round, 0) + weight
        self.highest_round = max(self.highest_round, reference.round)
        self._latest_rounds[reference.author] = max(self._latest_rounds[reference.author], reference.round)
        if self._moves_clock(reference.round, authors):
            self.threshold_round = reference.round + 1
        return twin

    def prune(self, horizon: int) -> None:
        """Forget all rounds up to ``horizon``."""
        for round_number in range(self.horizon + 1, horizon + 1):
            for slot in self._rounds.pop(round_number, {}).values():
                for block in slot:
                    del self._blocks[block.reference.digest]
            self._counts.pop(round_number, None)
            self._weights.pop(round_number, None)
        self.horizon = max(self.horizon, horizon)

    def get_block(self, digest: Digest) -> Block | None:
        """An accepted block above the horizon."""
        return self._blocks.get(digest)

    def get_slot(self, round_number: int, author: int) -> tuple[Block, ...]:
        """Accepted blocks of one author in one round, in the order of acceptance."""
        return tuple(self._rounds.get(round_number, _NOBODY).get(author, ()))

    def get_round(self, round_number: int) -> Iterator[Block]:
        """Accepted blocks of a round."""
        for slot in self._rounds.get(round_number, _NOBODY).values():
            yield from slot

    def get_count(self, round_number: int) -> int:
        """Number of accepted blocks of a round; it only grows until the round is forgotten."""
        return self._counts.get(round_number, 0)

    def get_weight_bound(self, round_number: int) -> int:
        """Summed weight of the authors of a round's blocks, twins included: no set of them weighs more."""
        return self._weights.get(round_number, 0)

    def get_latest_round(self, author: int) -> int:
        """Highest round in which a block of ``author`` was ever accepted; 0 when none was."""
        return self._latest_rounds[author]

    def get_latest_before(self, author: int, round_number: int) -> Block | None:
        """First accepted block of the author's highest round below ``round_number``, above the horizon."""
        for candidate in range(min(round_number - 1, self._latest_rounds[author]), self.horizon, -1):
            slot = self.get_slot(candidate, author)
            if slot:
                return slot[0]
        return None

    def _moves_clock(self, round_number: int, authors: Mapping[int, list[Block]]) -> bool:
        if round_number < self.threshold_round:
            return False
        return self.committee.compute_weight(set(authors)) >= self.committee.quorum
