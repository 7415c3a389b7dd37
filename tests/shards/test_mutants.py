"""Every mutant of the commit rule makes two honest nodes disagree on a drawing where the rule itself does
not.

A case draws what a faulty minority (one author, with as many twins as it likes) can bring
about, and the heads of two nodes' views.
"""

import pytest
from msgspec import Struct
from msgspec.structs import replace

from shards.commit_rule import FIRST_SLOT, CommitRule, Status, make_commit_rule
from shards.committer import Committer
from shards.errors import FaultBoundBroken
from tests.drawing.committee import CommitteeDrawing, make_schedule
from tests.shards.mutants import (
    AnchorIgnoresItsPast,
    AnchorNeedsNoCertificate,
    AnchorStepsOverOpen,
    AnchorTooEarly,
    CommitsOnVotes,
    CountsBlocks,
    VotesByAuthor,
    VotesThroughHistory,
)
from tests.shards.random_dags import Divergence, check_agreement


class Case(Struct, frozen=True):
    text: str
    schedule: str
    left: str
    right: str


ANCHOR_ROUND = Case(
    """
    1: A B C D
    2: A(A B C) B(A B C) C(A B C) D(B C D)
    3: A(A B C) B(A B C) C(A B C) D(B C D)
    4: A(A B D) B(A B D) D(A B D)
    5: A B D
    """,
    "A B D",
    "A3 B3 C3",
    "A5 B5 D5",
)
"""The leader of the decision round itself is committed, and its history holds no certificate but the
others' do.
"""

OPEN_CANDIDATE = Case(
    """
    1: A B C D
    2: A(A B C) B(A B C) C(A B C) D(B C D)
    3: A(A B C) B(B C D) C(B C D) D(B C D)
    4: A(A B C) B(B C D) C(B C D) D(B C D)
    5: A(A B C) B(B C D) C(B C D) D(A C D)
    6: A(A B C) B(A B C) C(A B C) D(A B D)
    7: A(A B D) B(A B D) D(A B D)
    """,
    "A B C B A",
    "A6 B6 C6",
    "A7 B7 D7",
)
"""The first candidate, B4, is open in the right view and excludes the only certificate; the next, A5, holds
it.
"""

THIN_VOTES = Case(
    """
    1: A B C D
    2: A(A B C) B(A B C) B'(B C D) C(B C D) D(B C D)
    3: A(A B C) C(A B C) D(A B D)
    """,
    "A",
    "A3 C3 D3",
    "B2' C2 D2",
)
"""A1 has two votes, one of them by B who also blames; every block of round 3 sees both."""

SPLIT_BLAME = Case(
    """
    1: A B C D
    2: A(A B C) B(A B C) C(B C D) D(A B D) D'(B C D)
    3: A(A B D) B(A B D) C(B C D) D(A B D)
    """,
    "A",
    "A3 B3 D3",
    "C2 D2'",
)
"""D votes for A1 and also blames it: a certificate exists, with two honest voters and one honest blame."""

FEW_CERTIFICATES = Case(
    """
    1: A B C D
    2: A(A B C) B(A B C) C(A B C) D(B C D)
    3: A(A B C) B(B C D) C(B C D) D(A B C) D'(B C D) D''(A B C)
    4: B(B C D') C(B C D') D(B C D') A(A B C)
    5: B(B C D) C(B C D) D(B C D)
    6: B(B C D) C(B C D) D(B C D)
    """,
    "A B C B",
    "A3 D3 D3''",
    "B6 C6 D6",
)
"""Two authors certify A1, one of them D, who also signs a block that does not; the anchor B4 sees only
that.
"""

TWIN_BLAMES = Case(
    """
    1: A B C D
    2: A(A B C) B(A B C) C(B C D) D(A B D) D'(B C D) D''(B C D)
    3: A(A B D) B(A B D) C(B C D) D(A B D)
    """,
    "A",
    "A3 B3 D3",
    "C2 D2' D2''",
)
"""D blames A1 twice beside its vote."""

VOTES_ONLY = Case(
    """
    1: A B C D
    2: A(A B C) B(A B C) C(B C D) D(A B D) D'(B C D)
    3: A(A B C) B(A B C) C(A B C)
    4: A(A B C) B(A B C) C(A B C)
    5: A B C
    6: A B C
    """,
    "A B C B",
    "A2 B2 D2",
    "A6 B6 C6",
)
"""D shows its vote to the left node alone; no block of round 3 sees three votes."""

NO_CERTIFICATE_BUT_HISTORY = Case(
    """
    1: A B C D
    2: A(A B C) B(B C D) C(B C D) D(A B D) D'(B C D)
    3: A(A B D) B(A B C) C(A B C)
    4: A(A B C) B(A B C) C(A B C)
    5: A B C
    6: A B C
    """,
    "A B C B",
    "B2 C2 D2'",
    "A6 B6 C6",
)
"""B, C and a twin of D blame A1, which is in everybody's history all the same."""

HISTORY_VOTE = Case(
    """
    1: A B C D
    2: A(A B C) B(A B C) C(B C D) D(B C D) B'(B C D)
    3: C(A B C) D(A B D) A(A B C)
    4: A(A C D) C(A C D) D(A C D)
    5: A C D
    6: A C D
    """,
    "A B C D",
    "A6 C6 D6",
    "B2' C2 D2",
)
"""Two votes for A1 are below every block of round 3, whose authors did not vote; B also blames."""

TWIN_LEADERS = Case(
    """
    1: A B C D' D
    2: A(A B D) B(A B D) C(B C D') D(A B D)
    3: A(A B D) B(A B D) C(A B C) D(A B D)
    """,
    "D",
    "A3 B3 D3",
    "D1' A3 B3 D3",
)
"""D led with two blocks; whoever met the other one first must still commit the certified one."""

OUTSIDE_HISTORY = Case(
    """
    1: A B C D
    2: A(A B C) B(A B C) C(A B C) D(B C D)
    3: A(A B C) B(B C D) C(B C D) D(B C D)
    4: B(B C D) C(B C D) D(B C D)
    5: B C D
    6: B C D
    """,
    "A B C B",
    "A3 B6 C6 D6",
    "B6 C6 D6",
)
"""A3 certifies A1 and is in nobody's history."""

STRUCTURAL: list[tuple[type[Committer], Case]] = [
    (AnchorTooEarly, ANCHOR_ROUND),
    (AnchorStepsOverOpen, OPEN_CANDIDATE),
    (CommitsOnVotes, VOTES_ONLY),
    (AnchorNeedsNoCertificate, NO_CERTIFICATE_BUT_HISTORY),
    (AnchorIgnoresItsPast, OUTSIDE_HISTORY),
    (VotesThroughHistory, HISTORY_VOTE),
    (VotesByAuthor, TWIN_LEADERS),
    (CountsBlocks, FEW_CERTIFICATES),
    (CountsBlocks, TWIN_BLAMES),
]

THRESHOLDS: list[tuple[dict[str, int], Case]] = [
    ({"votes": 2}, THIN_VOTES),
    ({"certificates": 2}, FEW_CERTIFICATES),
    ({"blames": 2}, SPLIT_BLAME),
    ({"votes": 2, "certificates": 2, "blames": 2}, SPLIT_BLAME),
]


def decide_views(
    case: Case, kind: type[Committer] = Committer, changes: dict[str, int] | None = None
) -> list[tuple[Status, ...]]:
    drawing = CommitteeDrawing(case.text)
    rule: CommitRule = replace(make_commit_rule(drawing.committee, 1), **(changes or {}))
    schedule = make_schedule(case.schedule)
    views = []
    for heads in (case.left, case.right):
        committer = kind(drawing.view(heads), drawing.committee, rule, schedule)
        views.append(committer.compute_statuses(FIRST_SLOT))
    return views


@pytest.mark.parametrize("case", [case for _, case in [*STRUCTURAL, *THRESHOLDS]])
def test_the_rule_itself_agrees_on_every_case(case: Case) -> None:
    check_agreement(decide_views(case))


@pytest.mark.parametrize(("kind", "case"), STRUCTURAL)
def test_a_mistake_in_the_rule_is_caught(kind: type[Committer], case: Case) -> None:
    with pytest.raises((Divergence, FaultBoundBroken)):
        check_agreement(decide_views(case, kind))


@pytest.mark.parametrize(("changes", "case"), THRESHOLDS)
def test_a_threshold_off_by_one_is_caught(changes: dict[str, int], case: Case) -> None:
    with pytest.raises((Divergence, FaultBoundBroken)):
        check_agreement(decide_views(case, changes=changes))
