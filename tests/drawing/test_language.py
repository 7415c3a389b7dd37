"""The drawing language: what is written is read again, and what is wrong is named with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drawing.language import (
    EVERYBODY,
    Attribute,
    DrawingError,
    Item,
    Parent,
    Place,
    Rounds,
    Statement,
    Vertex,
    Word,
    parse,
    write,
)

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,5}", fullmatch=True).map(Word)
NUMBERS = st.integers(0, 10**6).map(lambda number: Word(str(number)))
AUTHORS = st.from_regex(r"[A-Z]'{0,3}", fullmatch=True).map(Word)
REFERENCES = st.from_regex(r"[A-Z][0-9]{0,3}'{0,2}|\*", fullmatch=True).map(Word)
VALUES = st.lists(NAMES | NUMBERS, min_size=1, max_size=3).map(tuple)
ATTRIBUTES = st.lists(
    st.builds(Attribute, NAMES, VALUES), max_size=3, unique_by=lambda attribute: attribute.key
).map(tuple)
VERTICES = st.builds(Vertex, NAMES, st.lists(NAMES, min_size=1, max_size=8).map(tuple), ATTRIBUTES)
PARENTS = st.lists(st.builds(Parent, REFERENCES, st.booleans()), max_size=5).map(tuple)
ITEMS = st.builds(Item, AUTHORS | st.just(Word(EVERYBODY)), st.none() | PARENTS, ATTRIBUTES) | st.builds(
    lambda label: Item(label, is_left_out=True), AUTHORS
)


@st.composite
def draw_rounds(draw: st.DrawFn) -> Rounds:
    first = draw(st.integers(1, 500))
    items = draw(st.lists(ITEMS, min_size=1, max_size=6))
    return Rounds(Word(str(first)), first + draw(st.integers(0, 3)), tuple(items))


DRAWINGS = st.lists(VERTICES | draw_rounds(), max_size=8).map(tuple)


@given(DRAWINGS)
def test_what_is_written_is_read_again(statements: tuple[Statement, ...]) -> None:
    assert parse(write(statements)) == statements


@given(DRAWINGS)
def test_semicolons_remarks_and_spaces_change_nothing(statements: tuple[Statement, ...]) -> None:
    text = write(statements)
    assert parse(text.replace("\n", ";")) == statements
    assert parse(text.replace("\n", "  # c: d; 3: A(\n\n \t")) == statements
    assert parse(text.replace(" ", "   ").replace("(", " ( ").replace("=", " = ")) == statements


@given(DRAWINGS)
def test_writing_is_canonical(statements: tuple[Statement, ...]) -> None:
    text = write(statements)
    assert write(parse(text)) == text


@given(st.text(alphabet="aA1'()*-.=,:;# \n", max_size=60))
def test_no_text_ends_otherwise_than_read_or_refused(text: str) -> None:
    refusal: DrawingError | None = None
    try:
        assert parse(write(parse(text))) == parse(text)
    except DrawingError as error:
        refusal = error
    if refusal is not None:
        assert 1 <= refusal.place.line <= text.count("\n") + 1
        assert 1 <= refusal.place.column <= 61


def test_words_remember_their_places() -> None:
    vertex, rounds = parse("a: genesis\n  1..2: A B'(C1)")
    assert isinstance(vertex, Vertex)
    assert isinstance(rounds, Rounds)
    assert vertex.parents[0].place == Place(1, 4)
    assert (rounds.first, rounds.last, rounds.head.place) == (1, 2, Place(2, 3))
    (parent,) = rounds.items[1].parents or ()
    assert parent.label.place == Place(2, 14)


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("a: genesis\nb: %", 2, 4, "'%' means nothing here"),
        ("a", 1, 2, "the line ends where ':'"),
        ("a b", 1, 3, "'b' stands where ':'"),
        ("a:", 1, 1, "write 'genesis'"),
        (": a", 1, 1, "begin with a name or the number of a round"),
        ("a: b anchor=", 1, 13, "a value of 'anchor'"),
        ("a: b anchor=1,", 1, 15, "another value"),
        ("a: b anchor=1 anchor=2", 1, 15, "said twice"),
        ("a: b anchor=1 c", 1, 15, "attributes stand last"),
        ("a: b 3", 1, 6, "comes after the end"),
        ("1: A; 2:", 1, 7, "round 2 is empty"),
        ("0: A", 1, 1, "count up from 1"),
        ("3..1: A", 1, 1, "count up from 1"),
        ("1..5000: A", 1, 1, "at most 1000"),
        ("1..: A", 1, 4, "the number of the last round"),
        ("1: A b", 1, 6, "an author (a capital letter"),
        ("1: A1", 1, 4, "an author (a capital letter"),
        ("2: A(B C", 1, 5, "never closed"),
        ("2: A(B c)", 1, 8, "a block (A, A'"),
        ("2: * -A(B)", 1, 7, "say nothing more"),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(DrawingError) as caught:
        parse(text)
    assert caught.value.place == Place(line, column)
    assert reason in caught.value.reason
    assert str(caught.value).startswith(f"line {line}, column {column}: ")
