"""Drawn committee DAGs: each block of a round becomes a real block and keeps its name.

    1..2: A B C D
    3: A B C(* -A) D'(B C D)         D' is a twin, whether or not there is a D
    4: A(A B C) B(B C D' A1)         A1 is A's block of round 1: a weak link
    5: * tips=a,b time=9000          b and a are drawn vertices, or names without any

Without parentheses a block names everybody's block of the round before, twins left out; in parentheses ``*``
stands for those. An author's own newest earlier block is put first when it is not among the parents. Twins
with equal parents differ in their time.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from shards.blocks import Block, BlockBody, BlockReference, check_block, compute_genesis_references
from shards.commit_rule import FIRST_SLOT, Commit, Skip, Status, make_commit_rule
from shards.committee import Committee
from shards.committer import Committer, LeaderSchedule
from shards.dag import Dag
from tangle.core.errors import TangleError
from tangle.core.parameters import MINIMAL, Parameters
from tangle.core.types import Milliseconds
from tests.drawing.blocks import CHAIN, SHARD, make_bare_committee, make_body, make_unsigned
from tests.drawing.language import EVERYBODY, Item, Parent, Rounds, Statement, Vertex, Word, parse
from tests.drawing.subdag import SubDagDrawing

ATTRIBUTES: Final = ("time", "tips")
"""What can be said of a block: its time in milliseconds, and the transactions that it names."""

TWIN_STEP_MS: Final = 10
"""A twin's usual time is this much later for each prime, so that twins with equal parents differ."""


def name_of(author: int) -> str:
    """Letter of a validator."""
    return chr(ord("A") + author)


class CommitteeDrawing:
    """Blocks by name (``A1``, ``D2'``), in causal order."""

    def __init__(
        self, drawn: str | Iterable[Statement], count: int = 4, parameters: Parameters = MINIMAL
    ) -> None:
        """:param count: validators, each of weight 1.
        :param parameters: limits that the blocks keep.
        :raises DrawingError: see ``parse`` and ``SubDagDrawing``; or an author beyond the committee, a block
            drawn twice, a parent that is not drawn above, a block that no committee would take.
        """
        statements = parse(drawn) if isinstance(drawn, str) else tuple(drawn)
        self.committee = make_bare_committee(count)
        self._parameters = parameters
        self.blocks: dict[str, Block] = {}
        self.names: dict[bytes, str] = {}
        self.ledger = SubDagDrawing(each for each in statements if isinstance(each, Vertex))
        """Transactions that are drawn in the same text; blocks name them as tips."""

        self._genesis = compute_genesis_references(self.committee, CHAIN, SHARD)
        for statement in statements:
            if isinstance(statement, Rounds):
                for round_number in range(statement.first, statement.last + 1):
                    for item in self._spread(statement):
                        self._draw(round_number, item)

    # ── building ────────────────────────────────────────────────────────────────────────────────────────────

    def _spread(self, rounds: Rounds) -> Iterator[Item]:
        """Items with ``*`` written out."""
        absent = {item.label for item in rounds.items if item.is_left_out}
        is_everybody = any(item.label == EVERYBODY for item in rounds.items)
        for item in rounds.items:
            self._check_author(item.label)
            if item.is_left_out:
                if not is_everybody or item.label == EVERYBODY:
                    item.label.refuse(f"nothing to leave {item.label!r} out of; write '*' before it")
            elif item.label == EVERYBODY:
                letters = map(name_of, range(len(self.committee)))
                for letter in [letter for letter in letters if letter not in absent]:
                    yield replace(item, label=Word(letter, item.label.place))
            else:
                yield item

    def _draw(self, round_number: int, item: Item) -> None:
        label = item.label
        name = f"{label[0]}{round_number}{label[1:]}"
        if name in self.blocks:
            label.refuse(f"{name} is drawn already; add a prime for a twin, or leave this one out")
        author = ord(label[0]) - ord("A")
        ancestors = self._collect_ancestors(round_number, item.parents)
        own = [ancestor for ancestor in ancestors if ancestor.author == author][:1]
        first = own[0] if own else self._find_own(author, round_number)
        body = make_body(self.committee, author, [first, *(each for each in ancestors if each != first)])
        body = replace(body, timestamp_ms=Milliseconds(body.timestamp_ms + TWIN_STEP_MS * label.count("'")))
        block = make_unsigned(self._apply_attributes(body, item))
        if body.round != round_number:
            label.refuse(f"{name} names no block of round {round_number - 1}; name a quorum of them")
        if block.reference.digest in self.names:
            label.refuse(f"{name} is {self.names[block.reference.digest]} again; let it differ")
        try:
            check_block(block, self.committee, CHAIN, SHARD, self._parameters)
        except TangleError as error:
            label.refuse(f"no committee takes {name}: {error}; change what it names")
        self.blocks[name] = block
        self.names[block.reference.digest] = name

    def _collect_ancestors(
        self, round_number: int, parents: tuple[Parent, ...] | None
    ) -> list[BlockReference]:
        if round_number == 1 and parents is None:
            return list(self._genesis)
        if parents is None:
            return self._get_everybody(round_number - 1)
        everybody = self._get_everybody(round_number - 1)
        left_out = {self._find(each.label, round_number) for each in parents if each.is_left_out}
        found: list[BlockReference] = []
        for parent in parents:
            if parent.is_left_out:
                if not any(each.label == EVERYBODY for each in parents):
                    parent.label.refuse(f"nothing to leave {parent.label!r} out of; write '*' before it")
                continue
            named = (
                [each for each in everybody if each not in left_out]
                if parent.label == EVERYBODY
                else [self._find(parent.label, round_number)]
            )
            if len(named) == 1 and named[0] in found:
                parent.label.refuse(f"{parent.label!r} is named twice; keep one")
            found += [each for each in named if each not in found]
        return found

    def _get_everybody(self, round_number: int) -> list[BlockReference]:
        if round_number == 0:
            return list(self._genesis)
        names = [f"{name_of(author)}{round_number}" for author in range(len(self.committee))]
        return [self.blocks[name].reference for name in names if name in self.blocks]

    def _find(self, label: Word, round_number: int) -> BlockReference:
        if label == EVERYBODY:
            label.refuse("'-*' leaves nothing; name the parents instead")
        self._check_author(label)
        letter, rest = label[0], label[1:]
        number = rest.rstrip("'")
        primes = rest[len(number) :]
        wanted_round = int(number) if number else round_number - 1
        if wanted_round == 0 and not primes:
            return self._genesis[ord(letter) - ord("A")]
        name = f"{letter}{wanted_round}{primes}"
        if name not in self.blocks or wanted_round >= round_number:
            label.refuse(f"{name} is not drawn above round {round_number}; draw it there, or name another")
        return self.blocks[name].reference

    def _find_own(self, author: int, round_number: int) -> BlockReference:
        own = [
            block.reference
            for block in self.blocks.values()
            if block.reference.author == author and block.reference.round < round_number
        ]
        return max(own, key=lambda reference: reference.round, default=self._genesis[author])

    def _apply_attributes(self, body: BlockBody, item: Item) -> BlockBody:
        for attribute in item.attributes:
            key, values = attribute.key, attribute.values
            match key:
                case "time":
                    if len(values) > 1 or not values[0].isdecimal():
                        values[-1].refuse("'time' is one number of milliseconds")
                    body = replace(body, timestamp_ms=Milliseconds(int(values[0])))
                case "tips":
                    body = replace(body, tips=tuple(map(self.ledger.get_id, values)))
                case _:
                    key.refuse(f"a block has no {key!r}; it has {', '.join(ATTRIBUTES)}")
        return body

    def _check_author(self, label: Word) -> None:
        count = len(self.committee)
        if label != EVERYBODY and ord(label[0]) - ord("A") >= count:
            label.refuse(f"{label[0]} is not one of the {count} validators; the last is {name_of(count - 1)}")

    # ── what a node sees ────────────────────────────────────────────────────────────────────────────────────

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
    """A status in a word or two."""
    match status:
        case Commit(_, block):
            return f"commit {names[block.reference.digest]}"
        case Skip():
            return "skip"
        case _:
            return "open"


def make_dag(committee: Committee, blocks: Iterable[Block]) -> Dag:
    """A DAG with these blocks, added in this order."""
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
    drawing: CommitteeDrawing, schedule: str, heads: str = "", kind: type[Committer] = Committer
) -> dict[str, str]:
    """Statuses of all slots as a node with ``heads`` sees them."""
    committer = make_committer(drawing.view(heads), make_schedule(schedule), kind)
    return drawing.describe(committer.compute_statuses(FIRST_SLOT))
