"""Drawings of committee DAGs: a few lines of text become real blocks.

One line a round, ``round: block block ...``. A block is its author's letter; primes tell twins of one slot
apart (``D``, ``D'``). What follows in parentheses are its parents, letters of the round before; a number
names an older round (``A1``). Without parentheses a block names everybody's first block of the round
before. An author's own newest earlier block is put first when it is not among the parents.

    1: A B C D
    2: A B C D'(B C D)
    3: A(A B C) B(B C D' A1)
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from shards.blocks import (
    BLOCK_VERSION,
    Block,
    BlockBody,
    BlockReference,
    check_block,
    compute_genesis_references,
)
from shards.commit_rule import FIRST_SLOT, Commit, Skip, Status, make_commit_rule
from shards.committee import Committee
from shards.committer import Committer, LeaderSchedule
from shards.dag import Dag
from tangle.core.encoding import encode
from tangle.core.genesis import Validator
from tangle.core.hashing import BLOCK, compute_hash
from tangle.core.parameters import MINIMAL
from tangle.core.signing import SigningKey
from tangle.core.transactions import SignedEnvelope
from tangle.core.types import ChainId, Milliseconds, PublicKey, Shard, Signature

CHAIN = ChainId(b"drawings")
SHARD = Shard(0)
UNSIGNED = Signature(bytes(64))

_ITEM = re.compile(r"([A-Z]'*)(?:\(([^)]*)\))?")
_PARENT = re.compile(r"([A-Z])(\d*)('*)")


def make_keys(count: int) -> tuple[SigningKey, ...]:
    """Keys of ``count`` validators, the same in every run."""
    return tuple(SigningKey(bytes([index + 1]) * 32) for index in range(count))


def make_committee(count: int, weights: Sequence[int] | None = None) -> Committee:
    """A committee with real keys, each of weight 1 unless told otherwise."""
    chosen = weights or [1] * count
    keys = make_keys(count)
    return Committee(0, tuple(Validator(key.public_key, chosen[i]) for i, key in enumerate(keys)))


def make_bare_committee(count: int) -> Committee:
    """A committee without real keys, for drawings that nobody signs."""
    return Committee(0, tuple(Validator(PublicKey(bytes([i]) * 32), 1) for i in range(count)))


def make_body(committee: Committee, author: int, ancestors: Sequence[BlockReference]) -> BlockBody:
    """Fields of a block without payload, one round above its highest ancestor."""
    round_number = max(ancestor.round for ancestor in ancestors) + 1
    return BlockBody(
        version=BLOCK_VERSION,
        chain=CHAIN,
        epoch=committee.epoch,
        shard=SHARD,
        round=round_number,
        author=author,
        timestamp_ms=Milliseconds(1_000 * round_number + author),
        ancestors=tuple(ancestors),
        tips=(),
        attestations=(),
        rejects=(),
    )


def make_unsigned(body: BlockBody) -> Block:
    """A block with an empty signature: the commit rule does not look at signatures."""
    envelope = SignedEnvelope(encode(body), UNSIGNED)
    encoded = encode(envelope)
    reference = BlockReference(body.round, body.author, compute_hash(BLOCK, encoded))
    return Block(reference, encoded, envelope.body, body, UNSIGNED)


def name_of(author: int) -> str:
    return chr(ord("A") + author)


class Drawing:
    """Blocks by name (``A1``, ``D2'``), in causal order."""

    def __init__(self, text: str, count: int = 4) -> None:
        self.committee = make_bare_committee(count)
        self.blocks: dict[str, Block] = {}
        self.names: dict[bytes, str] = {}
        self._genesis = compute_genesis_references(self.committee, CHAIN, SHARD)
        for line in filter(None, map(str.strip, text.splitlines())):
            number, items = line.split(":")
            for item in _ITEM.finditer(items):
                self._draw(int(number), item[1], item[2])

    def _draw(self, round_number: int, label: str, parents: str | None) -> None:
        author = ord(label[0]) - ord("A")
        if round_number == 1:
            ancestors = list(self._genesis)
        elif parents is None:
            names = [f"{name_of(other)}{round_number - 1}" for other in range(len(self.committee))]
            ancestors = [self.blocks[name].reference for name in names if name in self.blocks]
        else:
            found = _PARENT.findall(parents)
            ancestors = [
                self.blocks[f"{letter}{number or round_number - 1}{primes}"].reference
                for letter, number, primes in found
            ]
        own = [ancestor for ancestor in ancestors if ancestor.author == author]
        if not own:
            own = [self._find_own(author, round_number)]
        others = [ancestor for ancestor in ancestors if ancestor.author != author]
        twin_mark = label.count("'")  # makes twins with equal parents differ
        body = make_body(self.committee, author, [*own, *others])
        body = _with_timestamp(body, body.timestamp_ms + 10 * twin_mark)
        block = make_unsigned(body)
        check_block(block, self.committee, CHAIN, SHARD, MINIMAL)
        name = f"{label[0]}{round_number}{label[1:]}"
        self.blocks[name] = block
        self.names[block.reference.digest] = name

    def _find_own(self, author: int, round_number: int) -> BlockReference:
        known = [block.reference for block in self.blocks.values()]
        own = [
            reference for reference in known if reference.author == author and reference.round < round_number
        ]
        return max(own, key=lambda reference: reference.round, default=self._genesis[author])

    def get_closure(self, heads: Iterable[str]) -> list[Block]:
        """``heads`` with their causal history, in causal order."""
        wanted = {self.blocks[head].reference.digest for head in heads}
        for block in reversed(list(self.blocks.values())):
            if block.reference.digest in wanted:
                wanted.update(ancestor.digest for ancestor in block.body.ancestors)
        return [block for block in self.blocks.values() if block.reference.digest in wanted]

    def view(self, heads: str = "") -> Dag:
        """What a node sees that has ``heads`` and their history; everything when none are named."""
        return make_dag(self.committee, self.get_closure(heads.split() or self.blocks))

    def describe(self, statuses: Iterable[Status]) -> dict[str, str]:
        """Statuses as text: slot name (``A1``) to ``commit A1'``, ``skip`` or ``open``."""
        return {
            f"{name_of(status.slot.author)}{status.slot.round}": describe(status, self.names)
            for status in statuses
        }


def describe(status: Status, names: Mapping[bytes, str]) -> str:
    match status:
        case Commit(_, block):
            return f"commit {names[block.reference.digest]}"
        case Skip():
            return "skip"
        case _:
            return "open"


def make_dag(committee: Committee, blocks: Iterable[Block]) -> Dag:
    dag = Dag(committee)
    for block in blocks:
        dag.add(block)
    return dag


def make_schedule(text: str) -> LeaderSchedule:
    """Leaders of rounds 1, 2, ... as words of ranked letters; the last word repeats."""
    words = text.split()

    def get_leaders(round_number: int) -> tuple[int, ...]:
        word = words[min(round_number, len(words)) - 1]
        return tuple(ord(letter) - ord("A") for letter in word)

    return get_leaders


def rotate(count: int, leaders: int) -> LeaderSchedule:
    """Everybody leads in turn: round r begins with author r - 1 modulo ``count``."""
    return lambda round_number: tuple((round_number - 1 + rank) % count for rank in range(leaders))


def make_committer(
    dag: Dag, get_leaders: LeaderSchedule, kind: type[Committer] = Committer, *, leaders: int = 1
) -> Committer:
    """A committer with the thresholds of version 1 over a drawn DAG."""
    return kind(dag, dag.committee, make_commit_rule(dag.committee, leaders), get_leaders)


def compute_statuses(
    drawing: Drawing, schedule: str, heads: str = "", kind: type[Committer] = Committer
) -> dict[str, str]:
    """Statuses of all slots as a node with ``heads`` sees them."""
    committer = make_committer(drawing.view(heads), make_schedule(schedule), kind)
    return drawing.describe(committer.compute_statuses(FIRST_SLOT))


def _with_timestamp(body: BlockBody, timestamp_ms: int) -> BlockBody:
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    return BlockBody(**{**fields, "timestamp_ms": Milliseconds(timestamp_ms)})
