"""From committed leaders to the order of blocks."""

import pytest

from shards.commits import compute_commit_digest, compute_first_commit_digest
from shards.linearizer import Linearizer
from tangle.core.types import Digest
from tests.drawing.blocks import CHAIN, SHARD, make_bare_committee
from tests.drawing.committee import CommitteeDrawing

FIRST = compute_first_commit_digest(make_bare_committee(4), CHAIN, SHARD)


def commit(linearizer: Linearizer, drawing: CommitteeDrawing, name: str) -> list[str]:
    """Names of the blocks that a leader brings in."""
    _, blocks = linearizer.commit(drawing.blocks[name])
    return [drawing.names[block.reference.digest] for block in blocks]


def test_a_commit_orders_its_past_by_round_and_author() -> None:
    drawing = CommitteeDrawing("1: D C B A\n2: C(C B D) B(B C D) A(A B C)")
    linearizer = Linearizer(drawing.view(), 10, FIRST)
    assert commit(linearizer, drawing, "B2") == ["B1", "C1", "D1", "B2"]
    assert commit(linearizer, drawing, "A2") == ["A1", "A2"]


def test_no_block_is_ordered_twice_and_records_chain() -> None:
    drawing = CommitteeDrawing("1..4: A B C D")
    linearizer = Linearizer(drawing.view(), 10, FIRST)
    first, blocks = linearizer.commit(drawing.blocks["A2"])
    second, more = linearizer.commit(drawing.blocks["C3"])
    assert (first.index, first.previous) == (1, FIRST)
    assert (second.index, second.previous) == (2, compute_commit_digest(first))
    assert not {block.reference for block in blocks} & {block.reference for block in more}


def test_commit_times_never_go_back() -> None:
    drawing = CommitteeDrawing("1: A B C D\n2: A' B C D\n3: A B C D")
    linearizer = Linearizer(drawing.view(), 10, FIRST)
    first, _ = linearizer.commit(drawing.blocks["D3"])
    second, _ = linearizer.commit(drawing.blocks["A2'"])
    assert drawing.blocks["A2'"].body.timestamp_ms < first.timestamp_ms
    assert second.timestamp_ms == first.timestamp_ms


LATE = "1: A B C D; 2: A(* -D) B(* -D) C(* -D); 3..8: A B C; 9: A(* D1) B C; 10: A B C"
"""D1 is named again in round 9, long after the rest went on."""


@pytest.mark.parametrize(("depth", "is_taken"), [(8, True), (7, False), (4, False)])
def test_blocks_at_or_below_the_horizon_are_left_out(depth: int, is_taken: bool) -> None:
    drawing = CommitteeDrawing(LATE)
    linearizer = Linearizer(drawing.view(), depth, FIRST)
    assert "D1" not in commit(linearizer, drawing, "A8")
    assert linearizer.get_horizon() == max(0, 8 - depth)
    assert ("D1" in commit(linearizer, drawing, "A9")) is is_taken


def test_the_horizon_of_a_commit_is_that_before_it() -> None:
    drawing = CommitteeDrawing(LATE)
    linearizer = Linearizer(drawing.view(), 4, FIRST)
    assert "A1" in commit(linearizer, drawing, "A8"), "nothing was committed before, so nothing is too old"


def test_what_a_commit_holds_does_not_depend_on_pruning() -> None:
    drawing = CommitteeDrawing("1..11: A B C D")
    sequences = []
    for prunes in (False, True):
        dag = drawing.view()
        linearizer = Linearizer(dag, 4, FIRST)
        digests: list[Digest] = []
        for name in ("A2", "C4", "B7", "D11"):
            record, _ = linearizer.commit(drawing.blocks[name])
            digests.append(compute_commit_digest(record))
            if prunes:
                dag.prune(linearizer.get_horizon())
        sequences.append(digests)
    assert sequences[0] == sequences[1]


def test_recovery_continues_the_chain() -> None:
    drawing = CommitteeDrawing("1..11: A B C D")
    whole = Linearizer(drawing.view(), 4, FIRST)
    records = [whole.commit(drawing.blocks[name])[0] for name in ("A2", "C4", "B7")]
    again = Linearizer(drawing.view(), 4, FIRST)
    again.recover([record for record in records if record.leader.round > 7 - 4])
    assert again.commit(drawing.blocks["D11"]) == whole.commit(drawing.blocks["D11"])
