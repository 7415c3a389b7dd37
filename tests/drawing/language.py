"""The language in which tests draw DAGs: text to statements, and back.

One statement a line (or several with ``;`` between), ``#`` begins a remark. A word before the colon draws a
transaction of a sub-DAG, a number draws blocks of a committee round::

    a: genesis                       # a transaction on the shard's genesis id
    b: a ghost anchor=2              # its parents in listed order, and what is to be said of it
    1..2: A B C D                    # two rounds in which all four propose
    3: A B(* -D) C(A C D A1) C'      # parents in parentheses; a prime is a twin; D is absent
    4: * -D                          # everybody but D

``docs/drawing.md`` explains it with pictures. What the words mean is decided by whoever builds on the
statements (``subdag.py``, ``committee.py``); both complain with the place that the words remember.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NoReturn, Self

from msgspec import Struct

EVERYBODY: Final = "*"
"""Stands for all authors of a round, or for all their blocks of the round before."""

WITHOUT: Final = "-"
"""Stands before what ``*`` is not to take in."""

_TOKEN: Final = re.compile(r"(?P<word>[A-Za-z_]\w*'*)|(?P<number>\d+)|(?P<sign>\.\.|[:;(),=*-])|(?P<bad>\S)")


class Place(Struct, frozen=True):
    """Where a word stands in a drawing."""

    line: int
    """From 1."""

    column: int
    """From 1."""


class DrawingError(ValueError):
    """A text that draws nothing, or nothing that can be built."""

    def __init__(self, place: Place, reason: str) -> None:
        """:param reason: what is wrong and what to change."""
        super().__init__(f"line {place.line}, column {place.column}: {reason}")
        self.place = place
        self.reason = reason


class Word(str):
    """A piece of text that remembers where it stood; equal to any string of the same letters."""

    __slots__ = ("place",)
    place: Place

    def __new__(cls, text: str, place: Place = Place(1, 1)) -> Self:  # noqa: B008 -- a Place never changes
        word = super().__new__(cls, text)
        word.place = place
        return word

    def refuse(self, reason: str) -> NoReturn:
        """Complain about this word.

        :raises DrawingError: always.
        """
        raise DrawingError(self.place, reason)


class Attribute(Struct, frozen=True):
    """Something said of a vertex: ``key=value`` or ``key=value,value``."""

    key: Word
    values: tuple[Word, ...]


class Vertex(Struct, frozen=True):
    """A transaction of a sub-DAG."""

    name: Word
    parents: tuple[Word, ...]
    attributes: tuple[Attribute, ...] = ()


class Parent(Struct, frozen=True):
    """A parent of a block, or a place in a round."""

    label: Word
    """``A``, ``A'``, ``A1'`` or ``*``."""

    is_left_out: bool = False
    """Whether it is taken away from what ``*`` stands for."""


class Item(Struct, frozen=True):
    """A block of a round, or ``*`` for one of everybody."""

    label: Word
    """``A``, ``A'`` or ``*``."""

    parents: tuple[Parent, ...] | None = None
    """None where nothing is said: everybody's block of the round before."""

    attributes: tuple[Attribute, ...] = ()
    is_left_out: bool = False
    """Whether it is taken away from what ``*`` stands for."""


class Rounds(Struct, frozen=True):
    """Blocks of one round, or the same blocks in each of several."""

    head: Word
    """Number of the first round, as written."""

    last: int
    items: tuple[Item, ...]

    @property
    def first(self) -> int:
        """Number of the first round."""
        return int(self.head)


Statement = Vertex | Rounds
"""What a line draws."""

ROUNDS_MAX: Final = 1_000
"""Rounds of one line: a slip of the finger shall not draw a million."""


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a drawing.

    :raises DrawingError: with the place and what to change.
    """
    statements: list[Statement] = []
    for number, line in enumerate(text.splitlines(), 1):
        tokens = list(_split(line.partition("#")[0], number))
        while tokens:
            end = next((place for place, token in enumerate(tokens) if token == ";"), len(tokens))
            if end:
                statements.append(_Parser(tokens[:end]).parse_statement())
            tokens = tokens[end + 1 :]
    return tuple(statements)


def write(statements: tuple[Statement, ...]) -> str:
    """The text of statements, one a line: ``parse`` of it gives them again."""
    return "\n".join(map(_write_statement, statements))


def _split(line: str, number: int) -> Iterator[Word]:
    for match in _TOKEN.finditer(line):
        word = Word(match[0], Place(number, match.start() + 1))
        if match["bad"]:
            word.refuse(f"{match[0]!r} means nothing here; leave it out")
        yield word


class _Parser:
    """Reads one statement."""

    def __init__(self, tokens: list[Word]) -> None:
        self._tokens = tokens
        self._next = 0

    def parse_statement(self) -> Statement:
        head = self._take()
        if head.isdecimal():
            statement: Statement = self._parse_rounds(head)
        elif _is_word(head):
            self._expect(":", f"after the name {head!r}")
            statement = Vertex(head, self._parse_parents(head), self._parse_attributes())
        else:
            head.refuse(f"{head!r} begins a line; begin with a name or the number of a round, then ':'")
        left = self._peek()
        if left is not None:
            left.refuse(f"{left!r} comes after the end; attributes stand last, parents before them")
        return statement

    def _parse_parents(self, name: Word) -> tuple[Word, ...]:
        parents = []
        while (word := self._peek()) is not None and _is_word(word) and self._peek(1) != "=":
            parents.append(self._take())
        if not parents:
            name.refuse(f"{name!r} has no parent; write 'genesis' for one that begins a history")
        return tuple(parents)

    def _parse_rounds(self, first: Word) -> Rounds:
        last = first
        if self._peek() == "..":
            self._take()
            last = self._take_kind(str.isdecimal, "the number of the last round")
        self._expect(":", f"after round {last}")
        if not 1 <= int(first) <= int(last) < int(first) + ROUNDS_MAX:
            first.refuse(f"rounds {first} to {last}; count up from 1, at most {ROUNDS_MAX} at a time")
        items = []
        while self._peek() is not None:
            items.append(self._parse_item())
        if not items:
            first.refuse(f"round {first} is empty; name its authors, or leave the line out")
        return Rounds(first, int(last), tuple(items))

    def _parse_item(self) -> Item:
        is_left_out = self._skip(WITHOUT)
        label = self._take_kind(_is_block, "an author (a capital letter, with primes for twins) or '*'")
        parents = None
        if self._peek() == "(":
            parents = self._parse_block_parents(self._take())
        item = Item(label, parents, self._parse_attributes(), is_left_out)
        if is_left_out and (item.parents is not None or item.attributes):
            label.refuse(f"{label!r} is left out; say nothing more of it")
        return item

    def _parse_block_parents(self, opened: Word) -> tuple[Parent, ...]:
        parents = []
        while (word := self._peek()) is not None and word != ")":
            is_left_out = self._skip(WITHOUT)
            label = self._take_kind(_is_reference, "a block (A, A', or A1 of an older round), '*' or ')'")
            parents.append(Parent(label, is_left_out))
        if not self._skip(")"):
            opened.refuse("this '(' is never closed; write ')' after the last parent")
        return tuple(parents)

    def _parse_attributes(self) -> tuple[Attribute, ...]:
        attributes: list[Attribute] = []
        while self._peek(1) == "=":
            key = self._take_kind(_is_word, "the name of an attribute")
            if key in {attribute.key for attribute in attributes}:
                key.refuse(f"{key!r} is said twice; keep one")
            self._take()
            values = [self._take_kind(_is_value, f"a value of {key!r}, a word or a number")]
            while self._skip(","):
                values.append(self._take_kind(_is_value, f"another value of {key!r}"))
            attributes.append(Attribute(key, tuple(values)))
        return tuple(attributes)

    def _peek(self, ahead: int = 0) -> Word | None:
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else None

    def _take(self) -> Word:
        self._next += 1
        return self._tokens[self._next - 1]

    def _skip(self, sign: str) -> bool:
        is_there = self._peek() == sign
        self._next += is_there
        return is_there

    def _expect(self, sign: str, where: str) -> None:
        if not self._skip(sign):
            self._complain(f"{sign!r} {where}")

    def _take_kind(self, is_kind: Callable[[str], object], wanted: str) -> Word:
        word = self._peek()
        if word is None or not is_kind(word):
            self._complain(wanted)
        return self._take()

    def _complain(self, wanted: str) -> NoReturn:
        word = self._peek()
        if word is not None:
            word.refuse(f"{word!r} stands where {wanted} is expected")
        last = self._tokens[-1]
        end = Place(last.place.line, last.place.column + len(last))
        raise DrawingError(end, f"the line ends where {wanted} is expected")


def _is_word(text: str) -> object:
    return re.fullmatch(r"[A-Za-z_]\w*", text)


def _is_value(text: str) -> object:
    return re.fullmatch(r"[A-Za-z_]\w*|\d+", text)


def _is_block(text: str) -> object:
    return re.fullmatch(r"[A-Z]'*|\*", text)


def _is_reference(text: str) -> object:
    return re.fullmatch(r"[A-Z]\d*'*|\*", text)


def _write_statement(statement: Statement) -> str:
    if isinstance(statement, Vertex):
        return " ".join([f"{statement.name}:", *statement.parents, *_write_attributes(statement.attributes)])
    last = f"..{statement.last}" if statement.last != statement.first else ""
    return " ".join([f"{statement.first}{last}:", *map(_write_item, statement.items)])


def _write_item(item: Item) -> str:
    parents = ""
    if item.parents is not None:
        written = (WITHOUT * parent.is_left_out + parent.label for parent in item.parents)
        parents = f"({' '.join(written)})"
    return " ".join([WITHOUT * item.is_left_out + item.label + parents, *_write_attributes(item.attributes)])


def _write_attributes(attributes: tuple[Attribute, ...]) -> Iterator[str]:
    return (f"{attribute.key}={','.join(attribute.values)}" for attribute in attributes)
