"""Random committee DAGs with equivocators, and causally closed views of them in different orders."""

from collections.abc import Sequence

from shards.blocks import Block, BlockReference, compute_genesis_references
from shards.commit_rule import FIRST_SLOT, Commit, CommitRule, Slot, Status, Undecided
from shards.committee import Committee
from shards.committer import Committer, LeaderSchedule
from shards.dag import Dag
from tangle.core.hashing import SEED, compute_record_hash
from tangle.core.types import Digest, Milliseconds
from tests.drawing.blocks import CHAIN, SHARD, make_bare_committee, make_body, make_unsigned


class Dice:
    """A small seeded generator: a hash of the seed and a counter."""

    def __init__(self, *seed: int) -> None:
        self._seed = seed
        self._count = 0
        self._pool = 0

    def below(self, bound: int) -> int:
        """An integer from 0 to ``bound - 1``."""
        if self._pool < 1 << 64:
            self._count += 1
            self._pool = int.from_bytes(compute_record_hash(SEED, *self._seed, self._count), "big")
        self._pool, drawn = divmod(self._pool, bound)
        return drawn

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent

    def sample(self, items: Sequence[int], count: int) -> list[int]:
        pool = list(items)
        return [pool.pop(self.below(len(pool))) for _ in range(count)]


class RandomDag:
    """Blocks of ``rounds`` rounds in causal order; the first ``liars`` authors sign up to three twins a
    slot.
    """

    def __init__(self, dice: Dice, count: int, liars: int, rounds: int) -> None:
        self.committee: Committee = make_bare_committee(count)
        self.blocks: list[Block] = []
        self._dice = dice
        self._genesis = compute_genesis_references(self.committee, CHAIN, SHARD)
        self._own: list[list[BlockReference]] = [[reference] for reference in self._genesis]
        previous = {author: [reference] for author, reference in enumerate(self._genesis)}
        for _ in range(rounds):
            current: dict[int, list[BlockReference]] = {}
            for author in range(count):
                if not dice.chance(92):
                    continue
                twins = 1 + dice.below(3) if author < liars else 1
                for twin in range(twins):
                    block = self._make(author, twin, previous)
                    self.blocks.append(block)
                    current.setdefault(author, []).append(block.reference)
            if len(current) < self.committee.quorum:
                break
            for author, references in current.items():
                self._own[author] = [*self._own[author][-3:], *references]
            previous = current

    def _make(self, author: int, twin: int, previous: dict[int, list[BlockReference]]) -> Block:
        dice = self._dice
        wanted = self.committee.quorum
        if dice.chance(25):  # most name no more than they must: the closest calls
            wanted += dice.below(len(previous) - wanted + 1)
        named = set(dice.sample(sorted(previous), wanted))
        if author in previous and author not in named:  # every honest author names its own previous block
            named.remove(sorted(named)[dice.below(len(named))])
            named.add(author)
        chosen = {other: previous[other][dice.below(len(previous[other]))] for other in named}
        for other in range(len(self.committee)):
            if other not in chosen and dice.chance(30):  # a weak link into an older round
                older = [reference for reference in self._own[other] if other not in previous]
                if older:
                    chosen[other] = older[-1]
        own = chosen.pop(author, self._own[author][-1])
        body = make_body(self.committee, author, [own, *(chosen[other] for other in sorted(chosen))])
        fields = {name: getattr(body, name) for name in body.__struct_fields__}
        fields["timestamp_ms"] = Milliseconds(body.timestamp_ms + twin)
        return make_unsigned(type(body)(**fields))

    def view(self, dice: Dice) -> list[Block]:
        """The causal history of some random blocks, in a random causal order."""
        known = {block.reference.digest: block for block in self.blocks}
        depth = 1 + dice.below(6)  # nodes are at different rounds
        heads = [block for block in self.blocks[: -depth * len(self.committee)] if dice.chance(12)]
        wanted = {head.reference.digest for head in heads}
        for block in reversed(self.blocks):
            if block.reference.digest in wanted:
                wanted.update(ancestor.digest for ancestor in block.body.ancestors)
        waiting = [block for block in self.blocks if block.reference.digest in wanted]
        ordered: list[Block] = []
        placed = {reference.digest for reference in self._genesis}
        while waiting:
            ready = [
                block for block in waiting if all(a.digest in placed for a in known_ancestors(block, known))
            ]
            block = ready[dice.below(len(ready))]
            waiting.remove(block)
            placed.add(block.reference.digest)
            ordered.append(block)
        return ordered


def known_ancestors(block: Block, known: dict[Digest, Block]) -> list[BlockReference]:
    """Ancestors other than genesis blocks."""
    return [ancestor for ancestor in block.body.ancestors if ancestor.digest in known]


def decide_as_blocks_arrive(
    committee: Committee,
    blocks: Sequence[Block],
    get_leaders: LeaderSchedule,
    rule: CommitRule,
    kind: type[Committer] = Committer,
) -> tuple[list[Status], list[Status]]:
    """Feed blocks one by one. Returns the emitted sequence, and all statuses after the last block."""
    dag = Dag(committee)
    committer = kind(dag, committee, rule, get_leaders)
    last: Slot = FIRST_SLOT
    emitted: list[Status] = []
    for block in blocks:
        dag.add(block)
        for status in committer.decide(last):
            emitted.append(status)
            last = status.slot
    return emitted, list(committer.compute_statuses(FIRST_SLOT))


class Divergence(AssertionError):
    """Two honest nodes decided one slot differently."""


def check_agreement(views: Sequence[Sequence[Status]]) -> None:
    """Whatever two views have both decided, they have decided alike.

    :raises Divergence: they have not.
    """
    decided: dict[Slot, bytes | None] = {}
    for view in views:
        for status in view:
            if isinstance(status, Undecided):
                continue
            digest = status.block.reference.digest if isinstance(status, Commit) else None
            if decided.setdefault(status.slot, digest) != digest:
                raise Divergence(status.slot)


def check_prefixes(sequences: Sequence[Sequence[Status]]) -> None:
    """Every emitted sequence is a prefix of the longest.

    :raises Divergence: one is not.
    """
    longest = max(sequences, key=len)
    for sequence in sequences:
        for left, right in zip(sequence, longest, strict=False):
            check_agreement([[left], [right]])
            if left.slot != right.slot:
                raise Divergence(left.slot)
