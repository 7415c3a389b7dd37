"""What drawings become: transactions and blocks, and complaints about those that cannot be."""

import pytest

from tangle.core.types import CheckpointIndex, Sequence
from tests.drawing.blocks import CHAIN, SHARD
from tests.drawing.committee import CommitteeDrawing
from tests.drawing.language import DrawingError
from tests.drawing.subdag import GENESIS_ID, SubDagDrawing, get_account, get_drawn_id


def get_parents(drawing: CommitteeDrawing, name: str) -> str:
    """Names of the ancestors of a block, genesis blocks as ``A0``."""
    ancestors = drawing.blocks[name].body.ancestors
    return " ".join(drawing.names.get(each.digest) or f"{'ABCDEFG'[each.author]}0" for each in ancestors)


def test_a_vertex_is_what_is_said_of_it() -> None:
    drawing = SubDagDrawing("a: genesis; b: a ghost anchor=3 issuer=alice sequence=2 fee=7")
    body = drawing["b"].body
    assert body.parents == (drawing["a"].id, get_drawn_id("ghost"))
    assert (body.anchor, body.issuer) == (CheckpointIndex(3), get_account("alice"))
    assert (body.sequence, body.max_fee) == (Sequence(2), 7)
    assert drawing["a"].body.parents == (GENESIS_ID,)
    assert drawing["a"].body.issuer == get_account("a")


@pytest.mark.parametrize(
    ("line", "parents"),
    [
        ("3: A", "A2 B2 C2"),
        ("3: D", "D2' A2 B2 C2"),
        ("3: B(C A B)", "B2 C2 A2"),
        ("3: A(* D1)", "A2 B2 C2 D1"),
        ("3: A(* -B D')", "A2 C2 D2'"),
        ("3: A(A B B' C)", "A2 B2 B2' C2"),
        ("3: D'(D' B C)", "D2' B2 C2"),
        ("3: B(B' B A C)", "B2' B2 A2 C2"),
    ],
)
def test_a_block_names_what_is_said(line: str, parents: str) -> None:
    drawing = CommitteeDrawing(f"1: *; 2: * -D B'(B C D) D'; {line}")
    assert get_parents(drawing, list(drawing.blocks)[-1]) == parents


def test_the_first_round_stands_on_the_genesis_blocks() -> None:
    drawing = CommitteeDrawing("1: B C(A B C)")
    assert get_parents(drawing, "B1") == "B0 A0 C0 D0"
    assert get_parents(drawing, "C1") == "C0 A0 B0"


def test_several_rounds_in_one_line() -> None:
    short = CommitteeDrawing("1..3: * -A; 4: B")
    long = CommitteeDrawing("1: B C D; 2: B C D; 3: B C D; 4: B")
    assert short.names == long.names


def test_twins_with_equal_parents_differ() -> None:
    drawing = CommitteeDrawing("1: A A' A''")
    assert len({block.reference.digest for block in drawing.blocks.values()}) == 3


def test_blocks_name_transactions_of_the_same_drawing() -> None:
    drawing = CommitteeDrawing("a: genesis; b: a; 1: A B tips=b,ghost time=77")
    assert drawing.blocks["A1"].body.tips == ()
    assert drawing.blocks["B1"].body.tips == (drawing.ledger["b"].id, get_drawn_id("ghost"))
    assert drawing.blocks["B1"].body.timestamp_ms == 77
    assert (drawing.blocks["B1"].body.chain, drawing.blocks["B1"].body.shard) == (CHAIN, SHARD)


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("1: A", 1, "no rounds"),
        ("a: genesis; a: genesis", 13, "drawn already"),
        ("genesis: a", 1, "drawn already"),
        ("a: b; b: genesis", 7, "parents before their children"),
        ("a: genesis colour=3", 12, "it has issuer, recipient, anchor"),
        ("a: genesis anchor=1,2", 21, "one value"),
        ("a: genesis anchor=soon", 19, "is a number"),
        ("a: genesis issuer=7", 19, "is a word"),
    ],
)
def test_a_sub_dag_that_cannot_be(text: str, column: int, reason: str) -> None:
    with pytest.raises(DrawingError, match=reason) as caught:
        SubDagDrawing(text)
    assert caught.value.place.column == column


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("1: E", 4, "not one of the 4 validators; the last is D"),
        ("1: A A", 6, "A1 is drawn already; add a prime"),
        ("1: A B -C", 9, "write '\\*' before it"),
        ("1: * -*", 7, "write '\\*' before it"),
        ("1: *; 2: A(B C E)", 16, "not one of the 4"),
        ("1: * -D; 2: A(B C D)", 19, "D1 is not drawn above round 2"),
        ("1: *; 2: A B(A2 B C D)", 14, "A2 is not drawn above round 2"),
        ("1: *; 2: A(A B B C)", 16, "named twice"),
        ("1: *; 2: A(A B -C)", 17, "write '\\*' before it"),
        ("1: *; 2: A(A B -*)", 17, "leaves nothing"),
        ("1: *; 2: A(A B)", 10, "no committee takes A2"),
        ("1: *; 3: A", 10, "names no block of round 2"),
        ("1: A tips=a tips=b", 13, "said twice"),
        ("1: A time=soon", 11, "one number"),
        ("1: A mood=good", 6, "it has time, tips"),
        ("1: A B time=5 B' time=5", 15, "B1 again"),
    ],
)
def test_a_committee_that_cannot_be(text: str, column: int, reason: str) -> None:
    with pytest.raises(DrawingError, match=reason) as caught:
        CommitteeDrawing(text)
    assert caught.value.place.column == column
