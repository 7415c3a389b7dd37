"""Heads for the committee and tips for wallets."""

from collections import Counter

import pytest
from msgspec.structs import replace

from tangle.core.parameters import MINIMAL
from tangle.core.types import CheckpointIndex
from tangle.ledger.subdag import SubDag
from tangle.ledger.tips import (
    RENAME_AFTER_ROUNDS,
    RETAINED_CHECKPOINTS_MAX,
    RETAINED_CHILDREN_MAX,
    RETENTION_POOL_MAX,
    TipPool,
    draw_numbers,
)
from tangle.ledger.vertex import Vertex
from tests.drawing.subdag import GENESIS_ID, SubDagDrawing, make_transaction, order


def make_subdag(executed: int = 0) -> SubDag:
    subdag = SubDag(MINIMAL, GENESIS_ID)
    advance(subdag, executed)
    return subdag


def advance(subdag: SubDag, index: int) -> None:
    subdag.on_checkpoint(CheckpointIndex(index))


def get_offered(subdag: SubDag, drawing: SubDagDrawing, count: int = 1) -> str:
    """Everything that many draws offer, sorted."""
    offered = {parent for number in range(200) for parent in subdag.select_parents(count, b"%d" % number)}
    return " ".join(sorted(drawing.get_names(offered).split()))


# ── heads ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_heads_come_in_order_of_attachment_and_only_without_children() -> None:
    drawing = SubDagDrawing("a: genesis; b: genesis; c: a; d: genesis")
    subdag = make_subdag()
    drawing.attach(subdag)
    assert drawing.get_names(subdag.select_tips(10, 1)) == "b c d"
    assert drawing.get_names(subdag.select_tips(2, 1)) == "b c"


def test_a_named_head_is_not_selected_again_but_its_children_are() -> None:
    drawing = SubDagDrawing("a: genesis; b: genesis; c: a")
    subdag = make_subdag()
    drawing.attach(subdag, "a b")
    subdag.on_named([drawing["a"].id, drawing.get_id("unknown")], 1)
    assert drawing.get_names(subdag.select_tips(10, 2)) == "b"
    drawing.attach(subdag, "c")
    assert drawing.get_names(subdag.select_tips(10, 2)) == "b c"


def test_a_head_named_in_vain_comes_again() -> None:
    drawing = SubDagDrawing("a: genesis; b: genesis; c: genesis; d: c")
    subdag = make_subdag()
    drawing.attach(subdag, "a b c")
    subdag.on_named([drawing[name].id for name in "abc"], 1)
    drawing.attach(subdag, "d")
    order(subdag, drawing, "b")
    assert drawing.get_names(subdag.select_tips(10, RENAME_AFTER_ROUNDS)) == "d"
    # `b` is ordered and `c` is covered by `d`, so `a` alone was named in vain.
    assert drawing.get_names(subdag.select_tips(10, RENAME_AFTER_ROUNDS + 1)) == "d a"


def test_a_head_named_twice_counts_from_the_later_round() -> None:
    drawing = SubDagDrawing("a: genesis")
    subdag = make_subdag()
    drawing.attach(subdag)
    subdag.on_named([drawing["a"].id], 1)
    subdag.on_named([drawing["a"].id], 30)
    assert subdag.select_tips(10, RENAME_AFTER_ROUNDS + 1) == ()
    assert drawing.get_names(subdag.select_tips(10, RENAME_AFTER_ROUNDS + 30)) == "a"


# ── parents for wallets ─────────────────────────────────────────────────────────────────────────────────────


def test_parents_are_distinct_uniform_and_decided_by_the_seed() -> None:
    drawing = SubDagDrawing("\n".join(f"v{i}: genesis" for i in range(8)))
    subdag = make_subdag()
    drawing.attach(subdag)
    draws = [subdag.select_parents(2, b"%d" % number) for number in range(4_000)]
    assert all(len(set(parents)) == 2 for parents in draws)
    assert draws[17] == subdag.select_parents(2, b"17")
    counts = Counter(parent for parents in draws for parent in parents)
    assert len(counts) == 8
    assert all(850 < count < 1_150 for count in counts.values())
    assert len(subdag.select_parents(100, b"")) == 8


def test_without_tips_parents_are_recent_and_at_first_the_genesis() -> None:
    drawing = SubDagDrawing("a: genesis; b: a")
    subdag = make_subdag()
    assert subdag.select_parents(2, b"") == (GENESIS_ID,)
    drawing.attach(subdag)
    order(subdag, drawing, "b")
    assert get_offered(subdag, drawing, 2) == "a b"


def test_after_a_long_silence_the_genesis_is_the_parent_again() -> None:
    drawing = SubDagDrawing("a: genesis")
    subdag = make_subdag()
    drawing.attach(subdag)
    order(subdag, drawing, "a")
    advance(subdag, MINIMAL.anchor_gap // 2)
    assert get_offered(subdag, drawing) == "a"
    advance(subdag, MINIMAL.anchor_gap // 2 + 1)
    assert get_offered(subdag, drawing) == "genesis"


def test_referenced_tips_stay_for_a_few_children() -> None:
    children = "\n".join(f"c{i}: a" for i in range(RETAINED_CHILDREN_MAX))
    drawing = SubDagDrawing("a: genesis\n" + children)
    subdag = make_subdag()
    drawing.attach(subdag, "a " + " ".join(f"c{i}" for i in range(RETAINED_CHILDREN_MAX - 1)))
    assert "a" in get_offered(subdag, drawing).split()
    drawing.attach(subdag)
    assert "a" not in get_offered(subdag, drawing).split()


def test_referenced_tips_stay_for_a_few_checkpoints() -> None:
    drawing = SubDagDrawing("a: genesis; b: a")
    subdag = make_subdag()
    drawing.attach(subdag)
    advance(subdag, RETAINED_CHECKPOINTS_MAX - 1)
    assert get_offered(subdag, drawing) == "a b"
    advance(subdag, RETAINED_CHECKPOINTS_MAX)
    assert get_offered(subdag, drawing) == "b"


def test_in_a_wide_pool_a_tip_leaves_with_its_first_child() -> None:
    text = "\n".join(f"v{i}: genesis" for i in range(RETENTION_POOL_MAX + 1))
    drawing = SubDagDrawing(text + "\n child: v0")
    subdag = make_subdag()
    drawing.attach(subdag)
    assert subdag.get_statistics().tips == RETENTION_POOL_MAX + 1
    assert drawing["v0"].id not in subdag.select_parents(8, b"x")
    assert {drawing.get_name(p) for n in range(999) for p in subdag.select_parents(8, b"%d" % n)} >= {"child"}


# ── laziness ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tip_on_old_checkpoints_is_never_offered_and_uses_up_nothing() -> None:
    drawing = SubDagDrawing(
        """
        old: genesis
        good: genesis anchor=4
        lazy: old anchor=4
        mixed: old good anchor=4
        fresh: good anchor=4
        """
    )
    subdag = make_subdag()
    drawing.attach(subdag, "old")
    order(subdag, drawing, "old")  # by checkpoint 1
    advance(subdag, 1 + MINIMAL.lazy_oldest_gap)
    drawing.attach(subdag, "lazy")
    assert (
        get_offered(subdag, drawing) == "genesis"
    )  # `lazy` reaches back 5 checkpoints: its youngest is 3 too far
    drawing.attach(subdag, "good")
    assert get_offered(subdag, drawing) == "genesis"  # on the genesis, 6 checkpoints back
    order(subdag, drawing, "good")  # by checkpoint 7
    drawing.attach(subdag, "fresh mixed")
    assert get_offered(subdag, drawing) == "fresh mixed"  # `old` is exactly at the limit
    advance(subdag, 2 + MINIMAL.lazy_oldest_gap)
    assert get_offered(subdag, drawing) == "fresh"
    assert drawing.get_names(subdag.select_tips(10, 1)) == "lazy fresh mixed"


@pytest.mark.parametrize(("executed", "offered"), [(4, "b"), (5, "genesis")])
def test_a_tip_is_lazy_by_its_youngest_checkpoint(executed: int, offered: str) -> None:
    drawing = SubDagDrawing("a: genesis; b: a anchor=1")
    subdag = make_subdag(0)
    drawing.attach(subdag, "a")
    order(subdag, drawing, "a")
    advance(subdag, 1)
    drawing.attach(subdag, "b")
    advance(subdag, executed)
    assert get_offered(subdag, drawing) == offered


def test_scores_recover_when_the_past_is_ordered() -> None:
    # A chain is ordered from its foot while it grows: what is stored goes stale, the walk corrects it.
    subdag = SubDag(replace(MINIMAL, anchor_gap=1_000, expiry_gap=1_000), GENESIS_ID)
    chain = [GENESIS_ID]
    for number in range(300):
        transaction = make_transaction([chain[-1]], name=str(number), anchor=number)
        subdag.process_transaction(transaction)
        chain.append(transaction.id)
        if number >= 2:
            subdag.order_cone(chain[number - 1])
        advance(subdag, number + 1)
        assert chain[-1] in {parent for n in range(20) for parent in subdag.select_parents(1, b"%d" % n)}


# ── the pool alone ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_draw_gives_every_tip_once() -> None:
    pool = TipPool()
    vertices = [Vertex(make_transaction([GENESIS_ID], name=str(number)), 0, 0, 0) for number in range(50)]
    for vertex in vertices:
        pool.add(vertex)
    for vertex in vertices[::3]:
        pool.discard(vertex.transaction.id)
    left = {vertex.transaction.id for number, vertex in enumerate(vertices) if number % 3}
    drawn = [vertex.transaction.id for vertex in pool.draw(b"seed")]
    assert len(drawn) == len(left) == len(pool)
    assert set(drawn) == left
    assert drawn != [vertex.transaction.id for vertex in pool.draw(b"other seed")]


def test_drawn_numbers_do_not_repeat() -> None:
    numbers = [number for number, _ in zip(draw_numbers(b"seed"), range(1_000), strict=False)]
    assert len(set(numbers)) == 1_000
    assert max(numbers) > 2**63
