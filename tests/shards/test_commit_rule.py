"""The commit rule, one drawing per case."""

import pytest

from shards.commit_rule import FIRST_SLOT, Skip, Slot
from shards.errors import FaultBoundBroken
from tests.drawing.committee import CommitteeDrawing, compute_statuses, make_committer, make_schedule, rotate

FULL = "1..7: A B C D"


@pytest.mark.parametrize("leaders", [1, 2, 3, 4])
def test_direct_commit(leaders: int) -> None:
    drawing = CommitteeDrawing(FULL)
    committer = make_committer(drawing.view(), rotate(4, leaders))
    decided = committer.decide(FIRST_SLOT)
    assert len(decided) == 5 * leaders
    assert [status.slot for status in decided] == sorted(status.slot for status in decided)
    assert all(text.startswith("commit") for text in drawing.describe(decided).values())


def test_nothing_is_decided_before_the_decision_round() -> None:
    drawing = CommitteeDrawing(FULL)
    assert compute_statuses(drawing, "A", "A2 B2 C2 D2") == {"A1": "open", "A2": "open"}


def test_partial_round_commits_with_a_quorum_of_certificates() -> None:
    drawing = CommitteeDrawing("1: A B C D\n2: A B C\n3: A(A B C) B(A B C) C(A B C)")
    assert compute_statuses(drawing, "A", "A3 B3")["A1"] == "open"
    assert compute_statuses(drawing, "A", "A3 B3 C3")["A1"] == "commit A1"


def test_late_call_decides_the_same_as_a_call_after_every_block() -> None:
    drawing = CommitteeDrawing(FULL)
    late = make_committer(drawing.view(), rotate(4, 2)).decide(FIRST_SLOT)
    dag = CommitteeDrawing("").view()
    committer = make_committer(dag, rotate(4, 2))
    last, early = FIRST_SLOT, []
    for block in drawing.blocks.values():
        dag.add(block)
        for status in committer.decide(last):
            last = status.slot
            early.append(status)
        committer.forget(last)
    assert drawing.describe(early) == drawing.describe(late)


@pytest.mark.parametrize("leaders", [1, 2, 3])
def test_direct_skip(leaders: int) -> None:
    drawing = CommitteeDrawing("1: A B C D\n2: B(B C D) C(B C D) D(B C D)\n3: B C D")
    statuses = compute_statuses(drawing, "ABC"[:leaders])
    assert statuses["A1"] == "skip"
    assert statuses["A2"] == "skip"


def test_a_weak_link_to_the_leader_is_no_vote_and_no_reason_against_blame() -> None:
    drawing = CommitteeDrawing(
        """
        1: A B C D
        2: B(B C D A1) C(B C D) D(B C D)
        3: B(B C D A1) C(B C D A1) D(B C D A1)
        """
    )
    # B's block of round 2 votes for A1; those of round 3 blame A2, though they name an older block of A.
    statuses = compute_statuses(drawing, "A")
    assert statuses["A2"] == "skip"
    assert statuses["A1"] == "open"


def test_a_missing_leader_is_skipped_once_a_quorum_blames() -> None:
    drawing = CommitteeDrawing("1: B C D\n2: B(B C D) C(B C D)")
    assert compute_statuses(drawing, "A")["A1"] == "open"
    drawing = CommitteeDrawing("1: B C D\n2: B(B C D) C(B C D) D(B C D)")
    assert compute_statuses(drawing, "A")["A1"] == "skip"


INDIRECT = """
    1: A B C D
    2: A(A B C) B(A B C) C(A B C) D(B C D)
    3: A(A B C) B(B C D) C(B C D) D(B C D)
    4: {fourth}
    5: A B C D
    6: A B C D
"""
"""A1 has three votes and one blame; A3 alone certifies it."""


def test_indirect_commit_when_the_anchor_saw_a_certificate() -> None:
    drawing = CommitteeDrawing(INDIRECT.format(fourth="A B(A B C) C D"))
    statuses = compute_statuses(drawing, "A B C B A")
    assert statuses["B4"] == "commit B4"
    assert statuses["A1"] == "commit A1"


def test_indirect_skip_when_the_anchor_saw_none() -> None:
    drawing = CommitteeDrawing(INDIRECT.format(fourth="A B(B C D) C D"))
    statuses = compute_statuses(drawing, "A B C B A")
    assert statuses["B4"] == "commit B4"
    assert statuses["A1"] == "skip"


def test_skipped_candidates_are_passed_over_in_the_search_for_an_anchor() -> None:
    drawing = CommitteeDrawing(
        """
        1: A B C D
        2: A(A B C) B(A B C) C(A B C) D(B C D)
        3: A(A B C) B(B C D) C(B C D) D(B C D)
        4: A B C D
        5: A(A C D) B(A B C) C(A C D) D(A C D)
        6: A B C D
        7: A B C D
        """
    )
    statuses = compute_statuses(drawing, "A B C B C")
    assert statuses["B4"] == "skip"
    assert statuses["C5"] == "commit C5"
    assert statuses["A1"] == "commit A1"


def test_an_open_candidate_stops_the_search_for_an_anchor() -> None:
    drawing = CommitteeDrawing(INDIRECT.format(fourth="A B(B C D) C D"))
    statuses = compute_statuses(drawing, "A B C B A", "A5 B5 C5 D5")
    assert statuses["B4"] == "open"
    assert statuses["A1"] == "open"


def test_an_open_slot_stops_the_sequence_but_not_later_statuses() -> None:
    drawing = CommitteeDrawing(INDIRECT.format(fourth="A B C D"))
    view = drawing.view("A5 B5 C5 D5")
    committer = make_committer(view, make_schedule("A B C B A"))
    assert drawing.describe(committer.compute_statuses(FIRST_SLOT))["B2"] == "commit B2"
    assert committer.decide(FIRST_SLOT) == ()


def test_no_slot_is_ever_open_in_the_genesis_round() -> None:
    drawing = CommitteeDrawing(FULL)
    rounds = {status.slot.round for status in make_committer(drawing.view(), rotate(4, 4)).decide(FIRST_SLOT)}
    assert min(rounds) == 1


@pytest.mark.parametrize("leaders", [1, 2, 4])
def test_decisions_are_idempotent(leaders: int) -> None:
    drawing = CommitteeDrawing(FULL)
    committer = make_committer(drawing.view(), rotate(4, leaders))
    first = committer.decide(FIRST_SLOT)
    assert committer.decide(FIRST_SLOT) == first
    assert committer.decide(first[-1].slot) == ()


def test_a_trailing_skip_is_not_repeated() -> None:
    drawing = CommitteeDrawing("1: A B C D\n2: B(B C D) C(B C D) D(B C D)\n3: B C D\n4: B C D")
    committer = make_committer(drawing.view(), make_schedule("A A A"))
    decided = committer.decide(FIRST_SLOT)
    assert isinstance(decided[-1], Skip)
    assert decided[-1].slot == Slot(3, 0, 0)
    assert committer.decide(decided[-1].slot) == ()


def test_of_two_twins_the_certified_one_commits() -> None:
    drawing = CommitteeDrawing(
        """
        1: A A' B C D
        2: A(A B C) B(A' B C) C(A' B C) D(A' B D)
        3: A(B C D) B(B C D) C(B C D) D(B C D)
        """
    )
    assert compute_statuses(drawing, "A")["A1"] == "commit A1'"


def test_twins_without_a_certificate_are_skipped_by_the_anchor() -> None:
    drawing = CommitteeDrawing(
        """
        1: A A' B C D
        2: A(A B C) B(A B C) C(A' B C) D(A' B D)
        3: A B C D
        4: A B C D
        5: A B C D
        6: A B C D
        """
    )
    assert compute_statuses(drawing, "A B C D")["A1"] == "skip"


def test_more_faulty_validators_than_the_bound_stop_the_node() -> None:
    drawing = CommitteeDrawing(
        """
        1: A A' B C D
        2: A(A B C) B(A B C) C(A B C) A'(A' B D) B'(A' B D) D(A' B D)
        3: A(A B C) B(A B C) C(A B C) A'(A' B' D) B'(A' B' D) D(A' B' D)
        """
    )
    assert compute_statuses(drawing, "A", "A3 B3 C3")["A1"] == "commit A1"
    assert compute_statuses(drawing, "A", "A3' B3' D3")["A1"] == "commit A1'"
    with pytest.raises(FaultBoundBroken, match="two outcomes"):
        compute_statuses(drawing, "A")


def test_a_skip_and_a_commit_of_one_slot_stop_the_node() -> None:
    drawing = CommitteeDrawing(
        """
        1: A B C D
        2: A(A B C) B(A B C) C(A B C) B'(B C D) C'(B C D) D(B C D)
        3: A(A B C) B(A B C) C(A B C) D(B' C' D)
        """
    )
    assert compute_statuses(drawing, "A", "A3 B3 C3")["A1"] == "commit A1"
    assert compute_statuses(drawing, "A", "D3")["A1"] == "skip"
    with pytest.raises(FaultBoundBroken):
        compute_statuses(drawing, "A")


def test_an_anchor_over_two_certified_twins_stops_the_node() -> None:
    drawing = CommitteeDrawing(
        """
        1: A A' B C D
        2: A(A B C) B(A B C) C(A B C) A'(A' B D) B'(A' B D) D(A' B D)
        3: A(A B C) D(A' B' D) C(A B C) B(A B D)
        4: A(A B D) B C D
        5: A B C D
        6: A B C D
        """
    )
    with pytest.raises(FaultBoundBroken, match="two blocks"):
        compute_statuses(drawing, "A B C A")
