"""The download machine: it ends with the blob whatever peers do, asks within its bounds, and names liars."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tangle.core.blob_download import (
    FAILURES_MAX,
    OUTSTANDING_MAX,
    RUNS_MAX,
    SLOW_S,
    SOURCES_MAX,
    Download,
    PieceRun,
    PieceWish,
    make_runs,
)
from tangle.core.blob_errors import FalseHoldings, FalseRange
from tangle.core.chunk_tree import (
    PIECE_LEVEL,
    PIECE_SIZE,
    BlobShape,
    BlobTree,
    compute_tree,
    prove_range,
)
from tangle.core.merkle import compute_levels, compute_node_path
from tangle.core.types import Digest

CONTENT = b"".join(bytes([index]) * PIECE_SIZE for index in range(11)) + b"the rest"
TREE = compute_tree(CONTENT)
LEVELS = compute_levels(TREE.nodes)
PIECES = len(TREE.nodes)
ALL = (PieceRun(0, PIECES),)


NOW_S = 100.0


def get_piece(index: int) -> bytes:
    return CONTENT[index * PIECE_SIZE : (index + 1) * PIECE_SIZE]


def deliver(download: Download[str], wish: PieceWish[str]) -> None:
    piece = get_piece(wish.index)
    download.on_range(
        wish.source, wish.index, piece, prove_range(LEVELS, piece, PIECE_LEVEL, wish.index).path
    )
    download.on_stored(wish.index)


def test_one_peer_gives_everything_a_few_pieces_at_a_time() -> None:
    download: Download[str] = Download(TREE.id)
    assert download.take_wishes(NOW_S) == []
    download.on_holdings("a", TREE.shape, TREE.nodes, ALL)
    most = 0
    while wishes := download.take_wishes(NOW_S):
        most = max(most, len(wishes))
        assert download.take_wishes(NOW_S) == []
        for wish in wishes:
            deliver(download, wish)
    assert most == OUTSTANDING_MAX
    assert download.is_complete
    assert download.held_bytes == len(CONTENT)


def test_peers_share_the_work() -> None:
    download: Download[str] = Download(TREE.id)
    for source in "abc":
        download.on_holdings(source, TREE.shape, TREE.nodes, ALL)
    wishes = download.take_wishes(NOW_S)
    assert sorted(wish.source for wish in wishes) == sorted("abc" * OUTSTANDING_MAX)
    assert len({wish.index for wish in wishes}) == len(wishes)


def test_it_goes_on_where_it_was() -> None:
    download: Download[str] = Download(TREE.id, TREE, held=range(PIECES - 2))
    download.on_holdings("a", TREE.shape, (), ALL)
    assert [wish.index for wish in download.take_wishes(NOW_S)] == [PIECES - 2, PIECES - 1]


def test_an_empty_blob_is_complete_as_soon_as_it_is_known() -> None:
    empty = compute_tree(b"")
    download: Download[str] = Download(empty.id)
    assert download.tree is None
    download.on_holdings("a", empty.shape, (), ())
    assert download.is_complete
    assert download.held_bytes == 0


def test_nobody_is_asked_for_what_it_does_not_have() -> None:
    download: Download[str] = Download(TREE.id)
    download.on_holdings("a", TREE.shape, TREE.nodes, (PieceRun(3, 2),))
    assert {wish.index for wish in download.take_wishes(NOW_S)} == {3, 4}


@pytest.mark.parametrize(
    ("shape", "nodes", "runs"),
    [
        (BlobShape(TREE.size + 1, TREE.shape.root), TREE.nodes, ALL),
        (BlobShape(TREE.size, Digest(bytes(32))), TREE.nodes, ALL),
        (TREE.shape, TREE.nodes[:-1], ALL),
        (TREE.shape, (*TREE.nodes[:-1], TREE.nodes[0]), ALL),
        (TREE.shape, (), ALL),
        (TREE.shape, TREE.nodes, (PieceRun(0, PIECES + 1),)),
        (TREE.shape, TREE.nodes, (PieceRun(PIECES, 1),)),
    ],
)
def test_a_lie_about_the_blob_is_found_at_once(
    shape: BlobShape, nodes: tuple[Digest, ...], runs: tuple[PieceRun, ...]
) -> None:
    download: Download[str] = Download(TREE.id)
    with pytest.raises(FalseHoldings):
        download.on_holdings("liar", shape, nodes, runs)
    assert download.is_closed_to("liar")
    assert download.tree is None
    download.on_holdings("honest", TREE.shape, TREE.nodes, ALL)
    assert {wish.source for wish in download.take_wishes(NOW_S)} == {"honest"}


@pytest.mark.parametrize("content", [b"", get_piece(1), get_piece(0)[:-1], get_piece(0) + b"\0"])
def test_a_liar_is_dropped_and_its_pieces_are_asked_of_others(content: bytes) -> None:
    download: Download[str] = Download(TREE.id)
    download.on_holdings("liar", TREE.shape, TREE.nodes, ALL)
    asked = {wish.index for wish in download.take_wishes(NOW_S)}
    with pytest.raises(FalseRange):
        download.on_range("liar", 0, content, compute_node_path(TREE.nodes, 0))
    assert download.sources == ()
    download.on_holdings("liar", TREE.shape, TREE.nodes, ALL)
    assert download.take_wishes(NOW_S) == []
    download.on_holdings("honest", TREE.shape, TREE.nodes, ALL)
    assert {wish.index for wish in download.take_wishes(NOW_S)} == asked


def test_who_never_answers_is_left_and_may_come_back() -> None:
    download: Download[str] = Download(TREE.id)
    download.on_holdings("slow", TREE.shape, TREE.nodes, ALL)
    wishes = download.take_wishes(NOW_S)
    for wish in wishes[:FAILURES_MAX]:
        download.on_failure("slow", wish.index)
    assert download.sources == ()
    download.on_failure("slow", wishes[-1].index)
    assert not download.is_closed_to("slow")


def test_what_a_peer_owes_for_long_is_asked_of_another_once_nothing_else_is_left() -> None:
    download: Download[str] = Download(TREE.id, TREE, held=range(PIECES - 2))
    download.on_holdings("stalling", TREE.shape, (), ALL)
    owed = {wish.index for wish in download.take_wishes(NOW_S)}
    download.on_holdings("prompt", TREE.shape, (), ALL)
    assert download.take_wishes(NOW_S + SLOW_S - 0.1) == []
    wishes = download.take_wishes(NOW_S + SLOW_S)
    assert {(wish.source, wish.index) for wish in wishes} == {("prompt", index) for index in owed}
    assert download.take_wishes(NOW_S + SLOW_S) == []
    for wish in wishes:
        deliver(download, wish)
    assert download.is_complete
    for index in owed:
        download.on_failure("stalling", index)
    assert download.take_wishes(NOW_S + 5 * SLOW_S) == []


def test_a_piece_that_is_owed_twice_is_wanted_again_when_both_fail() -> None:
    download: Download[str] = Download(TREE.id, TREE, held=range(PIECES - 1))
    download.on_holdings("a", TREE.shape, (), ALL)
    download.take_wishes(NOW_S)
    download.on_holdings("b", TREE.shape, (), ALL)
    download.take_wishes(NOW_S + SLOW_S)
    download.on_failure("a", PIECES - 1)
    assert download.take_wishes(NOW_S + SLOW_S) == []
    download.on_gone("b")
    assert [wish.source for wish in download.take_wishes(NOW_S + SLOW_S)] == ["a"]


def test_sources_are_bounded() -> None:
    download: Download[str] = Download(TREE.id)
    for number in range(SOURCES_MAX + 5):
        download.on_holdings(f"peer {number}", TREE.shape, TREE.nodes, ALL)
    assert len(download.sources) == SOURCES_MAX
    assert download.is_closed_to("another")


def test_runs_are_bounded() -> None:
    assert make_runs(()) == ()
    assert make_runs((4, 0, 1, 2, 6)) == (PieceRun(0, 3), PieceRun(4, 1), PieceRun(6, 1))
    assert len(make_runs(range(0, 4 * RUNS_MAX, 2))) == RUNS_MAX


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.frozensets(st.integers(0, PIECES - 1)), min_size=1, max_size=5),
    st.lists(st.sampled_from(["come", "fail", "lie", "leave", "again"]), max_size=60),
)
def test_whatever_peers_do_one_honest_peer_is_enough(
    holdings: list[frozenset[int]], fates: list[str]
) -> None:
    download: Download[str] = Download(TREE.id)
    fate = deque(fates)
    nodes: tuple[Digest, ...] = TREE.nodes
    for number, held in enumerate(holdings):
        download.on_holdings(f"peer {number}", TREE.shape, nodes, make_runs(held))
    for _ in range(1_000):
        wishes = download.take_wishes(NOW_S)
        if not wishes:
            if download.is_complete:
                break
            download.on_holdings("honest", TREE.shape, nodes, ALL)
        for wish in wishes:
            assert wish.index not in download.held
            match "come" if wish.source == "honest" or not fate else fate.popleft():
                case "come":
                    deliver(download, wish)
                case "lie":
                    with pytest.raises(FalseRange):
                        download.on_range(wish.source, wish.index, b"lie", ())
                case "fail":
                    download.on_failure(wish.source, wish.index)
                case _:
                    download.on_gone(wish.source)
    assert download.is_complete
    assert isinstance(download.tree, BlobTree)
    assert download.tree == TREE
