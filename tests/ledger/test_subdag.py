"""The sub-DAG: what attaches, what waits, what is refused and what is given up."""

import pytest
from msgspec.structs import replace

from tangle.core.parameters import MINIMAL
from tangle.core.types import CheckpointIndex
from tangle.ledger.errors import (
    AnchorAhead,
    NotAttached,
    ParentAncient,
    ParentNewer,
    ParentRefused,
    ParentsMissing,
    SubDagFull,
    WaitingRoomFull,
)
from tangle.ledger.events import Attached, Dropped, Expired, SubDagEvent, Waiting
from tangle.ledger.limits import SubDagLimits, widen_window
from tangle.ledger.subdag import SubDag
from tests.drawing.subdag import GENESIS_ID, SubDagDrawing, make_transaction, order

GAP = MINIMAL.anchor_gap
LIMITS = SubDagLimits(
    unordered_max=20,
    needed_reserve=5,
    waiting_max=8,
    waiting_per_source_max=4,
    waiting_checkpoints_max=3,
    recent_max=10,
)


def make_subdag(executed: int = 16, limits: SubDagLimits = LIMITS) -> SubDag:
    subdag = SubDag(MINIMAL, GENESIS_ID, limits)
    subdag.on_checkpoint(CheckpointIndex(executed))
    return subdag


def execute_up_to(subdag: SubDag, index: int) -> tuple[SubDagEvent, ...]:
    return subdag.on_checkpoint(CheckpointIndex(index))


def get_attached(drawing: SubDagDrawing, events: tuple[SubDagEvent, ...]) -> str:
    assert all(isinstance(event, Attached) for event in events)
    return drawing.get_names(event.transaction for event in events if isinstance(event, Attached))


def test_a_transaction_with_present_parents_attaches_once() -> None:
    drawing = SubDagDrawing("a: genesis; b: genesis a")
    subdag = make_subdag()
    assert get_attached(drawing, subdag.process_transaction(drawing["a"])) == "a"
    assert get_attached(drawing, subdag.process_transaction(drawing["b"])) == "b"
    assert subdag.process_transaction(drawing["b"]) == ()
    assert subdag.is_attached(GENESIS_ID)
    assert subdag.get(drawing["b"].id) is drawing["b"]


def test_children_wait_and_attach_after_their_parents() -> None:
    drawing = SubDagDrawing("a: genesis; b: a; c: a b; d: c b")
    subdag = make_subdag()
    assert subdag.process_transaction(drawing["d"]) == (
        Waiting(drawing["d"].id, (drawing["c"].id, drawing["b"].id), False),
    )
    assert subdag.process_transaction(drawing["d"]) == ()
    assert subdag.process_transaction(drawing["c"]) == (
        Waiting(drawing["c"].id, (drawing["a"].id, drawing["b"].id), False),
    )
    assert subdag.process_transaction(drawing["b"]) == (Waiting(drawing["b"].id, (drawing["a"].id,), False),)
    assert subdag.get_missing() == (drawing["a"].id,)
    assert subdag.is_waiting(drawing["c"].id)
    assert get_attached(drawing, subdag.process_transaction(drawing["a"])) == "a b c d"
    assert subdag.get_missing() == ()
    assert subdag.get_statistics().waiting == 0


@pytest.mark.parametrize("anchor", [5, 5 + GAP])
def test_a_parent_anchor_within_the_gap_is_accepted(anchor: int) -> None:
    drawing = SubDagDrawing(f"a: genesis anchor=5; b: a anchor={anchor}")
    subdag = make_subdag()
    drawing.attach(subdag)
    assert subdag.is_attached(drawing["b"].id)


@pytest.mark.parametrize(("anchor", "error"), [(4, ParentNewer), (5 + GAP + 1, ParentAncient)])
def test_a_parent_anchor_outside_the_gap_is_refused_at_once_and_after_waiting(
    anchor: int, error: type[ParentNewer] | type[ParentAncient]
) -> None:
    drawing = SubDagDrawing(
        f"a: genesis anchor=5; b: a anchor={anchor}; c: b anchor={anchor}; d: c anchor={anchor}"
    )
    subdag = make_subdag()
    subdag.process_transaction(drawing["a"])
    with pytest.raises(error) as caught:
        subdag.process_transaction(drawing["b"])
    assert (caught.value.parent_anchor, caught.value.anchor) == (5, anchor)
    assert not subdag.is_attached(drawing["b"].id)

    later = make_subdag()
    drawing.attach(later, "d c b")
    attached, *dropped = later.process_transaction(drawing["a"])
    assert attached == Attached(drawing["a"])
    assert [event.transaction_id for event in dropped if isinstance(event, Dropped)] == [
        drawing[name].id for name in "bcd"
    ]
    assert [type(event.error) for event in dropped if isinstance(event, Dropped)] == [
        error,
        ParentRefused,
        ParentRefused,
    ]
    assert later.get_statistics().waiting == 0


def test_the_genesis_is_a_parent_at_any_anchor() -> None:
    drawing = SubDagDrawing(f"a: genesis anchor={10 * GAP}")
    subdag = make_subdag(10 * GAP)
    drawing.attach(subdag)
    assert subdag.is_attached(drawing["a"].id)


def test_an_anchor_that_is_not_executed_here_may_come_again() -> None:
    drawing = SubDagDrawing("a: genesis anchor=3")
    subdag = make_subdag(2)
    with pytest.raises(AnchorAhead) as caught:
        subdag.process_transaction(drawing["a"])
    assert (caught.value.anchor, caught.value.executed) == (3, 2)
    subdag.on_checkpoint(CheckpointIndex(3))
    assert get_attached(drawing, subdag.process_transaction(drawing["a"])) == "a"


def test_a_parent_known_to_the_store_releases_its_children() -> None:
    drawing = SubDagDrawing("old: genesis anchor=5; b: old anchor=6; c: b anchor=6; late: old anchor=14")
    subdag = make_subdag()
    drawing.attach(subdag, "c b late")
    events = subdag.process_known(drawing["old"].id, CheckpointIndex(5), CheckpointIndex(7))
    names = [drawing.get_name(event.transaction.id) for event in events if isinstance(event, Attached)]
    assert names == ["b", "c"]
    assert [type(event.error) for event in events if isinstance(event, Dropped)] == [ParentAncient]
    assert subdag.is_attached(drawing["old"].id)
    assert subdag.order_cone(drawing["old"].id) == []
    assert order(subdag, drawing, "c") == "b c"


def test_what_waits_for_a_refused_parent_is_dropped() -> None:
    drawing = SubDagDrawing("b: forged; c: b; d: c other")
    subdag = make_subdag()
    drawing.attach(subdag)
    events = subdag.process_refused(drawing.get_id("forged"))
    assert (
        drawing.get_names(event.transaction_id for event in events if isinstance(event, Dropped)) == "b c d"
    )
    assert {type(event.error) for event in events if isinstance(event, Dropped)} == {ParentRefused}
    assert subdag.get_missing() == ()


def test_the_waiting_room_is_bounded_in_all_and_per_source() -> None:
    orphans = [make_transaction([SubDagDrawing("").get_id(f"ghost{i}")], name=f"o{i}") for i in range(20)]
    subdag = make_subdag()
    for orphan in orphans[:4]:
        subdag.process_transaction(orphan, source=b"one")
    with pytest.raises(WaitingRoomFull) as caught:
        subdag.process_transaction(orphans[4], source=b"one")
    assert caught.value.limit == LIMITS.waiting_per_source_max
    for orphan in orphans[4:8]:
        subdag.process_transaction(orphan, source=b"two")
    with pytest.raises(WaitingRoomFull) as caught:
        subdag.process_transaction(orphans[8], source=b"three")
    assert caught.value.limit == LIMITS.waiting_max
    for orphan in orphans[8:13]:
        subdag.process_transaction(orphan, source=b"committee", is_needed=True)
    with pytest.raises(WaitingRoomFull):
        subdag.process_transaction(orphans[13], source=b"committee", is_needed=True)
    statistics = subdag.get_statistics()
    assert (statistics.waiting, statistics.missing) == (13, 13)


def test_a_flood_of_orphans_leaves_nothing_behind() -> None:
    subdag = make_subdag(0)
    refused = 0
    for number in range(500):
        ghost = SubDagDrawing("").get_id(f"ghost{number}")
        try:
            subdag.process_transaction(
                make_transaction([ghost], name=f"o{number}", anchor=number // 10), source=b"%d" % (number % 7)
            )
        except WaitingRoomFull:
            refused += 1
        assert subdag.get_statistics().waiting <= LIMITS.waiting_max
        assert subdag.get_statistics().missing <= LIMITS.waiting_max
        if number % 10 == 9:
            execute_up_to(subdag, number // 10 + 1)
    assert refused > 300
    execute_up_to(subdag, 1_000)
    statistics = subdag.get_statistics()
    assert (statistics.waiting, statistics.missing, statistics.unordered) == (0, 0, 0)


def test_unordered_transactions_are_bounded_with_a_reserve_for_the_committee() -> None:
    drawing = SubDagDrawing("\n".join(f"v{i}: genesis" for i in range(30)))
    subdag = make_subdag()
    drawing.attach(subdag, " ".join(f"v{i}" for i in range(20)))
    with pytest.raises(SubDagFull) as caught:
        subdag.process_transaction(drawing["v20"])
    assert caught.value.code == "overloaded"
    for number in range(20, 25):
        subdag.process_transaction(drawing[f"v{number}"], is_needed=True)
    with pytest.raises(SubDagFull):
        subdag.process_transaction(drawing["v25"], is_needed=True)
    for number in range(10):
        order(subdag, drawing, f"v{number}")
    assert get_attached(drawing, subdag.process_transaction(drawing["v25"])) == "v25"


def test_the_window_of_ordered_transactions_is_bounded() -> None:
    drawing = SubDagDrawing(
        "v0: genesis\n" + "\n".join(f"v{i}: v{i - 1}" for i in range(1, 15)) + "\n late: v0"
    )
    subdag = make_subdag()
    drawing.attach(subdag, " ".join(f"v{i}" for i in range(15)))
    order(subdag, drawing, "v14")
    assert subdag.get_statistics().recent == LIMITS.recent_max
    assert not subdag.is_attached(drawing["v4"].id)
    assert subdag.is_attached(drawing["v5"].id)
    with pytest.raises(NotAttached):
        subdag.order_cone(drawing["v4"].id)
    assert subdag.process_transaction(drawing["late"]) == (
        Waiting(drawing["late"].id, (drawing["v0"].id,), False),
    )


def test_a_wide_window_holds_whatever_one_commit_orders() -> None:
    drawing = SubDagDrawing("v0: genesis\n" + "\n".join(f"v{i}: v{i - 1}" for i in range(1, 25)))
    subdag = make_subdag(limits=widen_window(LIMITS))
    for number in range(25):
        subdag.process_transaction(drawing[f"v{number}"], is_needed=True)
    order(subdag, drawing, "v24")
    assert all(subdag.order_cone(drawing[f"v{number}"].id) == [] for number in range(25))
    assert widen_window(SubDagLimits()) == widen_window(widen_window(SubDagLimits()))
    assert widen_window(SubDagLimits(recent_max=10**9)).recent_max == 10**9


def test_what_lacks_under_waiting_transactions_is_found_once_and_bounded() -> None:
    drawing = SubDagDrawing("b: g1 g2; c: b g3; d: b g1 g4; e: g5")
    subdag = make_subdag()
    for name in "bcd":
        subdag.process_transaction(drawing[name])
    ids = [drawing[name].id for name in "cde"]
    ghosts = {drawing.get_id(f"g{number}") for number in range(1, 5)}
    found = subdag.get_missing_under(ids, 10)
    assert len(found) == len(ghosts)
    assert set(found) == ghosts
    assert len(subdag.get_missing_under(ids[:1], 1)) < 3
    assert subdag.get_missing_under([drawing["e"].id, GENESIS_ID], 10) == ()


def test_what_a_needed_transaction_waits_for_is_needed_and_nothing_else() -> None:
    drawing = SubDagDrawing("a: ghost; b: a; c: b; other: ghost lost; needed: b")
    subdag = make_subdag()
    a, b, c, other, needed = (drawing[name] for name in ("a", "b", "c", "other", "needed"))
    ghost, lost = drawing.get_id("ghost"), drawing.get_id("lost")
    assert subdag.process_transaction(c) == (Waiting(c.id, (b.id,), False),)
    assert subdag.process_transaction(a) == (Waiting(a.id, (ghost,), False),)
    assert subdag.process_transaction(other) == (Waiting(other.id, (ghost, lost), False),)
    assert subdag.process_transaction(needed, is_needed=True) == (Waiting(needed.id, (b.id,), True),)
    # It comes as news, but what waits for it is needed: so are it and what lies under it.
    assert subdag.process_transaction(b) == (Waiting(b.id, (ghost,), True),)
    assert subdag.mark_needed([a.id, b.id, needed.id]) == ()
    assert subdag.mark_needed([c.id]) == ()
    assert set(subdag.mark_needed([other.id])) == {ghost, lost}
    assert subdag.mark_needed([other.id, GENESIS_ID]) == ()


def test_what_was_here_before_has_the_reserve_and_is_not_needed_for_it() -> None:
    drawing = SubDagDrawing("\n".join(f"v{i}: ghost" for i in range(LIMITS.waiting_max + 2)))
    subdag = make_subdag()
    for number in range(LIMITS.waiting_max):
        subdag.process_transaction(drawing[f"v{number}"], source=bytes([number]))
    with pytest.raises(WaitingRoomFull):
        subdag.process_transaction(drawing[f"v{LIMITS.waiting_max}"])
    late = drawing[f"v{LIMITS.waiting_max + 1}"]
    ghost = drawing.get_id("ghost")
    assert subdag.process_transaction(late, is_kept=True) == (Waiting(late.id, (ghost,), False),)


def test_a_refused_child_takes_along_a_sibling_that_stands_on_it_too() -> None:
    drawing = SubDagDrawing("a: genesis anchor=2; b: a anchor=1; c: a b anchor=2")
    subdag = make_subdag()
    drawing.attach(subdag, "b c")
    _, first, second = subdag.process_transaction(drawing["a"])
    assert isinstance(first, Dropped)
    assert isinstance(first.error, ParentNewer)
    assert isinstance(second, Dropped)
    assert isinstance(second.error, ParentRefused)
    assert subdag.get_statistics().waiting == 0


def test_waiting_ends_after_its_checkpoints() -> None:
    drawing = SubDagDrawing("b: ghost; c: b; d: other")
    subdag = make_subdag(10)
    drawing.attach(subdag, "b c")
    assert execute_up_to(subdag, 12) == ()
    drawing.attach(subdag, "d")
    assert execute_up_to(subdag, 10 + LIMITS.waiting_checkpoints_max) == ()
    first, second = execute_up_to(subdag, 11 + LIMITS.waiting_checkpoints_max)
    assert isinstance(first, Dropped)
    assert isinstance(first.error, ParentsMissing)
    assert first.error.missing == (drawing.get_id("ghost"),)
    assert isinstance(second, Dropped)
    assert isinstance(second.error, ParentRefused)
    assert subdag.is_waiting(drawing["d"].id)


def test_expired_transactions_go_at_exactly_the_boundary() -> None:
    drawing = SubDagDrawing(
        """
        a: genesis anchor=1
        b: a anchor=1
        named: genesis anchor=1
        old: genesis anchor=1
        young: old anchor=9
        """
    )
    subdag = make_subdag(9)
    drawing.attach(subdag)
    subdag.on_named([drawing["named"].id], 7)
    boundary = 1 + MINIMAL.expiry_gap + GAP
    assert execute_up_to(subdag, boundary) == ()
    (event,) = execute_up_to(subdag, boundary + 1)
    assert isinstance(event, Expired)
    assert drawing.get_names(event.transaction_ids) == "b a"
    assert [name for name in drawing.transactions if subdag.is_attached(drawing[name].id)] == [
        "named",
        "old",
        "young",
    ]
    # What keeps `old` is its child; once that expires too, both go.
    (event,) = execute_up_to(subdag, boundary + 9)
    assert isinstance(event, Expired)
    assert drawing.get_names(event.transaction_ids) == "young old"
    # A block has named this one, which keeps it; but it is void, and ordering lets it go.
    assert order(subdag, drawing, "named") == ""
    (event,) = execute_up_to(subdag, boundary + 10)
    assert isinstance(event, Expired)
    assert drawing.get_names(event.transaction_ids) == "named"
    assert subdag.is_attached(drawing["named"].id)


def test_a_void_transaction_attaches_without_its_past_and_is_never_ordered() -> None:
    """So nobody has to know whether its past, or it, was ordered long ago."""
    drawing = SubDagDrawing("lost: genesis anchor=1; void: lost anchor=1; child: void anchor=9")
    subdag = make_subdag(1 + MINIMAL.expiry_gap + GAP + 1)
    assert subdag.is_void(drawing["void"])
    assert not subdag.is_void(drawing["child"])
    assert get_attached(drawing, subdag.process_transaction(drawing["void"])) == "void"
    assert get_attached(drawing, subdag.process_transaction(drawing["child"])) == "child"
    assert order(subdag, drawing, "child") == "child"
    assert subdag.voided == [drawing["void"].id]
    assert order(subdag, drawing, "void") == ""


def test_a_parent_is_a_head_again_once_its_children_expired() -> None:
    parameters = replace(MINIMAL, expiry_gap=4)
    subdag = SubDag(parameters, GENESIS_ID, LIMITS)
    subdag.on_checkpoint(CheckpointIndex(16))
    drawing = SubDagDrawing("a: genesis anchor=1; b: a anchor=1; c: a anchor=1")
    drawing.attach(subdag)
    subdag.on_named([drawing["a"].id], 1)
    execute_up_to(subdag, 1 + 4 + GAP + 1)
    assert subdag.get_statistics().unordered == 1
    assert drawing.get_names(subdag.select_tips(5, 100)) == "a"
